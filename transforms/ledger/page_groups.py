"""Groups of pages that are settled together, with what holds their items.

worker:   files complete --> GroupWriter: one row, the spans of the pages and the files
--resume: read_groups --> selected: no page twice, none left out on the way to it

Files are added to, where items of a table are overwritten: a page in two files would
be there twice. So a file counts only together with all pages that are in it. A group
is one row, hence there or not; content too large for it is in rows of its own, which
are written before and mean nothing by themselves. Of the groups that are there,
`selected` takes those whose pages form, in each segment, one unbroken chain from its
start. What a lost worker and its successor have both read is taken from the later one.
No Beam here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import msgspec

from transforms.ledger.errors import LedgerError
from transforms.ledger.receipts import Chain, FencedError, Span, page_digest
from transforms.ledger.store import RUNS, Check, Delete, LedgerStore, Put, Row

__all__ = [
    "GroupWriter",
    "PageGroup",
    "chains_of",
    "drop_unselected",
    "read_groups",
    "seal_groups",
    "selected",
]

_SEAL = "groups-sealed"
_MOST_CONTENT_BYTES = 150_000  # of a row of 350,000; the spans take the rest


@dataclass(frozen=True, slots=True)
class PageGroup:
    """Pages that were settled together.

    Attributes:
        number: groups are counted as they are committed, from 1.
        spans: of the pages.
        counts: what became of the items, by the names of `transforms.metrics`.
        content: what holds the items; the writer's affair.
    """

    number: int
    spans: tuple[Span, ...]
    counts: dict[str, int]
    content: bytes


class GroupWriter:
    """Commits groups for one epoch of a run; a later epoch fences it off.

    Args:
        store: the run's ledger.
        run_id: the run.
        epoch: of the run when this process was told about it.
    """

    def __init__(self, store: LedgerStore, run_id: str, epoch: int) -> None:
        self._store, self._run_id, self._epoch = store, run_id, epoch
        self._number = 0

    def write(self, spans: Iterable[Span], content: bytes) -> None:
        """Commits a group; all of it is there when this returns, or none of it.

        Raises:
            FencedError: the run was taken up by another process, or is complete.
            LedgerUnreachableError: the ledger did not answer.
        """
        spans = tuple(spans)
        counts: Counter[str] = Counter()
        for span in spans:
            counts.update(span.counts)
        places = [(span.segment, span.start, span.end_key) for span in spans]
        # Numbers are given by who comes first; versions tell whose row it is.
        version = uuid4().int >> 66
        left, parts = content, 0
        if len(content) > _MOST_CONTENT_BYTES:
            left, parts = b"", self._write_parts(version, content)
        data = msgspec.msgpack.encode((places, dict(counts), left, parts))
        while True:
            self._number += 1
            row = Row(_partition(self._run_id), f"{self._number:010}", version, data)
            fences = [
                Check(RUNS, self._run_id, self._epoch),
                Check(_scan(self._run_id), _SEAL, None),
            ]
            if self._store.commit([*fences, Put(row, expected=None)]):
                return
            self._check_fences()
            self._number = max(self._number, _last_number(self._store, self._run_id))

    def _write_parts(self, version: int, content: bytes) -> int:
        starts = range(0, len(content), _MOST_CONTENT_BYTES)
        self._store.put_many(
            Row(
                _parts(self._run_id, version),
                f"{place:06}",
                1,
                content[start : start + _MOST_CONTENT_BYTES],
            )
            for place, start in enumerate(starts)
        )
        return len(starts)

    def _check_fences(self) -> None:
        run = self._store.get(RUNS, self._run_id)
        if run is None or run.version != self._epoch:
            raise FencedError(
                f"run {self._run_id} was taken up by another process (--resume); this "
                "one stops, and what it completed stays"
            )
        if self._store.get(_scan(self._run_id), _SEAL) is not None:
            raise FencedError(
                f"run {self._run_id} is complete, without what this worker read: "
                "another one has read it since"
            )


def read_groups(store: LedgerStore, run_id: str) -> list[PageGroup]:
    """Returns a run's groups in the order in which they were committed.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return [_group(store, run_id, row) for row in store.rows(_partition(run_id))]


