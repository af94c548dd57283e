"""The demonstration itself: fill, copy twice by the command, check, sum up."""

import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines import commands
from pipelines.demo import screen
from pipelines.demo.copies import (
    COPIES,
    SOURCE_REGION,
    SOURCE_TABLE,
    Copy,
    Target,
)
from pipelines.demo.engines import Engine
from pipelines.demo.flights import TOTAL_FLIGHTS, flight_items
from pipelines.demo.tables import create_table, put_all
from pipelines.demo.verify import (
    Comparison,
    Snapshot,
    compare,
    expected_snapshot,
    read_snapshot,
)
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.progress import read_progress
from transforms.ledger.store import RUNS
from transforms.metrics import FILTER_EVALUATIONS, SCANNED

__all__ = ["CopyFailedError", "demonstrate"]


class CopyFailedError(Exception):
    """The command gave another exit code than 0; it has said why itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """A copy that was run.

    Attributes:
        copy: What was asked for.
        counts: The run's progress at its end, by the names of transforms.metrics.
        seconds: How long it took.
    """

    copy: Copy
    counts: Mapping[str, int]
    seconds: float

    @property
    def scanned(self) -> int:
        """Items that the scan read."""
        return self.counts.get(SCANNED.name, 0)

    @property
    def evaluations(self) -> int:
        """Times that a filter looked at an item, over all filters."""
        prefix = FILTER_EVALUATIONS.name
        return sum(n for name, n in self.counts.items() if name.startswith(prefix))


def demonstrate(engine: Engine, items: int) -> bool:
    """Shows both copies on a running engine; returns whether the targets match.

    Args:
        engine: Fresh: none of the tables may be there.
        items: How many flights to copy.

    Raises:
        CopyFailedError: A copy did not end well.
    """
    began = time.monotonic()
    _fill(engine, items)
    with tempfile.TemporaryDirectory(prefix="beam-dynamodb-") as folder:
        runs = [
            _run(copy, place, engine, Path(folder, copy.name))
            for place, copy in enumerate(COPIES, start=1)
        ]
    checked = _check(engine)
    _sum_up(runs, checked, time.monotonic() - began)
    return all(comparison.matches for comparison in checked.values())


def _fill(engine: Engine, items: int) -> None:
    source = engine.dynamodb(SOURCE_REGION)
    screen.heading(f"Fill {SOURCE_REGION}/{SOURCE_TABLE} on {engine.name}")
    began = time.monotonic()
    create_table(source, SOURCE_TABLE)
    counting = screen.Counting(sys.stderr, "flights put:")
    loaded = put_all(source, SOURCE_TABLE, flight_items(items), counting.show)
    counting.clear()
    for copy in COPIES:
        for target in copy.targets:
            create_table(engine.dynamodb(target.region), target.table)
    screen.tell(
        f"{loaded:,} of the {TOTAL_FLIGHTS:,} flights from New York City in 2013, in "
        f"{time.monotonic() - began:.1f} s"
    )


def _run(copy: Copy, place: int, engine: Engine, run_dir: Path) -> Run:
    screen.heading(f"Copy {place}: {copy.title}")
    lines = copy.command_lines(engine, str(run_dir))
    screen.prompt(screen.command_text(lines))
    began = time.monotonic()
    code = commands.run([word for line in lines for word in line])
    if code:
        raise CopyFailedError(f"copy {place} ended with exit code {int(code)}")
    ledger = open_store(LedgerLocation.in_directory(run_dir))
    counts = read_progress(ledger, ledger.rows(RUNS)[-1].sort)
    return Run(copy, counts, time.monotonic() - began)


def _check(engine: Engine) -> dict[str, Comparison]:
    """Reads every table with plain boto3 and compares; by target."""
    screen.heading("Check, by an independent read with plain boto3")
    source = read_snapshot(engine.dynamodb(SOURCE_REGION), SOURCE_TABLE)
    targets = [target for copy in COPIES for target in copy.targets]
    return {target.display: _check_target(engine, source, target) for target in targets}


def _check_target(engine: Engine, source: Snapshot, target: Target) -> Comparison:
    expected = expected_snapshot(source, target.keep, target.columns)
    found = read_snapshot(engine.dynamodb(target.region), target.table)
    comparison = compare(expected, found)
    screen.tell(
        f"{target.display:<28}{comparison.expected:>9,} expected"
        f"{comparison.equal:>9,} equal{comparison.missing:>6,} missing"
        f"{comparison.extra:>6,} extra{comparison.changed:>6,} changed"
    )
    for difference in comparison.first:
        screen.tell(f"    key {difference.key_digest}… {difference.what}")
    return comparison


def _sum_up(
    runs: list[Run],
    checked: Mapping[str, Comparison],
    seconds: float,
) -> None:
    screen.tell()
    screen.rule()
    for place, run in enumerate(runs, start=1):
        screen.tell(f"{place}  {run.copy.title}  ({run.seconds:.1f} s)")
        screen.tell(
            f"   {run.scanned:,} items scanned once, {run.evaluations:,} evaluations "
            "of a filter"
        )
        for target in run.copy.targets:
            _tell_target(target, checked[target.display])
    _tell_verdict(checked.values(), seconds)
    screen.rule()
    screen.tell_what_next()


def _tell_target(target: Target, comparison: Comparison) -> None:
    verdict = "as it should be" if comparison.matches else "NOT as it should be"
    screen.tell(f"     {target.display:<30}{comparison.equal:>9,} items, {verdict}")


def _tell_verdict(checked: Collection[Comparison], seconds: float) -> None:
    compared = sum(comparison.expected for comparison in checked)
    if all(comparison.matches for comparison in checked):
        screen.tell(
            f"   {compared:,} items compared with the source, every attribute: no "
            f"difference. All in {seconds:.0f} s."
        )
    else:
        screen.tell("   The targets do not match the source; see the check above.")
