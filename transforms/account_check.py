"""The last step of a copy: the job fails if its accounts do not balance.

    receipts of all routes --> sums by route --> check each, against the ledger too

So it holds for a job that no launcher of ours watches (`flink run`). Receipts that a
runner commits are those of bundles that ended well; where there is a ledger, its
chains must be complete, and every item that was scanned in them accounted for (I6).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam

from transforms import metrics
from transforms.dynamodb.errors import JobStoppedError
from transforms.ledger.location import open_store
from transforms.ledger.patience import patiently
from transforms.ledger.receipts import read_chains, read_segments, total_of
from transforms.receipts import Receipt
from transforms.run_context import RunContext
from transforms.run_values import RunValue

__all__ = ["AccountsError", "CheckAccounts", "unaccounted"]

Sums = tuple[int, int]
"""Items that came to a route, fanned-out ones included, and those accounted for."""

_SHARED = (metrics.SCAN_FILTERED, metrics.SHARED_FILTERED, metrics.EXPIRED)
_FATES = (
    metrics.WRITTEN,
    metrics.FILTERED,
    metrics.SKIPPED,
    metrics.SUPERSEDED,
    metrics.REJECTED,
)


class AccountsError(JobStoppedError):
    """An item was lost, or counted twice."""


class CheckAccounts(beam.PTransform[beam.PCollection[Receipt], beam.PCollection[str]]):
    """Fails the job if a route's receipts do not balance; else yields its name.

    Args:
        run: the run; with a ledger, that is checked as well.
    """

    def __init__(self, run: RunValue[RunContext]) -> None:
        super().__init__()
        self._run = run

    def expand(self, pcoll: beam.PCollection[Receipt]) -> beam.PCollection[str]:
        """Returns the routes whose accounts balance."""
        # A route that no receipt came of is checked as well.
        none_yet = (
            pcoll.pipeline
            | "Ask the run" >> beam.Create([None])
            | "A zero for each route" >> beam.FlatMap(_zeros, self._run)
        )
        sums = pcoll | "Sum up each receipt" >> beam.Map(_sums)
        checked: beam.PCollection[str] = (
            (sums, none_yet)
            | "With zeros" >> beam.Flatten()
            | "Sum up each route" >> beam.CombinePerKey(_add)
            | "Check" >> beam.ParDo(_Check(self._run))
        )
        return checked


def unaccounted(counts: Mapping[str, int], route: str) -> int:
    """Returns how many scanned or fanned-out items of a route have no fate.

    >>> unaccounted({"scanned": 5, "scan_filtered": 1, "written/oregon": 3}, "oregon")
    1
    """
    came = counts.get(metrics.SCANNED.name, 0)
    came += counts.get(metrics.FANNED_OUT.name_of(route), 0)
    settled = sum(counts.get(shared.name, 0) for shared in _SHARED)
    return came - settled - sum(counts.get(each.name_of(route), 0) for each in _FATES)


def _sums(receipt: Receipt) -> tuple[str, Sums]:
    settled = receipt.written + receipt.filtered + receipt.skipped
    settled += receipt.superseded + receipt.rejected
    return receipt.route, (receipt.items + receipt.fanned_out, settled)


def _zeros(_: None, run: Any) -> Iterator[tuple[str, Sums]]:
    """Reads a RunValue[RunContext]; Beam's own type checks know no protocols."""
    for route in run.get().accounted:
        yield route, (0, 0)


def _add(sums: Iterable[Sums]) -> Sums:
    came = settled = 0
    for one in sums:
        came += one[0]
        settled += one[1]
    return came, settled


class _Check(beam.DoFn):
    def __init__(self, run: RunValue[RunContext]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run = run

    def process(self, element: tuple[str, Sums]) -> Iterator[str]:
        route, (came, settled) = element
        if came != settled:
            raise AccountsError(
                f"route {route}: {came:,} items came, and {settled:,} are accounted "
                "for; run it again, which is safe, and please report it"
            )
        run = self._run.get()
        if run.ledger is not None and run.accounted:
            _check_ledger(run, route)
        yield route


def _check_ledger(run: RunContext, route: str) -> None:
    assert run.ledger is not None
    store = open_store(run.ledger)
    chains = patiently(lambda: read_chains(store, run.run_id))
    segments = patiently(lambda: read_segments(store, run.run_id))
    done = sum(chain.is_done for chain in chains.values())
    missing = unaccounted(total_of(chains.values()), route)
    if done != segments or missing:
        raise AccountsError(
            f"route {route}: {done} of {segments} segments have receipts to their end, "
            f"and {missing:,} items are not accounted for; go on with --resume "
            f"{run.run_id}"
        )
