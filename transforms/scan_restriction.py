"""What is left to read of a parallel scan, and how it is claimed and split.

A scan takes many more segments than there are workers. Work is counted in
*places*: place 0, 1, 2 … in the order in which they are claimed. A fixed
permutation maps a place to a segment of the table, so that neighbours in work
are far apart in the table's hash space, and no partition is heated alone:

    claim a place   ->  its segment is open, from its start
    claim a page    ->  the segment is open after that page, or done
    split           ->  the unclaimed places are shared out
    checkpoint      ->  everything open and unclaimed is handed over

A page is claimed before it is emitted, so what a checkpoint hands over was never
emitted here, and what was emitted is never handed over.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import msgspec
from apache_beam.coders import Coder
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker

__all__ = [
    "MAX_SEGMENTS",
    "SEGMENTS_IN_FLIGHT",
    "EndClaim",
    "OpenSegment",
    "PageClaim",
    "PlaceClaim",
    "ScanRestriction",
    "ScanRestrictionCoder",
    "ScanRestrictionTracker",
    "choose_segments",
    "segment_at",
]

# TotalSegments in
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
MAX_SEGMENTS = 1_000_000

# Steps of the golden ratio spread any number of places evenly over a circle.
_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


@lru_cache(maxsize=64)
def _step(total_segments: int) -> int:
    """The distance of neighbours: coprime to the total, so all segments come."""
    near = max(1, round(total_segments * _GOLDEN_RATIO))
    return next(n for n in range(near, 0, -1) if math.gcd(n, total_segments) == 1)


def segment_at(place: int, total_segments: int) -> int:
    """The segment that a place stands for; one to one over `[0, total_segments)`.

    >>> [segment_at(place, 8) for place in range(8)]
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    return place * _step(total_segments) % total_segments


SEGMENTS_IN_FLIGHT = 32
"""How many segments a reader has open by default. Few make small pages dear: each page
wakes somebody. Each may hold a page of 1 MB."""

_PAGE_BYTES = 1024 * 1024  # what ends a page, see API_Scan
# About 64 pages: the one page that a segment reads in vain at its end is 2 %.
_SEGMENT_BYTES = 64 * _PAGE_BYTES


def choose_segments(size_bytes: int, splits: int, segments_in_flight: int) -> int:
    """How many segments to cut a table into, 1 to 1,000,000.

    One for each 64 MiB; more, so that every split can read its number at once, as
    long as each is worth a page; and one for each split in any case, because
    DescribeTable's size is up to six hours old and 0 for a new table. Every segment
    costs a request, so a small table is not cut finer than that.

    >>> choose_segments(0, 16, 8), choose_segments(2**30, 16, 8)
    (16, 128)
    >>> choose_segments(2**40, 16, 8)
    16384
    """
    by_size = math.ceil(size_bytes / _SEGMENT_BYTES)
    by_pages = min(splits * segments_in_flight, math.ceil(size_bytes / _PAGE_BYTES))
    return min(max(by_size, by_pages, splits, 1), MAX_SEGMENTS)


