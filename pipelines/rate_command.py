"""``beam-dynamodb rate``: shows the rates of a running job, and changes them.

rate RUN            each budget: its promise, why, and who holds it
rate RUN --set 20%  writes it into the ledger, where every worker finds it
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines import conversions as convert
from pipelines.command_line import read_options
from pipelines.flags import flag
from pipelines.help_text import EXIT_CODES_HELP, draw_help
from pipelines.launch import ExitCode
from pipelines.run_directory import RunDirectory
from pipelines.run_spec import RunSpec
from transforms.dynamodb.errors import UserError
from transforms.ledger.errors import LedgerUnreachableError
from transforms.ledger.lease_rows import (
    WHOLE,
    Lease,
    Pool,
    leases_partition,
    pool_partition,
    read_pool,
)
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.store import RUNS, LedgerStore
from transforms.throttle.clock import SystemClock
from transforms.throttle.rate import Rate, RateError
from transforms.throttle.schedule import PAUSED

__all__ = ["help_text", "run"]

_OWN = "own"
_TRIES = 20

_HEAD = """\
usage: beam-dynamodb rate RUN [--set RATE] [--of BUDGET] [--ledger WHERE]

Shows what a running job may spend, or changes it: all its workers follow within one
lease, ten seconds. RUN is the run's name, as it was printed, or its directory.

Examples
  beam-dynamodb rate 20261124-041500-ab12cd
  beam-dynamodb rate 20261124-041500-ab12cd --set 20%
  beam-dynamodb rate 20261124-041500-ab12cd --set 0 --of "write us-west-2/orders"
  beam-dynamodb rate 20261124-041500-ab12cd --set own
"""


def _rate(said: Any) -> str:
    text = str(said).strip()
    if text in (PAUSED, _OWN):
        return "" if text == _OWN else PAUSED
    try:
        rate = Rate.parse(text)
    except RateError as error:
        raise UserError(f"{error}; or 0 to pause, own for the run's own") from error
    if rate.kind == "unlimited":
        raise UserError(
            "unlimited can't be set while a job runs; give 150%, or a figure"
        )
    return str(rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateOptions:
    """What ``beam-dynamodb rate`` takes after the run."""

    set: str | None = field(
        default=None,
        metadata=flag(
            "What to do",
            "20% (of each table's capacity), 500/s, 0 to pause, or own for what the "
            "run was started with",
            metavar="RATE",
            convert=_rate,
        ),
    )
    of: str | None = field(
        default=None,
        metadata=flag(
            "What to do",
            "only the budgets whose name holds this, such as 'write' or a table's name",
            metavar="BUDGET",
            convert=convert.text,
        ),
    )
    ledger: str | None = field(
        default=None,
        metadata=flag(
            "What to do",
            "the run's ledger, where its directory is not on this machine",
            metavar="WHERE",
            convert=convert.text,
        ),
    )


def help_text() -> str:
    """Returns the help of ``beam-dynamodb rate``."""
    return draw_help(_HEAD, EXIT_CODES_HELP, RateOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Shows or changes the rates of a run.

    Raises:
        UserError: there is no such run, no such budget, or no such rate.
    """
    if not words or words[0].startswith("-"):
        raise UserError("name the run first: beam-dynamodb rate RUN [--set RATE]")
    options, _ = read_options(words[1:], RateOptions)
    store, run_id = _open(words[0], options.ledger)
    pools = [
        Pool.of_row(row)
        for row in store.rows(pool_partition(run_id))
        if (options.of or "") in row.sort
    ]
    if not pools:
        raise UserError(
            f"run {run_id} has no budget"
            + (f" with {options.of!r} in its name" if options.of else "")
            + "; a job has one once its workers have begun, and none if unlimited"
        )
    for pool in pools:
        if options.set is not None:
            _change(store, run_id, pool.budget, options.set)
            print(f"{pool.budget}: {options.set or 'its own rate'}, within 10 s")
        else:
            _show(store, run_id, pool)
    return ExitCode.DONE


def _open(run: str, ledger: str | None) -> tuple[LedgerStore, str]:
    if ledger is not None:
        store = open_store(LedgerLocation.parse(ledger))
        if store.get(RUNS, run) is None:
            raise UserError(f"the ledger {ledger} knows no run {run!r}")
        return store, run
    directory = RunDirectory.of_run(run)
    if directory.spec.is_file():
        context = RunSpec.parse(directory.spec.read_text(encoding="utf-8")).run
        if context.ledger is not None:
            return open_store(context.ledger), context.run_id
    store = open_store(LedgerLocation.in_directory(directory.path))
    runs = store.rows(RUNS) if directory.ledger.exists() else ()
    if not runs:
        raise UserError(f"{directory.path} has no ledger; name it with --ledger")
    return store, runs[-1].sort


def _change(store: LedgerStore, run_id: str, budget: str, rate: str) -> None:
    """Writes over what is there; workers write the same row now and then."""
    for _ in range(_TRIES):
        pool = read_pool(store, run_id, budget)
        assert pool is not None  # it was listed
        wall = SystemClock().wall()
        if store.commit([pool.changed(run_id, wall, rate=rate)]):
            return
    raise LedgerUnreachableError(
        f"the row of {budget} is changed by others all the time; try again"
    )


def _show(store: LedgerStore, run_id: str, pool: Pool) -> None:
    print(f"{pool.budget}: {pool.promise:,.6g} units/s, {pool.reason}")
    for row in store.rows(leases_partition(run_id, pool.budget)):
        lease = Lease.of_row(row)
        share = lease.parts / WHOLE
        print(f"  {lease.worker}  {pool.promise * share:,.6g} units/s  {share:.0%}")
