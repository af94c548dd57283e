"""Groups of pages: whatever was read twice or left undone, each page counts once."""

import json
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_store import MemoryStore
from transforms.ledger.errors import LedgerError
from transforms.ledger.page_groups import (
    GroupWriter,
    PageGroup,
    chains_of,
    drop_unselected,
    read_groups,
    seal_groups,
    selected,
)
from transforms.ledger.receipts import FencedError, Span, page_digest
from transforms.ledger.store import MAX_DATA_BYTES, RUNS, Row

RUN = "run-1"
SEGMENTS, PAGES = 3, 6


def key(number: int) -> bytes | None:
    """The key that a page starts at; the first page has none."""
    return b"key-%d" % number if number else None


def span(segment: int, first: int, end: int) -> Span:
    """Pages of a segment from `first`, up to `end`; the last page ends it."""
    start = page_digest(key(first))
    end_key = None if end == PAGES else key(end)
    return Span(segment, start, end_key, {"pages": end - first})


class Attempt:
    """A worker that reads some segments from where they are settled."""

    def __init__(self, writer: GroupWriter, settled: dict[int, int]) -> None:
        self.writer = writer
        self.read = dict(settled)
        self.committed = dict(settled)

    def read_page(self, segment: int) -> None:
        self.read[segment] = min(PAGES, self.read[segment] + 1)

    def commit(self) -> None:
        spans = [
            span(segment, first, self.read[segment])
            for segment, first in self.committed.items()
            if self.read[segment] > first
        ]
        if spans:
            pages = [(s, p) for s in self.read for p in self.pages_of(s)]
            self.writer.write(spans, json.dumps(pages).encode())
        self.committed = dict(self.read)

    def pages_of(self, segment: int) -> range:
        return range(self.committed[segment], self.read[segment])


def new_store(epoch: int = 1) -> MemoryStore:
    store = MemoryStore()
    store.put_many([Row(RUNS, RUN, epoch, b"")])
    return store


def pages_in(groups: list[PageGroup]) -> Counter[tuple[int, int]]:
    return Counter(
        tuple(page) for group in groups for page in json.loads(group.content)
    )


def settled_in(groups: list[PageGroup]) -> dict[int, int]:
    """How many pages of each segment are settled, by the chains."""
    chains = chains_of(groups)
    found = {}
    for segment in range(SEGMENTS):
        chain = chains.get(segment)
        if chain is None:
            found[segment] = 0
        elif chain.is_done:
            found[segment] = PAGES
        else:
            assert chain.end_key is not None
            found[segment] = int(chain.end_key.removeprefix(b"key-"))
    return found


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "read", "commit", "retry", "resume"]),
        st.integers(0, 1),
        st.integers(0, SEGMENTS - 1),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_page_is_in_one_group_and_none_before_it_is_missing(steps):
    """Two workers, of which one may be a lost one; retries, and resumptions."""
    store, epoch = new_store(), 1
    nothing = dict.fromkeys(range(SEGMENTS), 0)
    begun = dict(nothing)
    attempts = [Attempt(GroupWriter(store, RUN, 1), nothing) for _ in range(2)]
    for step, worker, segment in steps:
        if step == "read":
            attempts[worker].read_page(segment)
        elif step == "commit":
            attempts[worker].commit()
        elif step == "retry":  # by the runner, which knows of no group
            attempts[worker] = Attempt(GroupWriter(store, RUN, epoch), begun)
        else:
            epoch += 1
            store.put_many([Row(RUNS, RUN, epoch, b"")])
            with pytest.raises(FencedError):
                GroupWriter(store, RUN, epoch - 1).write([span(0, 0, 1)], b"[]")
            kept = drop_unselected(store, RUN, epoch)
            assert kept == read_groups(store, RUN)
            begun = settled_in(kept)
            attempts = [Attempt(GroupWriter(store, RUN, epoch), begun) for _ in "ab"]
        groups = selected(read_groups(store, RUN))
        found = pages_in(groups)
        assert set(found.values()) <= {1}
        expected = {
            (segment, page)
            for segment, pages in settled_in(groups).items()
            for page in range(pages)
        }
        assert set(found) == expected


def test_a_retry_that_reads_all_again_takes_the_place_of_what_was_lost():
    store = new_store()
    writer = GroupWriter(store, RUN, 1)
    writer.write([span(0, 0, 3), span(1, 0, 2)], b"lost")
    writer.write([span(0, 0, 2), span(1, 0, 2)], b"first")
    writer.write([span(0, 2, PAGES), span(1, 2, PAGES), span(2, 0, PAGES)], b"second")
    kept = seal_groups(store, RUN, SEGMENTS)
    assert [group.content for group in kept] == [b"first", b"second"]


def test_what_is_not_complete_is_not_sealed_and_what_is_sealed_takes_no_more():
    store = new_store()
    one, late = GroupWriter(store, RUN, 1), GroupWriter(store, RUN, 1)
    one.write([span(0, 0, PAGES), span(1, 0, PAGES)], b"")
    with pytest.raises(LedgerError, match="1 of 3 segments are not complete"):
        seal_groups(store, RUN, SEGMENTS)
    late.write([span(2, 0, PAGES)], b"")
    assert len(seal_groups(store, RUN, SEGMENTS)) == 2
    with pytest.raises(FencedError, match="complete, without what this worker read"):
        late.write([span(2, 0, PAGES)], b"")


def test_two_writers_never_take_one_number():
    store = new_store()
    writers = [GroupWriter(store, RUN, 1) for _ in range(4)]
    rng = random.Random(1)
    for number in range(20):
        rng.choice(writers).write([span(number, 0, PAGES)], b"%d" % number)
    groups = read_groups(store, RUN)
    assert [group.number for group in groups] == list(range(1, 21))
    assert [group.content for group in groups] == [b"%d" % n for n in range(20)]


class StrictStore(MemoryStore):
    """Refuses rows that a DynamoDB ledger would refuse."""

    def _put(self, row: Row) -> None:
        assert len(row.data) <= MAX_DATA_BYTES
        super()._put(row)


def test_content_of_any_size_goes_into_rows_that_every_store_takes():
    store = StrictStore()
    store.put_many([Row(RUNS, RUN, 1, b"")])
    content = bytes(range(256)) * 4_000
    GroupWriter(store, RUN, 1).write([span(0, 0, PAGES)], content)
    GroupWriter(store, RUN, 1).write([span(1, 0, PAGES)], b"small")
    assert [group.content for group in read_groups(store, RUN)] == [content, b"small"]


def test_a_group_that_comes_while_others_are_sealed_leaves_no_seal(monkeypatch):
    """A lost worker's: it counts in place of the group that reached the end."""
    store = new_store()
    GroupWriter(store, RUN, 1).write([span(n, 0, PAGES) for n in range(SEGMENTS)], b"")
    late, put_many = GroupWriter(store, RUN, 1), store.put_many

    def put_after_the_late_group(rows):
        late.write([span(0, 0, 1)], b"")
        put_many(rows)

    monkeypatch.setattr(store, "put_many", put_after_the_late_group)
    with pytest.raises(LedgerError, match="are not complete"):
        seal_groups(store, RUN, SEGMENTS)
    GroupWriter(store, RUN, 1).write([span(0, 1, PAGES)], b"")  # nothing is sealed
