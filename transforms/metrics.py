"""Every counter of this library: its name, its unit and what it counts.

A metric of a route or a filter carries its owner's name: `written/oregon`. Query
counters by namespace and name, never by step: what a batched DoFn counts is put
down to another step by some runners.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from apache_beam.metrics.metric import MetricResults, Metrics, MetricsFilter
from apache_beam.runners.runner import PipelineResult

__all__ = [
    "ALL_METRICS",
    "BYTES_WRITTEN",
    "EXPIRED",
    "FANNED_OUT",
    "FILES_WRITTEN",
    "FILTERED",
    "FILTER_EVALUATIONS",
    "KEPT_ASIDE",
    "MISFITS",
    "NAMESPACE",
    "PAGES",
    "QUERIED",
    "READ_UNITS",
    "REJECTED",
    "RETRIED_BATCHES",
    "ROWS_MADE",
    "SCANNED",
    "SCAN_FILTERED",
    "SEGMENTS_DONE",
    "SHARED_FILTERED",
    "SHARED_SUPERSEDED",
    "SKIPPED",
    "SUPERSEDED",
    "THROTTLED_REQUESTS",
    "THROTTLED_SECONDS",
    "TIES",
    "WRITE_UNITS",
    "WRITTEN",
    "Metric",
    "WholeUnits",
    "counters_of",
]

NAMESPACE = "beam-dynamodb"

Counter = Metrics.DelegatingCounter


@dataclass(frozen=True, slots=True)
class Metric:
    """One counter, or one for each owner (a route, a filter).

    Attributes:
        name: in `NAMESPACE`; an owner's name follows it after a slash.
        unit: of one step of the counter.
        help: what is counted, for a reader of the run's summary.
        owner: whose counter it is; None if the run has one of it.
        keeps_name: Beam's runners know the counter by its bare name, so the owner
            stands in its namespace instead.
    """

    name: str
    unit: Literal[
        "items",
        "pages",
        "segments",
        "units",
        "requests",
        "seconds",
        "calls",
        "files",
        "bytes",
    ]
    help: str
    owner: Literal["route", "filter", "table"] | None = None
    keeps_name: bool = False

    def name_of(self, owner: str | None = None) -> str:
        """The counter's full name.

        >>> WRITTEN.name_of("oregon")
        'written/oregon'

        Raises:
            ValueError: the metric has owners and none is given, or the reverse.
        """
        if (owner is None) != (self.owner is None):
            raise ValueError(
                f"metric {self.name} is counted "
                f"{f'by {self.owner}' if self.owner else 'once a run'}, "
                f"got owner {owner!r}"
            )
        return self.name if owner is None else f"{self.name}/{owner}"

    def counter(self, owner: str | None = None) -> Counter:
        """Beam's counter. Pickles, so a DoFn may make it when it is constructed."""
        name = self.name_of(owner)
        if self.keeps_name and owner is not None:
            return _counter(f"{NAMESPACE}/{owner}", self.name)
        return _counter(NAMESPACE, name)


@lru_cache(maxsize=1024)
def _counter(namespace: str, name: str) -> Counter:
    return Metrics.counter(namespace, name)


# --- The scan ---

SCANNED = Metric("scanned", "items", "Items that the scan read (ScannedCount)")
QUERIED = Metric(
    "queried", "items", "Of these, items read by Query, the partition keys being given"
)
SCAN_FILTERED = Metric(
    "scan_filtered", "items", "Items that the service left out by the scan's filter"
)
PAGES = Metric("pages", "pages", "Pages read")
SEGMENTS_DONE = Metric("segments_done", "segments", "Segments read to their end")
READ_UNITS = Metric("read_units", "units", "Read capacity consumed")

# --- Routes: scanned + fanned out = written + filtered + skipped + superseded +
# --- rejected, for each