# --- The restriction ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment that is being read.

    Attributes:
        segment: its number, in `[0, total_segments)`.
        start_key: where its next page starts: the ExclusiveStartKey as JSON
            bytes, None at the segment's start.
    """

    segment: int
    start_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class ScanRestriction:
    """A part of a scan: open segments, and the unclaimed places `[next, stop)`.

    Attributes:
        open: segments begun, each once, none of them in an unclaimed place.
        next: the first unclaimed place.
        stop: the place after the last one; `next == stop` means none is left.
        total_segments: of the whole scan, 1 to 1,000,000.
    """

    open: tuple[OpenSegment, ...]
    next: int
    stop: int
    total_segments: int

    def __post_init__(self) -> None:
        """Refuses places and segments that the scan does not have."""
        if not 1 <= self.total_segments <= MAX_SEGMENTS:
            raise ValueError(
                "total_segments must be between 1 and 1,000,000, "
                f"got {self.total_segments}"
            )
        if not 0 <= self.next <= self.stop <= self.total_segments:
            raise ValueError(
                f"places [{self.next}, {self.stop}) are not within "
                f"[0, {self.total_segments})"
            )
        if any(not 0 <= s.segment < self.total_segments for s in self.open):
            raise ValueError(f"an open segment is not below {self.total_segments}")

    @classmethod
    def whole(cls, total_segments: int) -> "ScanRestriction":
        """All of a scan, none of it begun."""
        return cls((), 0, total_segments, total_segments)

    @property
    def size(self) -> int:
        """Segments not done: open ones and unclaimed places."""
        return len(self.open) + self.stop - self.next

    def split(self, parts: int) -> Iterator["ScanRestriction"]:
        """Cuts the unclaimed places into at most `parts` ranges of equal size.

        What is open stays with the first range. Sizes differ by at most one, and
        no part is empty unless the whole is.
        """
        places = self.stop - self.next
        count = max(1, min(parts, places))
        bounds = [self.next + places * n // count for n in range(count + 1)]
        for n in range(count):
            yield replace(
                self,
                open=self.open if n == 0 else (),
                next=bounds[n],
                stop=bounds[n + 1],
            )


class ScanRestrictionCoder(Coder):
    """A version byte, then a MessagePack array; equal restrictions, equal bytes."""

    _VERSION = b"\x01"

    def encode(self, value: ScanRestriction) -> bytes:
        """Encodes in at most 19 bytes, and 8 + its key for each open segment."""
        segments = [(s.segment, s.start_key) for s in value.open]
        fields = (value.total_segments, value.next, value.stop, segments)
        return self._VERSION + msgspec.msgpack.encode(fields)

    def decode(self, encoded: bytes) -> ScanRestriction:
        """Decodes what `encode` made, of this version.

        Raises:
            ValueError: it comes from a version of this library that this one
                does not know.
        """
        if encoded[:1] != self._VERSION:
            raise ValueError(
                f"a scan's restriction of version {encoded[:1].hex() or 'none'} "
                f"cannot be read, only {self._VERSION.hex()}; "
                "run all workers on one version of beam-dynamodb"
            )
        total, next_place, stop, segments = _FIELDS.decode(encoded[1:])
        open_segments = tuple(OpenSegment(*segment) for segment in segments)
        return ScanRestriction(open_segments, next_place, stop, total)

    def is_deterministic(self) -> bool:
        """True: the fields have one encoding each."""
        return True

    def to_type_hint(self) -> type[ScanRestriction]:
        """The type that it encodes."""
        return ScanRestriction


# Here and not in the coder: msgspec's decoders do not pickle, coders must.
_FIELDS = msgspec.msgpack.Decoder(tuple[int, int, int, list[tuple[int, bytes | None]]])


# --- The tracker -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlaceClaim:
    """Asks to open the segment of a place: always the next unclaimed one."""

    place: int


@dataclass(frozen=True, slots=True)
class PageClaim:
    """Asks to emit the page at which an open segment stands.

    Attributes:
        segment: an open segment.
        next_key: where the page after it starts; None if it is the last one.
    """

    segment: int
    next_key: bytes | None


@dataclass(frozen=True, slots=True)
class EndClaim:
    """Says that the rest of the work is not wanted: a limit is reached."""


class ScanRestrictionTracker(RestrictionTracker):
    """Tracks one `process` call; Beam's wrapper keeps its threads apart.

    Unlike Beam's offset tracker, a refused `PlaceClaim` says only that no place is
    left: the segments that are open are still this call's work. A refused
    `PageClaim` says that the segment was handed over: drop the page, and stop.
    """

    def __init__(self, restriction: ScanRestriction) -> None:
        # The primary must describe the work done already, too: a runner that
        # loses the bundle after a split reads the primary again, from its start.
        self._primary = restriction
        self._open = {s.segment: s.start_key for s in restriction.open}
        self._next = restriction.next
        self._completed = 0
        self._handed_over = False

    def current_restriction(self) -> ScanRestriction:
        """All work of this call, done or not, less what splits gave away."""
        return self._primary

    def current_progress(self) -> RestrictionProgress:
        """Work in segments; one that is open counts as remaining."""
        remaining = len(self._open) + self._primary.stop - self._next
        return RestrictionProgress(completed=self._completed, remaining=remaining)

    def is_bounded(self) -> bool:
        """True: a scan ends."""
        return True

    def check_done(self) -> bool:
        """Returns True if nothing is open or unclaimed.

        Raises:
            ValueError: something is; leaving it would lose its items.
        """
        unclaimed = self._primary.stop - self._next
        if self._open or unclaimed:
            raise ValueError(
                f"the scan is not done: {len(self._open)} segments are open and "
                f"{unclaimed} places of [{self._next}, {self._primary.stop}) unclaimed"
            )
        return True

    def try_claim(self, position: PlaceClaim | PageClaim | EndClaim) -> bool:
        """Claims a place or a page, or gives up all that is left.

        Returns:
            True if it is this call's, to open or to emit; False if it is not or no
            longer, because the range ends before it or a split gave it away.

        Raises:
            ValueError: a place out of turn, or a page of a segment not open: to
                grant it would lose or repeat items.
        """
        if isinstance(position, PlaceClaim):
            return self._claim_place(position.place)
        if isinstance(position, EndClaim):
            self._open.clear()
            self._primary = replace(self._primary, stop=self._next)
            return True
        return self._claim_page(position)

    def _claim_place(self, place: int) -> bool:
        if self._handed_over or place >= self._primary.stop:
            return False
        if place != self._next:
            raise ValueError(f"claim place {self._next} next, not place {place}")
        self._next += 1
        self._open[segment_at(place, self._primary.total_segments)] = None
        return True

    def _claim_page(self, page: PageClaim) -> bool:
        if self._handed_over:
            return False
        if page.segment not in self._open:
            raise ValueError(f"segment {page.segment} is not open; claim its place")
        if page.next_key is None:
            del self._open[page.segment]
            self._completed += 1
        else:
            self._open[page.segment] = page.next_key
        return True

    def try_split(
        self, fraction_of_remainder: float
    ) -> tuple[ScanRestriction, ScanRestriction] | None:
        """Gives away all that is left (fraction 0), or a part of the places.

        Open segments have no middle that is known, so a split above 0 shares out
        unclaimed places only: the primary keeps what is open, and as many places
        as bring it to the fraction of all remaining segments.

        Returns:
            The primary and the residual, or None if there is nothing to give.
        """
        if fraction_of_remainder == 0:
            return self._hand_over()
        unclaimed = self._primary.stop - self._next
        share = math.ceil((len(self._open) + unclaimed) * fraction_of_remainder)
        kept = max(0, share - len(self._open))
        return self._split_at(self._next + kept) if kept < unclaimed else None

    def _split_at(self, place: int) -> tuple[ScanRestriction, ScanRestriction]:
        residual = replace(self._primary, open=(), next=place)
        self._primary = replace(self._primary, stop=place)
        return self._primary, residual

    def _hand_over(self) -> tuple[ScanRestriction, ScanRestriction] | None:
        residual = replace(self._primary, open=self._remaining(), next=self._next)
        if not residual.size:
            return None
        self._primary = replace(self._primary, open=self._progressed(), stop=self._next)
        self._open.clear()
        self._handed_over = True
        return self._primary, residual

    def _remaining(self) -> tuple[OpenSegment, ...]:
        return tuple(OpenSegment(*entry) for entry in self._open.items())

    def _progressed(self) -> tuple[OpenSegment, ...]:
        """The open segments of the call's start of which a page was claimed.

        A scan cannot be told to end at a key. Should a runner lose the bundle after
        a checkpoint, the primary reads these to their ends: items may come twice
        then, but none is missing.
        """
        untouched = set(self._remaining())
        return tuple(s for s in self._primary.open if s not in untouched)
