"""Going on with a run: ``--resume RUN``.

    run directory --> run.json --> the ledger --> RunRecord --> the same options
                                                    |
        the same tables (TableId)?  other words?  --+--> next epoch --> wait --> run

What a run was told is kept, so ``--resume RUN`` alone is enough. Options that are
said as well must be those of the run; only what concerns the machine may differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import msgspec

from pipelines.command_line import parse_words, read_options
from pipelines.flags import build, said_form
from pipelines.run_directory import RunDirectory
from pipelines.run_options import RunOptions
from pipelines.run_spec import RunSpec
from transforms.dynamodb.errors import UserError
from transforms.ledger.location import open_store
from transforms.ledger.run_record import RunRecord, keep_record, read_record, take_up
from transforms.ledger.store import LedgerStore
from transforms.planning.plan import CopyPlan
from transforms.run_context import RunContext

__all__ = [
    "Resumed",
    "check_tables",
    "keep_run",
    "open_resumed",
    "resumed_words",
    "take_up_run",
]

_FLAG = "--resume"

T = TypeVar("T", bound=RunOptions)


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run to go on with.

    Attributes:
        record: what the ledger has of it.
        spec: what its workers were told.
        store: its ledger.
        directory: its run directory.
    """

    record: RunRecord
    spec: RunSpec
    store: LedgerStore
    directory: RunDirectory


def resumed_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Takes ``--resume RUN`` out of the words of a command.

    Raises:
        UserError: the run is not named.

    >>> resumed_words(["--resume", "run-1", "--", "--runner=X"])
    ('run-1', ['--', '--runner=X'])
    """
    left = list(words)
    stop = left.index("--") if "--" in left else len(left)
    for place, word in enumerate(left[:stop]):
        flag, equals, value = word.partition("=")
        if flag != _FLAG:
            continue
        run = value if equals else "".join(left[place + 1 : min(place + 2, stop)])
        if not run:
            raise UserError(f"{_FLAG} is missing its run: give its name or directory")
        del left[place : place + (1 if equals else 2)]
        return run, left
    return None, left


def open_resumed(
    run: str, words: Sequence[str], command: str, kind: type[T]
) -> tuple[Resumed, T, list[str]]:
    """Returns a run to go on with, its options, and Beam's words.

    Args:
        run: the run's name or directory.
        words: what else was said.
        command: that goes on with it, and the class of its options.
        kind: the class of the command's options.

    Raises:
        UserError: there is no such run, or what was said is not what it was told.
    """
    directory = RunDirectory.of_run(run)
    spec = RunSpec.parse(directory.read_spec())
    options = spec.options
    if not isinstance(options, kind):
        raise UserError(f"run {spec.run.run_id} is none of beam-dynamodb {command}'s")
    if spec.run.ledger is None or not spec.run.accounted:
        raise UserError(
            f"run {spec.run.run_id} wrote no receipts (it had no --ledger, or a "
            f"--limit), so it can't be gone on with; run the {command} again, which is "
            "safe"
        )
    store = open_store(spec.run.ledger)
    record = read_record(store, spec.run.run_id)
    if record is None:
        raise UserError(
            f"the ledger {spec.run.ledger} knows no run {spec.run.run_id} that can be "
            f"gone on with; run the {command} again, which is safe"
        )
    ours = list(words[: words.index("--")]) if "--" in words else list(words)
    beam_words = list(words[len(ours) + 1 :])
    if ours:
        options = _with_machine(options, spec.target, ours, record)
    return Resumed(record, spec, store, directory), options, beam_words


def take_up_run(resumed: Resumed, options: RunOptions) -> RunContext:
    """Begins a run's next epoch; returns what its workers are told.

    Raises:
        UserError: another process does so at this moment.
    """
    before = resumed.spec.run
    return replace(
        options.run_context(before.run_id, before.ledger),
        epoch=take_up(resumed.store, resumed.record).epoch,
        accounted=before.accounted,
        by_file=before.by_file,
    )


def _with_machine(
    options: T, target: type[Any] | None, words: list[str], record: RunRecord
) -> T:
    """Takes what concerns the machine of words whose other options are the run's."""
    kind = type(options)
    parsed = parse_words(words, kind, target)
    if parsed.targets or parsed.job or not parsed.said.keys() <= _of_the_machine():
        whole, _ = read_options(words, kind, target)
        _check_said(msgspec.json.decode(record.said), _specification(whole, target))
        said: RunOptions = whole
    else:
        said = build(RunOptions, parsed.said)
    # What was not said now stays as the run was told.
    now_said = parsed.said.keys() & _of_the_machine()
    machine = {name: getattr(said, name) for name in now_said}
    return replace(options, **machine | {"run_dir": options.run_dir})


def keep_run(
    store: LedgerStore,
    spec: RunSpec,
    said: RunOptions,
    plan: CopyPlan,
) -> None:
    """Keeps what is needed to go on with a run, before it begins."""
    record = RunRecord(
        spec.run.run_id,
        spec=spec.to_json(),
        said=msgspec.json.encode(_specification(said, spec.target)).decode(),
        table_ids=_table_ids(plan),
    )
    keep_record(store, record)


def check_tables(record: RunRecord, plan: CopyPlan) -> None:
    """Refuses a table that was deleted and made again since.

    Raises:
        UserError: names it.
    """
    found = _table_ids(plan)
    for name, table_id in record.table_ids.items():
        if found.get(name) != table_id:
            raise UserError(
                f"the table of {name} is not the one that run {record.run_id} began "
                "with: it was deleted and made again since, so its receipts mean "
                "nothing; begin a new run"
            )


def _table_ids(plan: CopyPlan) -> dict[str, str]:
    tables = {"source": plan.source}
    tables |= {planned.route.name: planned.table for planned in plan.routes}
    return {name: table.table_id or "" for name, table in tables.items()}


def _of_the_machine() -> frozenset[str]:
    """Options that say how a job runs, and not what it does."""
    return frozenset(each.name for each in fields(RunOptions)) - {"ledger"}


def _specification(options: RunOptions, target: type[Any] | None) -> dict[str, Any]:
    said = said_form(options, target)
    return {name: said[name] for name in said if name not in _of_the_machine()}


def _check_said(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise UserError(
                f"--{name.replace('_', '-')} is not as the run was told; to go on with "
                "it leave the options out, for another job begin a new run"
            )
