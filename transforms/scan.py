"""Reads a DynamoDB table by a parallel scan, as a bounded collection of items.

    ScanSpec --DescribeTable--> PlannedScan --split--> restrictions of segments
             --Scan, segments interleaved--> Page --opened in batches--> Item

Everything that a worker needs travels in the `ScanSpec`, which may be a value of the
run; nothing is asked of AWS before the pipeline runs. The initial split carries the
parallelism, because Flink, Spark and Beam's local runner never split a running
restriction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import islice
from typing import Any, Literal

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.pvalue import PBegin

from transforms import metrics
from transforms.accounts import book_of
from transforms.claimed_pages import claimed_pages
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.expressions import (
    Condition,
    ServiceExpression,
    parse_condition,
    render_projection,
)
from transforms.dynamodb.key_queries import KeyQueryClient
from transforms.dynamodb.operations import ScanPage
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.items import Item, OpenPages, Origin, Page
from transforms.ledger.location import open_store
from transforms.ledger.page_book import PageFacts
from transforms.ledger.page_groups import chains_of, read_groups, selected
from transforms.ledger.patience import patiently
from transforms.ledger.receipts import keep_segments, page_digest, read_chains
from transforms.limits import budget_name, limiter_for
from transforms.push_down import Demand
from transforms.run_context import RunContext
from transforms.run_values import Given, RunValue
from transforms.scan_restriction import (
    MAX_SEGMENTS,
    SEGMENTS_IN_FLIGHT,
    ScanRestriction,
    ScanRestrictionCoder,
    ScanRestrictionTracker,
)
from transforms.scan_spec import PlannedScan, ResumePoints, ScanSpec, plan_scan
from transforms.segment_reader import ReadPage, SegmentReader
from transforms.stop import StoppedError, stop_requested
from transforms.tally import Tally
from transforms.throttle.clock import SystemClock
from transforms.throttle.rate import Rate

__all__ = ["ReadFromDynamoDB", "ScanPages", "ScanTable", "describe"]

# Beside one page of each segment on its way: those that are being worked on.
_PAGES_READ_AHEAD = 8
# A page_limit beyond this is refused by the service's 32-bit Limit.
_MAX_LIMIT = 2**31 - 1
_MAX_ITEMS = 10**12


# --- The transform -----------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class ReadFromDynamoDB(beam.PTransform[PBegin, beam.PCollection[Item]]):
    """Reads all items of a table or an index once, by parallel scan.

    Args:
        table: the table; the only positional argument.
        read: the rate, in read units. Default: 50 % of the table's capacity, as the
            EMR connector has it; of an index's own, where one is read.
        consistent: strongly consistent reads, which cost double.
        segments: TotalSegments, 1 to 1,000,000; None chooses by the table's size
            when the pipeline runs, see `choose_segments`.
        page_limit: the most items a page may evaluate; None for 1 MB pages.
        index: reads this index instead of the table.
        projection: document paths of what to return; None for whole items.
        filter: a condition that the service applies to what it read. It saves
            traffic, not read units.
        names: `#name` placeholders of the filter.
        values: `:value` placeholders of the filter.
        segments_in_flight: segments that one restriction reads at the same time. Few
            make small pages dear (a wake-up each); each may hold 1 MB.
        splits: restrictions the scan is cut into at first, so the parallelism on
            runners that never split again; at most one for each segment.
        demand: what those who use the items need of them (`push_down.demand_of`): it
            becomes filter, projection or Queries once the table is known.
        limit: how many items are read at most. One segment is read then, by one
            worker, which stops there.
        run: the run it belongs to: progress, and workers that share the rate.
        transport: connections and timeouts.

    Raises:
        UserError: an argument is out of bounds.
        ExpressionError: the filter does not parse, with the place.
    """

    table: TableRef = field(kw_only=False)
    read: Rate = field(default_factory=lambda: Rate.percent(50))
    consistent: bool = False
    segments: int | None = None
    page_limit: int | None = None
    index: str | None = None
    projection: Sequence[str] | None = None
    filter: str | Condition | None = None
    names: Mapping[str, str] | None = None
    values: Mapping[str, Any] | None = None
    segments_in_flight: int = SEGMENTS_IN_FLIGHT
    splits: int = 16
    limit: int | None = None
    demand: Demand | None = None
    run: RunContext | None = None
    transport: TransportConfig = field(default_factory=TransportConfig)

    def __post_init__(self) -> None:
        """Checks what can be checked without asking AWS."""
        super().__init__()
        _check_between("segments", self.segments, MAX_SEGMENTS)
        _check_between("page_limit", self.page_limit, _MAX_LIMIT)
        _check_between("segments_in_flight", self.segments_in_flight, 1_000)
        _check_between("splits", self.splits, MAX_SEGMENTS)
        _check_between("limit", self.limit, _MAX_ITEMS)
        if self.demand is not None and (self.filter or self.projection):
            raise UserError(
                "a scan's filter and projection come from its demand or are given, not "
                "both; leave one out"
            )
        self.spec = ScanSpec(
            table=self.table,
            read=self.read,
            consistent=self.consistent,
            segments=self.segments,
            page_limit=self.page_limit,
            index=self.index,
            projection=self._service_projection(),
            filter=self._service_filter(),
            segments_in_flight=self.segments_in_flight,
            splits=self.splits,
            run=self.run or RunContext(""),
            transport=self.transport,
            limit=self.limit,
            demand=self.demand,
        )

    def _service_projection(self) -> ServiceExpression | None:
        if isinstance(self.projection, str):
            raise UserError(
                f"projection must be a list of paths, got the text {self.projection!r}"
            )
        return None if self.projection is None else render_projection(self.projection)

    def _service_filter(self) -> ServiceExpression | None:
        if isinstance(self.filter, str):
            condition = parse_condition(
                self.filter, names=self.names, values=self.values
            )
            return condition.to_service()
        if self.names or self.values:
            raise UserError(
                "names and values belong to a filter given as text; "
                "leave them out, or give the filter as text"
            )
        return self.filter.to_service() if self.filter else None

    def expand(self, pbegin: PBegin) -> beam.PCollection[Item]:
        """Returns the items of the table."""
        items: beam.PCollection[Item] = pbegin | ScanTable(Given(self.spec))
        return items

    def with_schema(
        self, schema: Any, misfits: Literal["error", "null"] = "error"
    ) -> "beam.PTransform[PBegin, beam.PCollection[Any]]":
        """Returns the same scan as beam Rows, for SqlTransform, DataFrames, Beam YAML.

        Args:
            schema: the columns, ``"id VARCHAR, total DECIMAL(38,2)"``, or a
                `TableSchema`; see docs/query.md.
            misfits: an item with a value that its column cannot hold stops the job
                ("error"), or has NULL there ("null").

        Raises:
            UserError: the schema cannot be read, or the extra `query` is missing.
        """
        # Queries stand above scans; this one line looks up, when it is asked to.
        typed_scan = import_module("transforms.query.typed_scan")
        rows: beam.PTransform[PBegin, beam.PCollection[Any]] = typed_scan.ReadRows(
            self, schema, misfits
        )
        return rows


class ScanTable(beam.PTransform[PBegin, beam.PCollection[Item]]):
    """The same, of a scan that may be told when the pipeline runs.

    Args:
        spec: the scan. What `ReadFromDynamoDB` would check, its maker has checked.
    """

    def __init__(self, spec: RunValue[ScanSpec]) -> None:
        super().__init__()
        self._spec = spec

    def expand(self, pbegin: PBegin) -> beam.PCollection[Item]:
        """Returns the items of the table."""
        items: beam.PCollection[Item] = (
            pbegin
            | "Scan" >> beam.Create([None])
            | "Ask the run what to read" >> beam.Map(_told, self._spec)
            | "Describe the table" >> beam.Map(describe)
            | "Cut into parts" >> beam.FlatMap(PlannedScan.split)
            | "Spread over workers" >> beam.Reshuffle()
            | "Read pages" >> beam.ParDo(ScanPages(self._spec))
            | "Open pages" >> beam.ParDo(OpenPages())  # type: ignore[no-untyped-call]
        )
        return items


def _check_between(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise UserError(f"{name} must be between 1 and {most:,}, got {value}")


# --- The DoFns ---------------------------------------------------------------


def _told(_: None, spec: Any) -> ScanSpec:
    """Reads a RunValue[ScanSpec]; Beam's own type checks know no protocols."""
    told: ScanSpec = spec.get()
    return told


