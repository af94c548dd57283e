"""Several segments read at once, over a table and a limiter made of paper."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.dynamodb.capacity import ConsumedCapacity
from transforms.dynamodb.errors import JobStoppedError, ThrottledError
from transforms.dynamodb.event_loop import LoopThread
from transforms.dynamodb.operations import ScanPage, ScanRequest
from transforms.segment_reader import ReadPage, SegmentReader
from transforms.throttle.clock import HeldClock
from transforms.throttle.limiter import Consumed, UnlimitedLimiter, units_of

TEMPLATE = ScanRequest(table="birds", segment=0, total_segments=100)


def a_page(last_key: bytes | None, scanned: int = 10, units: float = 5.0) -> ScanPage:
    items = [msgspec.Raw(b"{}")] * scanned
    return ScanPage(items, scanned, scanned, last_key, ConsumedCapacity(units))


class PaperTable:
    """Segments with a number of pages; a page's key is the number before it.

    `hold` makes reads wait for `let`; `failures` are raised for (segment, page).
    """

    def __init__(self, pages: dict[int, int]) -> None:
        self.pages = pages
        self.requests: list[ScanRequest] = []
        self.outstanding: list[int] = []
        self.most_outstanding = 0
        self.failures: dict[tuple[int, int], Exception] = {}
        self.throttles = 0
        self._leave: asyncio.Semaphore | None = None

    def hold(self) -> None:
        self._leave = asyncio.Semaphore(0)

    async def let(self, reads: int = 1) -> None:
        assert self._leave is not None
        for _ in range(reads):
            self._leave.release()

    async def scan_page(self, request, *, meter=None) -> ScanPage:
        self.requests.append(request)
        self.outstanding.append(request.segment)
        self.most_outstanding = max(self.most_outstanding, len(self.outstanding))
        try:
            for _ in range(self.throttles):
                meter.failed(ThrottledError("slow down", "ThrottlingException"))
                await meter.again()
            await (self._leave.acquire() if self._leave else asyncio.sleep(0))
        finally:
            self.outstanding.remove(request.segment)
        number = int(request.start_key or b"0")
        if failure := self.failures.get((request.segment, number)):
            raise failure
        last = number + 1 == self.pages[request.segment]
        return a_page(None if last else str(number + 1).encode())


class PaperLimiter(UnlimitedLimiter):
    """Writes down what is asked of it; `budget` requests are let through."""

    def __init__(self, budget: int = 1_000) -> None:
        self.acquired: list[float] = []
        self.settled: list[tuple[float, Consumed]] = []
        self.throttled = 0
        self._budget = asyncio.Semaphore(budget)

    def take_at_once(self, units: float) -> bool:
        return False

    async def acquire(self, units: float) -> None:
        if not units:  # a look whether there is a rate yet
            return
        self.acquired.append(units)
        await self._budget.acquire()

    def settle(self, reserved: float, consumed: Consumed) -> None:
        self.settled.append((reserved, consumed))

    def report_throttled(self) -> None:
        self.throttled += 1

    async def allow(self, requests: int) -> None:
        for _ in range(requests):
            self._budget.release()


@pytest.fixture
def worker() -> Iterator[LoopThread]:
    thread = LoopThread("test-loop")
    yield thread
    thread.close()


def quiet(worker: LoopThread) -> None:
    """Returns when the loop has done all that it can do by itself."""

    async def turns() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    worker.run(turns())


def tasks_left(worker: LoopThread) -> int:
    async def others() -> int:
        return len(asyncio.all_tasks()) - 1

    return worker.run(others())


@contextmanager
def a_reader(
    worker: LoopThread,
    table: PaperTable,
    limiter: PaperLimiter | None = None,
    *,
    clock: HeldClock | None = None,
    pages_in_flight: int = 16,
) -> Iterator[SegmentReader]:
    reader = SegmentReader(
        table,
        TEMPLATE,
        limiter or PaperLimiter(),
        worker=worker,
        clock=clock or HeldClock(),
        pages_in_flight=pages_in_flight,
    )
    with closing(reader):
        yield reader
    assert tasks_left(worker) == 0


def take_all(reader: SegmentReader) -> list[ReadPage]:
    taken = []
    while reader.active:
        taken.append(reader.take())
    return taken


def numbers(taken: list[ReadPage], segment: int) -> list[int]:
    return [int(read.start_key or b"0") for read in taken if read.segment == segment]


class TestReading:
    def test_every_page_of_every_segment_comes_in_the_segments_order(self, worker):
        pages = {3: 4, 7: 1, 9: 2}
        with a_reader(worker, PaperTable(pages)) as reader:
            for segment in pages:
                reader.open(segment, None)
            taken = take_all(reader)
        assert len(taken) == 7
        for segment, count in pages.items():
            assert numbers(taken, segment) == list(range(count))

    def test_a_segment_goes_on_at_its_start_key(self, worker):
        table = PaperTable({4: 6})
        with a_reader(worker, table) as reader:
            reader.open(4, b"4")
            assert numbers(take_all(reader), 4) == [4, 5]
        assert [request.start_key for request in table.requests] == [b"4", b"5"]

    def test_segments_can_be_opened_while_others_are_read(self, worker):
        with a_reader(worker, PaperTable({1: 3, 2: 2})) as reader:
            reader.open(1, None)
            first = reader.take()
            reader.open(2, None)
            assert len([first, *take_all(reader)]) == 5

    def test_segments_are_read_at_the_same_time_and_each_one_page_at_a_time(
        self, worker
    ):
        table = PaperTable(dict.fromkeys(range(8), 3))
        table.hold()
        with a_reader(worker, table) as reader:
            for segment in table.pages:
                reader.open(segment, None)
            quiet(worker)
            assert sorted(table.outstanding) == list(range(8))
            worker.run(table.let(24))
            assert len(take_all(reader)) == 24
        assert table.most_outstanding == 8

    def test_pages_of_segments_take_turns(self, worker):
        table = PaperTable({1: 5, 2: 5, 3: 5})
        with a_reader(worker, table, pages_in_flight=3) as reader:
            for segment in table.pages:
                reader.open(segment, None)
            order = [read.segment for read in take_all(reader)]
        for turn in range(0, 15, 3):
            assert sorted(order[turn : turn + 3]) == [1, 2, 3]

    def test_the_next_page_is_read_before_the_last_one_is_taken(self, worker):
        table = PaperTable({1: 9})
        with a_reader(worker, table, pages_in_flight=2) as reader:
            reader.open(1, None)
            quiet(worker)
            assert [request.start_key for request in table.requests] == [None, b"1"]

    @pytest.mark.parametrize("places", [1, 3, 8])
    def test_pages_not_taken_are_bounded(self, worker, places):
        table = PaperTable(dict.fromkeys(range(6), 10))
        with a_reader(worker, table, pages_in_flight=places) as reader:
            for segment in table.pages:
                reader.open(segment, None)
            for taken in range(1, 12):
                quiet(worker)
                allowed = places + taken - 1
                # Places are freed in lots of a quarter.
                assert allowed - places // 4 <= len(table.requests) <= allowed
                reader.take()

    @given(
        pages=st.dictionaries(st.integers(0, 99), st.integers(1, 6), min_size=1),
        places=st.integers(1, 9),
    )
    @settings(max_examples=25, deadline=None)
    def test_any_table_is_read_once_whatever_the_bound(self, pages, places):
        thread = LoopThread("test-loop")
        try:
            with a_reader(thread, PaperTable(pages), pages_in_flight=places) as reader:
                for segment in pages:
                    reader.open(segment, None)
                taken = take_all(reader)
            for segment, count in pages.items():
                assert numbers(taken, segment) == list(range(count))
            assert len(taken) == sum(pages.values())
        finally:
            thread.close()


class TestEnding:
    def test_an_error_reaches_the_caller_as_it_is(self, worker):
        table = PaperTable({1: 3, 2: 1_000})
        failure = JobStoppedError("Scan was refused")
        table.failures[1, 1] = failure
        with a_reader(worker, table) as reader:
            reader.open(1, None)
            reader.open(2, None)
            with pytest.raises(JobStoppedError) as caught:
                take_all(reader)
        assert caught.value is failure
        assert table.outstanding == []

    def test_closing_cancels_reads_that_are_outstanding(self, worker):
        table = PaperTable({1: 3, 2: 3})
        table.hold()
        with a_reader(worker, table) as reader:
            reader.open(1, None)
            reader.open(2, None)
            quiet(worker)
            assert len(table.outstanding) == 2
        assert table.outstanding == []

    def test_closing_cancels_those_that_wait_for_the_limiter_or_for_a_place(
        self, worker
    ):
        table, limiter = PaperTable(dict.fromkeys(range(4), 9)), PaperLimiter(budget=1)
        with a_reader(worker, table, limiter, pages_in_flight=2) as reader:
            for segment in table.pages:
                reader.open(segment, None)
            quiet(worker)
        assert len(table.requests) == 1

    def test_closing_at_once_after_opening_leaves_nothing(self, worker):
        table = PaperTable({1: 3})
        with a_reader(worker, table) as reader:
            reader.open(1, None)

    def test_an_exception_of_the_caller_stops_the_reads(self, worker):
        table = PaperTable({1: 1_000_000})

        def consume() -> None:
            with a_reader(worker, table) as reader:
                reader.open(1, None)
                reader.take()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            consume()
        made = len(table.requests)
        quiet(worker)
        assert len(table.requests) == made

    def test_a_blocked_caller_is_woken_by_the_page(self, worker):
        table = PaperTable({1: 1})
        table.hold()
        taken: list[ReadPage] = []
        with a_reader(worker, table) as reader:
            reader.open(1, None)
            thread = threading.Thread(target=lambda: taken.append(reader.take()))
            thread.start()
            worker.run(table.let())
            thread.join(20)
        assert numbers(taken, 1) == [0]


class TestBudget:
    def test_each_read_takes_what_the_last_page_cost_and_settles_its_own(self, worker):
        limiter = PaperLimiter()
        with a_reader(worker, PaperTable({1: 3}), limiter) as reader:
            reader.open(1, None)
            take_all(reader)
        assert limiter.acquired == [128.0, 5.0, 5.0]
        settled = [(units, units_of(cost)) for units, cost in limiter.settled]
        assert settled == [(128.0, 5.0), (5.0, 5.0), (5.0, 5.0)]

    def test_nothing_is_read_without_leave(self, worker):
        table, limiter = PaperTable({1: 2}), PaperLimiter(budget=0)
        with a_reader(worker, table, limiter) as reader:
            reader.open(1, None)
            quiet(worker)
            assert table.requests == []
            worker.run(limiter.allow(2))
            assert len(take_all(reader)) == 2

    def test_a_failed_read_costs_nothing(self, worker):
        table, limiter = PaperTable({1: 1}), PaperLimiter()
        table.failures[1, 0] = JobStoppedError("refused")
        with a_reader(worker, table, limiter) as reader:
            reader.open(1, None)
            with pytest.raises(JobStoppedError):
                reader.take()
        assert limiter.settled == [(128.0, 0.0)]

    def test_a_cancelled_read_counts_as_charged(self, worker):
        table, limiter = PaperTable({1: 1}), PaperLimiter()
        table.hold()
        with a_reader(worker, table, limiter) as reader:
            reader.open(1, None)
            quiet(worker)
        assert limiter.settled == [(128.0, 128.0)]

    def test_throttles_reach_the_limiter_and_are_told_once(self, worker):
        table, limiter = PaperTable({1: 2}), PaperLimiter()
        table.throttles = 3
        with a_reader(worker, table, limiter) as reader:
            reader.open(1, None)
            take_all(reader)
            assert reader.new_throttling() == (6, 0.0)
            assert reader.new_throttling() == (0, 0.0)
        assert limiter.throttled == 6

    def test_waiting_for_the_limiter_is_told_once_for_all_who_wait(self, worker):
        table, limiter = PaperTable({1: 2, 2: 2}), PaperLimiter(budget=0)
        clock = HeldClock()
        with a_reader(worker, table, limiter, clock=clock) as reader:
            reader.open(1, None)
            reader.open(2, None)
            quiet(worker)
            clock.move(2.0)
            worker.run(limiter.allow(1))
            reader.take()
            quiet(worker)
            assert reader.new_throttling() == (0, 2.0)
            clock.move(1.5)
            worker.run(limiter.allow(3))
            take_all(reader)
            assert reader.new_throttling() == (0, 1.5)
