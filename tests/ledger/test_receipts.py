"""Receipts: the unbroken chain counts, once, whatever was read again."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.items import Item, Origin
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.page_book import PageBook, PageFacts, page_book_for
from transforms.ledger.receipts import (
    Chain,
    FencedError,
    ReceiptWriter,
    Span,
    counted_pages,
    page_digest,
    read_chains,
    total_of,
)
from transforms.ledger.run_record import RunRecord, keep_record, read_record, take_up
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.receipts import RejectedItem
from transforms.rejected_files import RejectedFiles, list_rejected
from transforms.throttle.clock import HeldClock

RUN = "run-1"
RECORD = RunRecord(RUN, spec="{}", said="{}", table_ids={"source": "id-1"})


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def new_store(directory: Path):
    made = SQLiteStore(directory / f"{random.randrange(10**9)}.sqlite")
    made.prepare()
    keep_record(made, RECORD)
    return made


def key(number):
    return b"key-%d" % number


def span(start, end, **counts):
    digest = page_digest(None if start is None else key(start))
    return Span(0, digest, None if end is None else key(end), counts)


def chain_of(store):
    return read_chains(store, RUN).get(0, Chain())


def test_spans_that_follow_each_other_count_from_the_segments_start(store):
    writer = ReceiptWriter(store, RUN, 1)
    writer.write([span(None, 1, scanned=3), span(1, 2, scanned=4)])
    assert chain_of(store) == Chain(key(2), is_done=False, counts={"scanned": 7})


def test_a_span_without_its_forerunner_does_not_count(store):
    ReceiptWriter(store, RUN, 1).write([span(1, 2, scanned=4), span(2, None)])
    assert chain_of(store) == Chain()


def test_the_last_span_makes_a_segment_done(store):
    ReceiptWriter(store, RUN, 1).write([span(None, None, scanned=3)])
    assert chain_of(store).is_done


def test_the_same_span_written_again_counts_once(store):
    writer = ReceiptWriter(store, RUN, 1)
    for _ in range(2):
        writer.write([span(None, 1, scanned=3)])
    assert chain_of(store).counts == {"scanned": 3}


def test_a_span_with_another_end_replaces_it_and_drops_what_followed(store):
    writer = ReceiptWriter(store, RUN, 1)
    writer.write([span(None, 1, scanned=3), span(1, None, scanned=4)])
    writer.write([span(None, 5, scanned=9)])
    assert chain_of(store) == Chain(key(5), is_done=False, counts={"scanned": 9})


def test_a_worker_given_up_that_still_writes_undoes_nothing_of_its_successor(store):
    successor = ReceiptWriter(store, RUN, 1, "b")
    successor.write([span(None, 3, scanned=6), span(3, None, scanned=4)])
    for end in (1, 2):
        ReceiptWriter(store, RUN, 1, "a").write([span(None, end, scanned=end)])
    assert chain_of(store) == Chain(None, is_done=True, counts={"scanned": 10})


def test_a_chain_may_go_on_with_the_span_of_another_writer(store):
    ReceiptWriter(store, RUN, 1, "a").write([span(None, 2, scanned=4)])
    ReceiptWriter(store, RUN, 1, "b").write([span(None, 1, scanned=2)])
    ReceiptWriter(store, RUN, 1, "c").write([span(2, None, scanned=5)])
    assert chain_of(store) == Chain(None, is_done=True, counts={"scanned": 9})


def test_of_two_chains_that_end_early_the_longer_one_is_gone_on_with(store):
    ReceiptWriter(store, RUN, 1, "a").write([span(None, 1, pages=2)])
    ReceiptWriter(store, RUN, 1, "b").write([span(None, 2, pages=1)])
    ReceiptWriter(store, RUN, 1, "c").write([span(2, 3, pages=5)])
    assert chain_of(store).end_key == key(3)


def test_a_segment_of_very_many_spans_is_followed_to_its_end(store):
    spans = [span(n or None, n + 1, scanned=1) for n in range(3000)]
    ReceiptWriter(store, RUN, 1).write([*spans, span(3000, None)])
    chain = chain_of(store)
    assert chain.is_done
    assert chain.counts["scanned"] == 3000


def test_a_run_taken_up_by_another_process_fences_this_one_off(store):
    old = ReceiptWriter(store, RUN, 1)
    record = read_record(store, RUN)
    assert record == RECORD
    assert take_up(store, record).epoch == 2
    with pytest.raises(FencedError, match="taken up"):
        old.write([span(None, 1)])
    assert chain_of(store) == Chain()
    ReceiptWriter(store, RUN, 2).write([span(None, 1)])


def test_a_span_of_many_rows_is_written_in_parts(store):
    spans = [Span(n, b"", None, {"scanned": 1}) for n in range(250)]
    ReceiptWriter(store, RUN, 1).write(spans)
    assert total_of(read_chains(store, RUN).values()) == {"scanned": 250}


# --- the book ----------------------------------------------------------------


def book_of(store, *routes):
    return PageBook(ReceiptWriter(store, RUN, 1), routes, clock=HeldClock())


def page(number, last, items=10):
    start, end = key(number) if number else None, key(number + 1)
    return PageFacts(0, start, None if number == last else end, items, {"scanned": 12})


def digest(number):
    return page_digest(key(number) if number else None)


def test_a_page_counts_when_every_route_has_settled_all_of_it(store):
    book = book_of(store, "a", "b")
    book.begin(page(0, last=0), begins_span=True)
    book.left_out(0, b"", "shared_filtered", 4)
    book.settle(0, b"", "a", 6, {"written/a": 6})
    book.settle(0, b"", "b", 2, {"written/b": 2})
    book.flush(at_once=True)
    assert chain_of(store) == Chain()
    book.settle(0, b"", "b", 4, {"rejected/b": 4})
    book.flush(at_once=True)
    assert chain_of(store).counts == {
        "scanned": 12,
        "shared_filtered": 4,
        "written/a": 6,
        "written/b": 2,
        "rejected/b": 4,
    }


@pytest.mark.parametrize("left_out", [0, 10])
def test_a_page_of_which_no_item_is_left_needs_no_route(store, left_out):
    book = book_of(store, "a")
    book.begin(page(0, last=0, items=left_out), begins_span=True)
    book.left_out(0, b"", "shared_filtered", left_out)
    book.flush(at_once=True)
    assert chain_of(store).is_done


def test_a_page_with_a_file_has_a_receipt_of_its_own_which_says_that_it_counts(store):
    book = book_of(store, "a")
    for number in range(4):
        book.begin(page(number, last=3), begins_span=number == 0)
        rejected = int(number in (1, 2))
        counts = {"rejected/a": rejected, "written/a": 10 - rejected}
        start = digest(number)
        book.settle(0, start, "a", 10, counts, has_file=bool(rejected))
    book.flush(at_once=True)
    assert chain_of(store).is_done
    assert chain_of(store).counts["rejected/a"] == 2
    pages = {(0, digest(1)), (0, digest(2))}
    assert counted_pages(store, RUN, "rejected/a") == pages
    assert counted_pages(store, RUN, "rejected/b") == set()


def test_a_file_of_a_page_that_was_read_again_without_such_an_item_does_not_count(
    store, tmp_path
):
    """Its item was written since; written again from the file it would be old."""
    files = RejectedFiles(str(tmp_path / "rejected"), "a")
    item = RejectedItem("a", "ItemTooLarge: it is", 1, Item(b"{}"))
    for number in (0, 1):  # the process is killed before page 1 has a receipt
        files.keep(Origin(0, digest(number)), [item])
    book = book_of(store, "a")
    book.begin(page(0, last=1), begins_span=True)
    book.settle(0, digest(0), "a", 10, {"rejected/a": 10}, has_file=True)
    book.begin(page(1, last=1), begins_span=True)
    book.settle(0, digest(1), "a", 10, {"written/a": 10})
    book.flush(at_once=True)
    (counted,) = list_rejected(str(tmp_path / "rejected"), store, RUN)
    assert counted.page == (0, digest(0))
    assert len(list_rejected(str(tmp_path / "rejected"), None, RUN)) == 2


def test_pages_that_follow_each_other_share_a_row(store):
    book = book_of(store, "a")
    for number in range(5):
        book.begin(page(number, last=4), begins_span=number == 0)
        book.settle(0, digest(number), "a", 10, {"written/a": 10})
        book.flush(at_once=True)
    assert len(store.rows(f"receipts/{RUN}")) == 1
    assert chain_of(store).counts == {"scanned": 60, "written/a": 50}


@given(data=st.data())
def test_whatever_is_read_again_a_finished_segment_counts_each_page_once(
    tmp_path_factory, data
):
    """Attempts end anywhere, in any process, pages are settled in any order."""
    store = new_store(tmp_path_factory.mktemp("ledger"))
    last = data.draw(st.integers(0, 6))
    books = [book_of(store, "a") for _ in range(2)]
    starts = {0}
    for attempt in range(data.draw(st.integers(1, 4)) + 1):
        is_final = attempt and data.draw(st.booleans())
        book = data.draw(st.sampled_from(books))
        start = data.draw(st.sampled_from(sorted(starts)))
        stop = last + 1 if is_final else data.draw(st.integers(start, last + 1))
        for number in range(start, stop):
            book.begin(page(number, last), begins_span=number == start)
        settled = data.draw(st.permutations(range(start, stop)))
        if not is_final:
            settled = settled[: data.draw(st.integers(0, len(settled)))]
        for number in settled:
            book.settle(0, digest(number), "a", 10, {"written/a": 10})
            if data.draw(st.booleans()):
                book.flush(at_once=True)
        book.flush(at_once=True)
        chain = chain_of(store)
        if chain.end_key is not None:
            starts.add(int(chain.end_key.removeprefix(b"key-")))
    book = books[0]
    for number in range(last + 1):
        book.begin(page(number, last), begins_span=number == 0)
        book.settle(0, digest(number), "a", 10, {"written/a": 10})
    book.flush(at_once=True)
    pages = last + 1
    counts = {"scanned": 12 * pages, "written/a": 10 * pages}
    assert chain_of(store) == Chain(None, is_done=True, counts=counts)


def test_two_attempts_at_a_segment_in_one_process_settle_pages_of_their_own(tmp_path):
    """As where a runner tries a task again whose first attempt is still at work."""
    location = LedgerLocation(tmp_path / "ledger.sqlite")
    store = open_store(location)
    store.prepare()
    keep_record(store, RECORD)
    early, late = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def in_thread(attempt, step):
        attempt.submit(
            lambda: step(page_book_for(location, RUN, 1, ["a", "b"]))
        ).result()

    def begin(attempt, number):
        facts = page(number, last=1)
        in_thread(attempt, lambda book: book.begin(facts, begins_span=number == 0))

    def settle(attempt, number, route):
        counts = {f"written/{route}": 10}
        in_thread(
            attempt, lambda book: book.settle(0, digest(number), route, 10, counts)
        )

    begin(early, 0)
    begin(late, 0)
    settle(early, 0, "a")
    settle(late, 0, "a")
    settle(late, 0, "b")
    begin(late, 1)
    settle(early, 0, "b")
    settle(late, 1, "a")
    settle(late, 1, "b")
    for attempt in (late, early):  # the early one last, and not to the end
        in_thread(attempt, lambda book: book.flush(at_once=True))
        attempt.shutdown()
    counts = {"scanned": 24, "written/a": 20, "written/b": 20}
    assert chain_of(store) == Chain(None, is_done=True, counts=counts)


def test_a_finished_segment_that_is_read_once_more_stays_finished_meanwhile(store):
    """A runner lost what a task had left, and the accounts are checked beside it."""
    book = book_of(store, "a")
    for number in range(3):
        book.begin(page(number, last=2), begins_span=number == 0)
        book.settle(0, digest(number), "a", 10, {"written/a": 10})
    book.flush(at_once=True)
    finished = chain_of(store)
    assert finished.is_done
    for number in range(3):
        book.begin(page(number, last=2), begins_span=number == 0)
        book.settle(0, digest(number), "a", 10, {"written/a": 10})
        book.flush(at_once=True)
        assert chain_of(store) == finished


def test_pages_that_wait_for_their_files_are_cut_with_them():
    book = PageBook(None, ["backup"])
    facts = [PageFacts(0, key(n) if n else None, key(n + 1), 1, {}) for n in range(3)]

    def read(number, begins_span):
        book.begin(facts[number], begins_span=begins_span)
        page = page_digest(facts[number].start_key)
        book.settle(0, page, "backup", 1, {"written/backup": 1})

    read(0, begins_span=True)
    read(1, begins_span=False)
    book.flush(at_once=True)  # there is nobody to write to
    counts = {"written/backup": 2}
    assert book.cut() == [Span(0, b"", key(2), counts)]
    read(2, begins_span=False)
    digest = page_digest(key(2))
    assert book.cut() == [Span(0, digest, key(3), {"written/backup": 1})]
    assert book.cut() == []
