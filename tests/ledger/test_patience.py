"""A ledger that does not answer for a while stops no job, and loses no receipt."""

import random

import pytest

from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.page_book import PageBook, PageFacts
from transforms.ledger.patience import LEDGER_DEADLINE_SECONDS, patiently
from transforms.ledger.receipts import FencedError, ReceiptWriter, Span
from transforms.throttle.clock import HeldClock

FIRST = PageFacts(0, None, b"next", 0, {"scanned": 3})
SECOND = PageFacts(0, b"next", None, 0, {"scanned": 4})


class SilentWriter(ReceiptWriter):
    """Takes spans, but does not answer for so many calls."""

    def __init__(self, silent=0, error=None):
        self.silent = silent
        self.written: list[Span] = []
        self.error = error or LedgerUnreachableError("nobody answers")

    def write(self, spans):
        if self.silent:
            self.silent -= 1
            raise self.error
        self.written += spans


@pytest.fixture
def clock():
    return HeldClock(auto_advance=True)


def ask(silent, clock, **options):
    left = [LedgerUnreachableError("nobody answers")] * silent

    def answer():
        if left:
            raise left.pop()
        return "here"

    return patiently(answer, clock=clock, rng=random.Random(1), **options)


def test_it_is_asked_until_it_answers(clock):
    assert ask(20, clock) == "here"
    assert 0 < clock.monotonic() < LEDGER_DEADLINE_SECONDS


def test_a_ledger_that_never_answers_stops_the_job_at_the_deadline(clock):
    with pytest.raises(LedgerError, match=r"nobody answers; it was asked .* --resume"):
        ask(10_000, clock, deadline_seconds=60)
    assert 60 <= clock.monotonic() < 100


def test_what_the_ledger_refuses_is_not_asked_again(clock):
    writer = SilentWriter(silent=2, error=FencedError("taken up"))
    book = PageBook(writer, [], clock=clock)
    book.begin(FIRST, begins_span=True)
    with pytest.raises(FencedError):
        book.flush(at_once=True)
    assert writer.silent == 1


def test_a_bundle_ends_when_the_ledger_has_its_receipts(clock):
    writer = SilentWriter(silent=5)
    book = PageBook(writer, [], clock=clock)
    book.begin(FIRST, begins_span=True)
    book.flush(at_once=True)
    (span,) = writer.written
    assert (span.end_key, span.counts) == (b"next", {"scanned": 3})


def test_while_a_bundle_goes_on_receipts_wait_for_a_ledger_that_is_away(clock):
    writer = SilentWriter(silent=1)
    book = PageBook(writer, [], flush_interval_seconds=0, clock=clock)
    book.begin(FIRST, begins_span=True)
    book.flush()
    assert not writer.written
    book.begin(SECOND, begins_span=False)
    book.flush()
    (span,) = writer.written
    assert (span.end_key, span.counts) == (None, {"scanned": 7})


def test_receipts_do_not_wait_longer_than_the_deadline(clock):
    writer = SilentWriter(silent=10)
    book = PageBook(writer, [], flush_interval_seconds=0, clock=clock)
    book.begin(FIRST, begins_span=True)
    book.flush()
    clock.move(LEDGER_DEADLINE_SECONDS)
    with pytest.raises(LedgerError, match="no receipt was taken for 600 s"):
        book.flush()


def test_a_long_time_without_receipts_is_no_silence_of_the_ledger(clock):
    """A pause, or a page that took long: the first refusal begins the deadline."""
    writer = SilentWriter(silent=1)
    book = PageBook(writer, [], flush_interval_seconds=0, clock=clock)
    clock.move(10 * LEDGER_DEADLINE_SECONDS)
    book.begin(FIRST, begins_span=True)
    book.flush()
    assert not writer.written
    book.flush()
    assert writer.written
    clock.move(10 * LEDGER_DEADLINE_SECONDS)
    writer.silent = 1
    book.begin(SECOND, begins_span=False)
    book.flush()
    book.flush()
    assert len(writer.written) == 2
