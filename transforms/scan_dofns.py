"""The scan's steps on workers: it is described, split, and read page by page.

`transforms.scan` arranges them.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import apache_beam as beam
from apache_beam.coders import Coder

from transforms import metrics
from transforms.accounts import book_of
from transforms.claimed_pages import claimed_pages
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.key_queries import KeyQueryClient
from transforms.dynamodb.operations import ScanPage
from transforms.items import Origin, Page
from transforms.ledger.location import open_store
from transforms.ledger.page_book import PageFacts
from transforms.ledger.page_groups import chains_of, read_groups, selected
from transforms.ledger.patience import patiently
from transforms.ledger.receipts import keep_segments, page_digest, read_chains
from transforms.limits import budget_name, limiter_for
from transforms.run_values import RunValue
from transforms.scan_restriction import (
    ScanRestriction,
    ScanRestrictionCoder,
    ScanRestrictionTracker,
)
from transforms.scan_spec import PlannedScan, ResumePoints, ScanSpec, plan_scan
from transforms.segment_reader import ReadPage, SegmentReader
from transforms.stop import StoppedError, stop_requested
from transforms.tally import Tally
from transforms.throttle.clock import SystemClock

__all__ = ["ScanPages", "describe"]

# Beside one page of each segment on its way: those that are being worked on.
_PAGES_READ_AHEAD = 8


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
                    if not is_first:
                        self._book.await_settled(read.segment)
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
        page.size_bytes,
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