def describe(spec: ScanSpec) -> PlannedScan:
    """Completes a scan by asking its table what it is, and what is done of it."""
    client = client_for(spec.table, spec.transport)
    time_to_live = None
    if spec.demand is not None and spec.demand.skips_expired:
        time_to_live = worker_loop().run(client.time_to_live_attribute())
    table = worker_loop().run(client.describe_table())
    scan = plan_scan(spec, table, time_to_live)
    if spec.run.ledger is None or not spec.run.accounted:
        return scan
    store = open_store(spec.run.ledger)
    run_id, segments = spec.run.run_id, scan.total_segments
    patiently(lambda: keep_segments(store, run_id, segments))
    if spec.run.epoch == 1:
        return scan
    if spec.run.by_file:
        chains = chains_of(selected(patiently(lambda: read_groups(store, run_id))))
    else:
        chains = patiently(lambda: read_chains(store, run_id))
    return replace(scan, resume_points=ResumePoints.of_chains(chains))


class ScanPages(beam.DoFn, beam.RestrictionProvider):
    """Reads restrictions of a scan: a page is one element."""

    def __init__(self, spec: RunValue[ScanSpec]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._spec = spec

    def setup(self) -> None:
        """Opens the counters of this process."""
        spec = self._spec.get()
        self._tally = Tally(spec.run)
        self._budget = budget_name("read", spec.table, spec.index)

    def start_bundle(self) -> None:
        """Opens the book of this bundle's thread."""
        self._book = book_of(self._spec.get().run)

    def initial_restriction(self, scan: PlannedScan) -> ScanRestriction:
        """All segments of the scan's part, none of them begun."""
        whole = ScanRestriction.whole(scan.total_segments)
        return next(islice(whole.split(scan.parts), scan.part, None))

    def split(
        self, scan: PlannedScan, restriction: ScanRestriction
    ) -> Iterator[ScanRestriction]:
        """Cuts a whole scan evenly; a part of one stays in one piece."""
        return restriction.split(scan.spec.splits if scan.parts == 1 else 1)

    def create_tracker(self, restriction: ScanRestriction) -> ScanRestrictionTracker:
        """Tracks one restriction."""
        return ScanRestrictionTracker(restriction)

    def restriction_coder(self) -> Coder:
        """The coder of restrictions, as compact as the keys in them."""
        return ScanRestrictionCoder()

    def restriction_size(
        self, scan: PlannedScan, restriction: ScanRestriction
    ) -> float:
        """Work in segments; all are taken to be of one size."""
        del scan
        return float(restriction.size)

    def process(
        self,
        scan: PlannedScan,
        tracker: Any = beam.DoFn.RestrictionParam(),  # noqa: B008
    ) -> Iterator[Page]:
        """Yields pages until all is read or the rest was handed over.

        Args:
            scan: what to read.
            tracker: a `RestrictionTrackerView` when it is called.

        Raises:
            BeamDynamoDBError: a read failed for good.
        """
        run = scan.spec.run
        if stop_requested(run):
            raise StoppedError("the run was stopped; go on with --resume")
        begun: set[int] = set()
        with closing(_open_reader(scan)) as reader:
            for read in claimed_pages(scan, tracker, reader):
                self._count(read.page, *reader.new_throttling())
                if scan.is_query:
                    self._tally.add(metrics.QUERIED, read.page.scanned_count)
                if self._book is not None:
                    is_first = read.segment not in begun
                    self._book.begin(_facts(read), begins_span=is_first)
                    begun.add(read.segment)
                if read.page.items:
                    yield _as_element(read)
                if stop_requested(run):
                    # The bundle ends well, so that sinks finish what is on its way.
                    tracker.defer_remainder()
                    break
        self._tally.flush()

    def finish_bundle(self) -> None:
        """Writes the receipts of pages that had no items."""
        if self._book is not None:
            self._book.flush(at_once=True)

    def _count(self, page: ScanPage, throttled: int, waited_seconds: float) -> None:
        tally = self._tally
        tally.add(metrics.PAGES, 1)
        tally.add(metrics.SCANNED, page.scanned_count)
        tally.add(metrics.SCAN_FILTERED, page.scanned_count - page.count)
        tally.add(metrics.SEGMENTS_DONE, page.last_key is None)
        tally.add_units(metrics.READ_UNITS, page.consumed.units)
        tally.add(metrics.THROTTLED_REQUESTS, throttled)
        tally.add_units(metrics.THROTTLED_SECONDS, waited_seconds, self._budget)


def _open_reader(scan: PlannedScan) -> SegmentReader:
    spec = scan.spec
    limiter = limiter_for(
        spec.table,
        "read",
        spec.read,
        scan.capacity_units,
        index=scan.budget_index,
        run=spec.run,
        transport=spec.transport,
    )
    client = client_for(spec.table, spec.transport)
    request: Any = scan.request()  # a KeyRequest goes where a ScanRequest does
    return SegmentReader(
        KeyQueryClient(client) if scan.is_query else client,
        request,
        limiter,
        worker=worker_loop(),
        clock=SystemClock(),
        pages_in_flight=spec.segments_in_flight + _PAGES_READ_AHEAD,
    )


def _as_element(read: ReadPage) -> Page:
    page = read.page
    return Page(
        page.items,
        Origin(read.segment, page_digest(read.start_key)),
        page.scanned_count,
        page.count,
        page.consumed.units,
    )


def _facts(read: ReadPage) -> PageFacts:
    page = read.page
    counts = {
        metrics.PAGES.name: 1,
        metrics.SCANNED.name: page.scanned_count,
        metrics.SCAN_FILTERED.name: page.scanned_count - page.count,
        metrics.SEGMENTS_DONE.name: int(page.last_key is None),
    }
    return PageFacts(read.segment, read.start_key, page.last_key, page.count, counts)
