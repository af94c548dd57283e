"""The scan waits for its segment's page before: a kill repeats one of each at most."""

import random
from collections import deque

import pytest

from transforms.ledger.page_book import PageBook, PageFacts
from transforms.ledger.receipts import ReceiptWriter, page_digest, read_chains
from transforms.ledger.run_record import RunRecord, keep_record
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.throttle.clock import HeldClock

RUN = "run-1"


class SlowSink:
    """Finishes one page of its queue each time that it is asked."""

    def __init__(self, book, route):
        self.book, self.route = book, route
        self.queue: deque[PageFacts] = deque()
        self.answers, self.is_stalled = 0, False
        book.join(route, self)

    @property
    def is_busy(self):
        return bool(self.queue)

    @property
    def has_queue(self):
        return len(self.queue) > 1

    def settle_finished(self):
        if self.queue and not self.is_stalled:
            self.answers += 1
            facts = self.queue.popleft()
            page = page_digest(facts.start_key)
            counts = {f"written/{self.route}": facts.items}
            self.book.settle(facts.segment, page, self.route, facts.items, counts)
        self.book.news.set()


@pytest.fixture
def store(tmp_path):
    made = SQLiteStore(tmp_path / "ledger.sqlite")
    made.prepare()
    keep_record(made, RunRecord(RUN, spec="{}", said="{}"))
    return made


def make_book(store, *, clock=None, **options):
    writer, clock = ReceiptWriter(store, RUN, 1), clock or HeldClock()
    return PageBook(writer, ["east", "west"], clock=clock, **options)


def page(segment, number, items=10):
    start = b"key-%d" % number if number else None
    return PageFacts(segment, start, b"key-%d" % (number + 1), items, {"pages": 1})


def settled_pages(store, segment):
    chain = read_chains(store, RUN).get(segment)
    return chain.counts["pages"] if chain else 0


def test_no_page_is_begun_before_its_segments_last_one_has_its_receipt(store):
    book, rng = make_book(store), random.Random(5)
    sinks = [SlowSink(book, route) for route in ("east", "west")]
    begun = [0, 0, 0]
    for _ in range(60):
        segment = rng.randrange(3)
        if begun[segment]:
            book.await_settled(segment)
            assert settled_pages(store, segment) == begun[segment]
        facts = page(segment, begun[segment])
        book.begin(facts, begins_span=not begun[segment])
        begun[segment] += 1
        for sink in sinks:
            sink.queue.append(facts)
    assert min(begun) > 10


def test_other_segments_are_not_waited_for(store):
    book = make_book(store)
    sink = SlowSink(book, "east")
    book.begin(page(0, 0), begins_span=True)
    sink.queue.append(page(0, 0))
    book.await_settled(1)
    assert sink.is_busy


def test_items_that_a_step_keeps_until_the_bundle_ends_are_not_waited_for(store):
    """Beam gathers items that came one by one; to wait for them would be for ever."""
    book = make_book(store)
    sink = SlowSink(book, "east")
    book.begin(page(0, 0), begins_span=True)
    book.await_settled(0)
    assert not sink.is_busy
    assert settled_pages(store, 0) == 0


def test_a_bundle_that_is_tried_again_waits_for_nothing_of_the_one_that_failed(store):
    book = make_book(store)
    for route in ("east", "west"):
        book.join(route, SlowSink(book, route))
    book.begin(page(0, 0), begins_span=True)
    book.begin(page(0, 1), begins_span=False)
    book.begin(page(0, 0, items=0), begins_span=True)  # the second attempt
    book.await_settled(0)
    assert settled_pages(store, 0) == 1


def test_receipts_that_cost_units_come_later_but_pages_are_settled(store):
    book = make_book(store, flush_interval_seconds=5.0)
    sinks = [SlowSink(book, route) for route in ("east", "west")]
    for number in range(3):
        book.await_settled(0)
        assert not any(sink.is_busy for sink in sinks)
        book.begin(page(0, number), begins_span=not number)
        for sink in sinks:
            sink.queue.append(page(0, number))
    book.await_settled(0)
    assert settled_pages(store, 0) == 0
    book.flush(at_once=True)
    assert settled_pages(store, 0) == 3


class ClockThatGoes(HeldClock):
    """Half a second passes between any two looks at it."""

    def monotonic(self):
        self.move(0.5)
        return super().monotonic()


def test_a_request_that_is_never_answered_holds_up_no_other_segment(store):
    book = make_book(store, clock=ClockThatGoes())
    sinks = [SlowSink(book, route) for route in ("east", "west")]

    def begin(segment, number):
        book.begin(page(segment, number), begins_span=not number)
        for sink in sinks:
            sink.queue.append(page(segment, number))

    begin(0, 0)
    sinks[1].is_stalled = True
    book.await_settled(0)  # comes back, and is not asked a second time
    assert settled_pages(store, 0) == 0
    begin(0, 1)
    looks = book._clock.monotonic()
    book.await_settled(0)
    assert book._clock.monotonic() == looks + 0.5
    sinks[1].is_stalled = False
    book.await_settled(1)
    while sinks[1].is_busy or sinks[0].is_busy:
        for sink in sinks:
            sink.settle_finished()
    begin(0, 2)
    book.await_settled(0)  # is waited for again
    assert settled_pages(store, 0) == 3