WRITTEN = Metric("written", "items", "Items put or deleted", "route")
SHARED_FILTERED = Metric(
    "shared_filtered", "items", "Items that the filter shared by all routes left out"
)
FILTERED = Metric("filtered", "items", "Items the route's filter left out", "route")
SHARED_SUPERSEDED = Metric(
    "shared_superseded", "items", "Changes followed by a newer one of the same key"
)
EXPIRED = Metric(
    "expired", "items", "Items past their time to live, which --expired skip leaves out"
)
SKIPPED = Metric(
    "skipped", "items", "Items not written: by the mapping, or the mode", "route"
)
FANNED_OUT = Metric(
    "fanned_out", "items", "Items that a mapping made beyond the first of each", "route"
)
SUPERSEDED = Metric(
    "superseded", "items", "Items that gave way to another of the same key", "route"
)
TIES = Metric(
    "ties", "items", "Of these, items whose version the stored item has too", "route"
)
REJECTED = Metric("rejected", "items", "Items that could not be written", "route")
WRITE_UNITS = Metric("write_units", "units", "Write capacity consumed", "route")
RETRIED_BATCHES = Metric(
    "retried_batches", "requests", "Batches of which items were sent again", "route"
)
FILTER_EVALUATIONS = Metric(
    "filter_evaluations", "calls", "Items that a filter looked at", "filter"
)

# --- Backups ---

FILES_WRITTEN = Metric("files_written", "files", "Data files of a backup completed")
BYTES_WRITTEN = Metric("bytes_written", "bytes", "Their size as stored")

# --- Queries ---

MISFITS = Metric("misfits", "items", "Values that their column cannot hold")
ROWS_MADE = Metric("rows_made", "items", "Rows of a query that became items")
KEPT_ASIDE = Metric("kept_aside", "items", "Items left out because of misfits")

# --- Both directions ---

THROTTLED_REQUESTS = Metric(
    "throttled_requests", "requests", "Requests that the service throttled"
)
# The name by which Beam's runners know it (io/components/adaptive_throttler.py).
THROTTLED_SECONDS = Metric(
    "cumulativeThrottlingSeconds",
    "seconds",
    "Time that requests spent waiting for a table's rate",
    "table",
    keeps_name=True,
)

ALL_METRICS = (
    SCANNED,
    QUERIED,
    SCAN_FILTERED,
    PAGES,
    SEGMENTS_DONE,
    READ_UNITS,
    SHARED_FILTERED,
    SHARED_SUPERSEDED,
    WRITTEN,
    EXPIRED,
    FILTERED,
    SKIPPED,
    FANNED_OUT,
    SUPERSEDED,
    TIES,
    REJECTED,
    WRITE_UNITS,
    RETRIED_BATCHES,
    FILTER_EVALUATIONS,
    FILES_WRITTEN,
    BYTES_WRITTEN,
    MISFITS,
    KEPT_ASIDE,
    ROWS_MADE,
    THROTTLED_REQUESTS,
    THROTTLED_SECONDS,
)


class WholeUnits:
    """Feeds fractions to a counter of integers, and loses none of them.

    >>> whole = WholeUnits()
    >>> [whole.add(0.5) for _ in range(4)]
    [0, 1, 0, 1]
    """

    def __init__(self) -> None:
        self._rest = 0.0

    def add(self, amount: float) -> int:
        """Returns the whole units that are due now, and keeps the rest."""
        due, self._rest = divmod(self._rest + amount, 1)
        return int(due)


def counters_of(result: PipelineResult) -> dict[str, int]:
    """A finished run's counters: full name to value, summed over steps.

    An owner in the namespace is put behind the name, where others have it.

    Committed values, or attempted ones on a runner that reports no other.
    """
    found = result.metrics().query(MetricsFilter())
    sums: dict[str, int] = {}
    for counter in found[MetricResults.COUNTERS]:
        namespace, slash, owner = counter.key.metric.namespace.partition("/")
        if namespace != NAMESPACE:
            continue
        name = counter.key.metric.name + slash + owner
        sums[name] = sums.get(name, 0) + counter.result
    return sums
