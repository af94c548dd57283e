"""Receipts: what became of the pages of a scan, as rows of the run's ledger.

    segment 7:  |--span--|---span---|--span--| . . . |--span--|
                start                        ^ the chain ends   not counted

A span is some pages of one segment that follow each other; its row is found by the
segment, the key that it starts at, the writer and its attempt at the segment, and says
where it ends. Rows are overwritten, never incremented: a span that starts where one of
its attempt's did and ends elsewhere replaces it, and so drops what followed. Only one
unbroken chain of spans from a segment's start counts: the one that goes furthest. So
pages that are read again (a bundle retried, a run resumed) are counted once, and
neither a worker that was given up and still lives nor a task that is done once more
can undo the receipts of another attempt. No Beam here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby, islice

import msgspec

from transforms.ledger.errors import LedgerError
from transforms.ledger.store import (
    MAX_COMMIT_WRITES,
    RUNS,
    Check,
    LedgerStore,
    Put,
    Row,
)

__all__ = [
    "Chain",
    "FencedError",
    "ReceiptWriter",
    "Span",
    "counted_pages",
    "keep_segments",
    "page_digest",
    "read_chains",
    "read_segments",
    "total_of",
    "total_of_counts",
]

_SEGMENT_DIGITS = 7
_DIGEST_BYTES = 8


class FencedError(LedgerError):
    """Another process has taken the run up; this one writes nothing more."""


@dataclass(frozen=True, slots=True)
class Span:
    """Pages of one segment, one after the other, each settled on every route.

    Attributes:
        segment: of the scan.
        start: `page_digest` of the key that the first page starts at.
        end_key: where the page after the last one starts, as JSON; None if the
            segment ends here.
        counts: what became of the items, by the names of `transforms.metrics`.
        attempt: of its writer, counted from 0; each has rows of its own.
    """

    segment: int
    start: bytes
    end_key: bytes | None
    counts: Mapping[str, int]
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Chain:
    """The part of a segment that is settled, from its start.

    Attributes:
        end_key: where to go on; None if nothing is settled or all of it is.
        is_done: all of it is.
        counts: what became of the items of the chain.
    """

    end_key: bytes | None = None
    is_done: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


def page_digest(start_key: bytes | None) -> bytes:
    """Names a page within its segment: 8 bytes, none for the first page."""
    if start_key is None:
        return b""
    return blake2b(start_key, digest_size=_DIGEST_BYTES).digest()


class ReceiptWriter:
    """Writes spans for one epoch of a run; a later epoch fences it off.

    Args:
        store: the run's ledger.
        run_id: the run.
        epoch: of the run when this process was told about it.
        name: tells this writer's rows from those of others. A writer overwrites its
            own only.
    """

    def __init__(
        self, store: LedgerStore, run_id: str, epoch: int, name: str = "0"
    ) -> None:
        self._store = store
        self._name = name
        self._run_id = run_id
        self._partition = _partition(run_id)
        self._fence = Check(RUNS, run_id, epoch)

    def write(self, spans: Iterable[Span]) -> None:
        """Writes the spans' rows over this writer's.

        Raises:
            FencedError: the run has another epoch now; nothing more was written.
            LedgerUnreachableError: some may be written; write all of them again.
        """
        rows = (self._row(span) for span in spans)
        while some := list(islice(rows, MAX_COMMIT_WRITES - 1)):
            if not self._store.commit([self._fence, *map(Put, some)]):
                raise FencedError(
                    f"run {self._run_id} was taken up by another process (--resume); "
                    "this one stops, and what it wrote stays"
                )

    def _row(self, span: Span) -> Row:
        data = msgspec.msgpack.encode((span.end_key, dict(span.counts)))
        place = f"{span.segment:0{_SEGMENT_DIGITS}}/{span.start.hex()}"
        sort = f"{place}/{self._name}.{span.attempt}"
        return Row(self._partition, sort, 1, data)


def read_chains(store: LedgerStore, run_id: str) -> dict[int, Chain]:
    """Returns what is settled of each segment that has any receipt.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    rows = store.rows(_partition(run_id))
    by_segment = groupby(map(_span, rows), key=lambda span: span.segment)
    return {segment: _chain(list(spans)) for segment, spans in by_segment}


