"""Pages of a scan, each claimed before it is handed on."""

from collections.abc import Iterator

import msgspec
from apache_beam.runners.sdf_utils import RestrictionTrackerView

from transforms.scan_restriction import EndClaim, PageClaim, PlaceClaim, segment_at
from transforms.scan_spec import PlannedScan
from transforms.segment_reader import PageSource, ReadPage

__all__ = ["claimed_pages"]


def claimed_pages(
    scan: PlannedScan, tracker: RestrictionTrackerView, reader: PageSource
) -> Iterator[ReadPage]:
    """Opens segments as places are granted, and yields pages that were claimed."""
    restriction = tracker.current_restriction()
    points = scan.resume_points

    def begin(segment: int, start_key: bytes | None) -> None:
        if start_key is None and points.is_done(segment):
            tracker.try_claim(PageClaim(segment, None))
        else:
            reader.open(segment, start_key or points.start_key(segment))

    for begun in restriction.open:
        begin(begun.segment, begun.start_key)
    place = restriction.next
    left = scan.spec.limit
    while True:
        while reader.active < scan.spec.segments_in_flight and tracker.try_claim(
            PlaceClaim(place)
        ):
            begin(segment_at(place, scan.total_segments), None)
            place += 1
        if not reader.active:
            return
        read = reader.take()
        # Refused: a checkpoint took the work away, and its heir reads the page again.
        if not tracker.try_claim(PageClaim(read.segment, read.page.last_key)):
            return
        if left is not None:
            read = _cut(read, left)
            left -= read.page.count
        yield read
        if left == 0:
            tracker.try_claim(EndClaim())
            return


def _cut(read: ReadPage, most: int) -> ReadPage:
    """Takes no more items of a page; the others count as never scanned."""
    page = read.page
    beyond = max(0, page.count - most)
    if not beyond:
        return read
    kept = msgspec.structs.replace(
        page,
        items=page.items[:most],
        count=most,
        scanned_count=page.scanned_count - beyond,
    )
    return read._replace(page=kept)