def selected(groups: Sequence[PageGroup]) -> list[PageGroup]:
    """Returns the groups that count: no page is in two, and none before it is missing.

    A group is taken whole or not at all, so dropping one may leave others without the
    pages before theirs; this goes on until nothing changes.
    """
    kept = list(groups)
    while True:
        on_chain = {id(span) for chain in _walk(kept).values() for span in chain}
        left = [
            group for group in kept if all(id(span) in on_chain for span in group.spans)
        ]
        if len(left) == len(kept):
            return kept
        kept = left


def chains_of(groups: Sequence[PageGroup]) -> dict[int, Chain]:
    """Returns how far each segment is settled by groups that were `selected`."""
    return {
        segment: Chain(spans[-1].end_key, is_done=spans[-1].end_key is None)
        for segment, spans in _walk(groups).items()
        if spans
    }


def drop_unselected(store: LedgerStore, run_id: str, epoch: int) -> list[PageGroup]:
    """Forgets groups that do not count, for whoever goes on; returns those that do.

    Raises:
        FencedError: another process has taken the run up since.
    """
    groups = read_groups(store, run_id)
    kept = selected(groups)
    numbers = {group.number for group in kept}
    fence = Check(RUNS, run_id, epoch)
    for group in groups:
        if group.number not in numbers:
            row = Delete(_partition(run_id), f"{group.number:010}")
            if not store.commit([fence, row]):
                raise FencedError(f"run {run_id} was taken up by another process")
    return kept


def seal_groups(store: LedgerStore, run_id: str, segments: int) -> list[PageGroup]:
    """Ends a run's groups: no other can be added. Returns those that count.

    Args:
        store: the run's ledger.
        run_id: the run.
        segments: how many the scan has; each must be settled to its end.

    Raises:
        LedgerError: some segment is not; nothing is sealed then.
    """
    _check_complete(selected(read_groups(store, run_id)), segments)
    store.put_many([Row(_scan(run_id), _SEAL, 1, b"")])
    kept = selected(read_groups(store, run_id))
    try:
        _check_complete(kept, segments)
    except LedgerError:
        # A lost worker's group came in between and counts in place of another's.
        store.delete(_scan(run_id), _SEAL)
        raise
    return kept


def _check_complete(groups: Sequence[PageGroup], segments: int) -> None:
    done = sum(chain.is_done for chain in chains_of(groups).values())
    if done < segments:
        raise LedgerError(
            f"the files of {segments - done:,} of {segments:,} segments are not "
            "complete"
        )


def _walk(groups: Sequence[PageGroup]) -> dict[int, list[Span]]:
    """Returns each segment's chain from its start; of two ways on, the later one's."""
    ways: dict[int, dict[bytes, Span]] = {}
    for group in groups:
        for span in group.spans:
            ways.setdefault(span.segment, {})[span.start] = span
    return {segment: _chain(starts) for segment, starts in ways.items()}


def _chain(starts: dict[bytes, Span]) -> list[Span]:
    left, chain, start = dict(starts), [], page_digest(None)
    while (span := left.pop(start, None)) is not None:
        chain.append(span)
        if span.end_key is None:
            break
        start = page_digest(span.end_key)
    return chain


def _last_number(store: LedgerStore, run_id: str) -> int:
    rows = store.rows(_partition(run_id))
    return int(rows[-1].sort) if rows else 0


def _group(store: LedgerStore, run_id: str, row: Row) -> PageGroup:
    places, counts, content, parts = _DATA.decode(row.data)
    if parts:
        rows = store.rows(_parts(run_id, row.version))
        content = b"".join(each.data for each in rows)
    spans = tuple(Span(*place, counts={}) for place in places)
    return PageGroup(int(row.sort), spans, counts, content)


_DATA = msgspec.msgpack.Decoder(
    tuple[list[tuple[int, bytes, bytes | None]], dict[str, int], bytes, int]
)


def _partition(run_id: str) -> str:
    return f"groups/{run_id}"


def _parts(run_id: str, version: int) -> str:
    return f"group-parts/{run_id}/{version}"


def _scan(run_id: str) -> str:
    return f"scan/{run_id}"