def counted_pages(
    store: LedgerStore, run_id: str, name: str
) -> frozenset[tuple[int, bytes]]:
    """Returns the settled pages with a file of such items: segment and digest.

    A file of any other page is of an attempt that does not count: the page was read
    again, and its items may have been written since.

    Args:
        store: the run's ledger.
        run_id: the run.
        name: of the count, such as ``rejected/oregon``.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    by_segment = groupby(
        map(_span, store.rows(_partition(run_id))), key=lambda span: span.segment
    )
    return frozenset(
        (span.segment, span.start)
        for _, spans in by_segment
        for span in _furthest(list(spans))
        if span.counts.get(name)
    )


def keep_segments(store: LedgerStore, run_id: str, segments: int) -> None:
    """Notes how many segments the scan has, for whoever sums up the receipts.

    Raises:
        LedgerError: an earlier launch of the run had another number.
    """
    row = Row(f"scan/{run_id}", "segments", segments, b"")
    if not store.commit([Put(row, expected=None)]):
        found = read_segments(store, run_id)
        if found != segments:
            raise LedgerError(
                f"run {run_id} began with {found} segments, and would go on with "
                f"{segments}; begin a new run"
            )


def read_segments(store: LedgerStore, run_id: str) -> int | None:
    """Returns how many segments a run's scan has; None before it has begun."""
    row = store.get(f"scan/{run_id}", "segments")
    return None if row is None else row.version


def total_of(chains: Iterable[Chain]) -> dict[str, int]:
    """Returns the counts of all chains together."""
    return total_of_counts(chain.counts for chain in chains)


def total_of_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Returns counts added up by name."""
    sums: Counter[str] = Counter()
    for each in counts:
        sums.update(each)
    return dict(sums)


def _chain(spans: Sequence[Span]) -> Chain:
    counts: Counter[str] = Counter()
    end_key: bytes | None = None
    for span in _furthest(spans):
        counts.update(span.counts)
        end_key = span.end_key
        if end_key is None:
            return Chain(None, is_done=True, counts=counts)
    return Chain(end_key, is_done=False, counts=counts)


@dataclass(frozen=True, slots=True, order=True)
class _Way:
    """How far one gets from a key: to the segment's end, or by so many pages."""

    is_done: bool = False
    pages: int = 0
    first: Span | None = field(default=None, compare=False)


def _furthest(spans: Sequence[Span]) -> Iterator[Span]:
    """Yields the chain from the segment's start that goes furthest."""
    by_start: dict[bytes, list[Span]] = {}
    for each in spans:
        by_start.setdefault(each.start, []).append(each)
    ways = _ways(by_start)
    start = b""
    # Each start once: keys only grow along a segment, so none can come twice unless
    # the rows are not ours.
    while (span := ways.pop(start, _Way()).first) is not None:
        yield span
        start = page_digest(span.end_key)


def _ways(by_start: Mapping[bytes, Sequence[Span]]) -> dict[bytes, _Way]:
    """The best way on from each key that can be reached; a walk without recursion."""
    ways: dict[bytes, _Way] = {}
    entered: set[bytes] = set()
    waiting = [b""]
    while waiting:
        start = waiting[-1]
        spans = by_start.get(start, ())
        if start not in entered:
            entered.add(start)
            ends = {page_digest(s.end_key) for s in spans if s.end_key is not None}
            waiting += ends - entered
            continue
        waiting.pop()
        ways[start] = max((_way(span, ways) for span in spans), default=_Way())
    return ways


def _way(span: Span, ways: Mapping[bytes, _Way]) -> _Way:
    pages = span.counts.get("pages", 1)
    if span.end_key is None:
        return _Way(is_done=True, pages=pages, first=span)
    rest = ways.get(page_digest(span.end_key), _Way())
    return _Way(rest.is_done, pages + rest.pages, span)


def _span(row: Row) -> Span:
    segment, start, _ = row.sort.split("/")
    end_key, counts = _DATA.decode(row.data)
    return Span(int(segment), bytes.fromhex(start), end_key, counts)


_DATA = msgspec.msgpack.Decoder(tuple[bytes | None, dict[str, int]])


def _partition(run_id: str) -> str:
    return f"receipts/{run_id}"
