"""Reads several segments of a scan at once and hands over their pages in turn.

    caller's thread                 |  the process's event loop
    --------------------------------+--------------------------------------------
    open(segment) ------------------+-> a task per segment, one request at a time:
                                    |     a free place for a page, leave of the
    take() <-- pages <- queue <-----+---  limiter, Scan, settle, next start key
      (frees a place) --------------+->
    close() ------------------------+-> cancels what is outstanding

The next page of a segment is asked for before the last one was taken: where it
starts is known. What is read ahead is bounded by places for pages, each up to 1 MB,
which a page holds from its request until it is taken. No Beam here.
"""

import asyncio
import math
import queue
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Protocol

from transforms.dynamodb.client import Meter
from transforms.dynamodb.event_loop import LoopCalls, LoopThread
from transforms.dynamodb.operations import ScanPage, ScanRequest
from transforms.spending import Spending
from transforms.throttle.clock import Clock
from transforms.throttle.limiter import Limiter

__all__ = ["PageSizer", "PageSource", "ReadPage", "ScanClient", "SegmentReader"]

# A page of 1 MB, and an item of 400 KB, in read units of eventually consistent
# reads (half a unit for 4 KB); consistent reads cost twice that.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
_PAGE_UNITS = 128.0
_ITEM_UNITS = 50.0


class ScanClient(Protocol):
    """The part of `DynamoDBClient` that reads pages."""

    async def scan_page(
        self, request: ScanRequest, *, meter: Meter | None = None
    ) -> ScanPage:
        """Reads one page; retries what can be, raises what cannot."""
        ...


class ReadPage(NamedTuple):
    """A page, and its place in the scan.

    Attributes:
        segment: the segment it belongs to.
        start_key: the ExclusiveStartKey it was read with; None for the first.
        page: what the service returned. `page.last_key` is where the next page
            starts, None if this is the segment's last.
    """

    segment: int
    start_key: bytes | None
    page: ScanPage


class PageSource(Protocol):
    """Segments opened, and their pages in turn; `SegmentReader` is one."""

    @property
    def active(self) -> int:
        """Segments opened of which the last page was not taken yet."""
        ...

    def open(self, segment: int, start_key: bytes | None) -> None:
        """Begins to read a segment at a key."""
        ...

    def take(self) -> ReadPage:
        """Waits for the next page of any segment, and takes it."""
        ...


class PageSizer:
    """Learns what pages cost, and keeps one page below a second's budget.

    Args:
        page_limit: the most items a page may evaluate; None leaves it to the
            service, which ends a page after 1 MB.
        max_units: what a page may cost, in read units; infinite if unlimited.
        consistent: whether reads cost double.
    """

    def __init__(
        self, page_limit: int | None, max_units: float, *, consistent: bool
    ) -> None:
        factor = 2.0 if consistent else 1.0
        self._page_limit = page_limit
        self._full_page_units = _PAGE_UNITS * factor
        # Until a page has shown better, items are as large as they can be.
        self._item_units = _ITEM_UNITS * factor
        self._page_units = self._full_page_units
        self.bound(max_units)

    def bound(self, max_units: float) -> None:
        """Says anew what a page may cost: a worker's share of a rate changes."""
        self._max_units = max(1.0, max_units)
        self._is_bounded = self._max_units < self._full_page_units

    @property
    def estimate(self) -> float:
        """What the next page will cost: as much as the last one, if it may."""
        return min(self._page_units, max(self._max_units, self._item_units))

    @property
    def limit(self) -> int | None:
        """How many items the next page may evaluate; None for no limit of ours."""
        if not self._is_bounded:
            return self._page_limit
        affordable = max(1, int(self._max_units / self._item_units))
        return min(affordable, self._page_limit or affordable)

    def learn(self, page: ScanPage) -> None:
        """Takes a page's cost as that of the next."""
        units = page.consumed.units
        if page.scanned_count and units:
            self._item_units = units / page.scanned_count
            self._page_units = units


class SegmentReader:
    """Reads open segments concurrently, for one thread; `close` it in any case.

    Args:
        client: reads pages; used on the loop's thread only.
        template: the request of every page, but for segment, start key and limit.
        limiter: gives leave to spend read units; lives on the same loop.
        worker: the process's event loop.
        clock: times the waiting for the limiter.
        pages_in_flight: pages that may be outstanding or not yet taken, 1 or more;
            at 1 MB each this bounds the reader's memory.
    """

    def __init__(
        self,
        client: ScanClient,
        template: ScanRequest,
        limiter: Limiter,
        *,
        worker: LoopThread,
        clock: Clock,
        pages_in_flight: int,
    ) -> None:
        self._client = client
        self._template = template
        self._limiter = limiter
        self._loop = worker.loop
        self._worker = worker
        self._sizer = PageSizer(
            template.page_limit, math.inf, consistent=template.consistent
        )
        self._wait = _WaitTime(clock)
        self._places = asyncio.Semaphore(pages_in_flight)
        self._lot = max(1, pages_in_flight // 4)
        self._freed = 0
        self._calls = LoopCalls(worker.loop)
        self._tasks: set[asyncio.Task[None]] = set()
        # What has come in one turn of the loop is handed over at once: each time may
        # wake the caller's thread, which costs more than all the rest here.
        self._arrived: list[ReadPage | Exception] = []
        self._lots: queue.SimpleQueue[list[ReadPage | Exception]] = queue.SimpleQueue()
        self._taken: deque[ReadPage | Exception] = deque()
        self._active = 0
        self._throttled_requests = 0
        self._told = (0, 0.0)

    @property
    def active(self) -> int:
        """Segments opened of which the last page was not taken yet."""
        return self._active

    def open(self, segment: int, start_key: bytes | None) -> None:
        """Begins to read a segment at a key."""
        self._active += 1
        self._calls.call(self._start, segment, start_key, self._freed)
        self._freed = 0

    def take(self) -> ReadPage:
        """Waits for the next page of any segment, and takes it.

        Pages of one segment come in order. Call it only while `active` is above 0.

        Raises:
            BeamDynamoDBError: a read failed for good; the error as the client
                raised it. The reader is of no use then but to be closed.
        """
        if not self._taken:
            self._taken.extend(self._lots.get())
        taken = self._taken.popleft()
        if isinstance(taken, Exception):
            raise taken
        self._free_place()
        if taken.page.last_key is None:
            self._active -= 1
        return taken

    def _free_place(self) -> None:
        """Frees places in lots: to wake the loop costs more than all the rest here."""
        self._freed += 1
        if self._freed >= self._lot:
            self._calls.call(self._release, self._freed)
            self._freed = 0

    def new_throttling(self) -> tuple[int, float]:
        """What was held back since the last call.

        Returns:
            Requests that the service throttled, and seconds in which a read waited
            for the limiter; several that wait at once count once.
        """
        requests, seconds = self._throttled_requests, self._wait.seconds
        told_requests, told_seconds = self._told
        self._told = (requests, seconds)
        return requests - told_requests, seconds - told_seconds

    def close(self) -> None:
        """Cancels outstanding reads, and returns when none is left."""
        self._worker.run(self._cancel())

    def _release(self, places: int) -> None:
        for _ in range(places):
            self._places.release()

    def _start(self, segment: int, start_key: bytes | None, freed: int) -> None:
        self._release(freed)
        task = self._loop.create_task(self._read(segment, start_key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, segment: int, start_key: bytes | None) -> None:
        try:
            if not self._limiter.take_at_once(0):
                await self._limiter.acquire(0)  # until it knows what may be spent
            while True:
                await self._places.acquire()
                page = await self._read_page(segment, start_key)
                self._arrive(ReadPage(segment, start_key, page))
                if page.last_key is None:
                    return
                start_key = page.last_key
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
            self._arrive(error)

    def _arrive(self, page: ReadPage | Exception) -> None:
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(page)

    def _hand_over(self) -> None:
        lot, self._arrived = self._arrived, []
        self._lots.put(lot)

    async def _read_page(self, segment: int, start_key: bytes | None) -> ScanPage:
        self._sizer.bound(self._limiter.burst_units)
        spending = Spending(
            self._limiter, self._sizer.estimate, on_throttled=self._throttled
        )
        if not spending.at_once():
            with self._wait.timed():
                await spending.again()
        request = replace(
            self._template,
            segment=segment,
            start_key=start_key,
            page_limit=self._sizer.limit,
        )
        try:
            page = await self._client.scan_page(request, meter=spending)
        except BaseException as error:
            spending.give_up(error)
            raise
        spending.settle(page.consumed)
        self._sizer.learn(page)
        return page

    def _throttled(self) -> None:
        self._throttled_requests += 1


class _WaitTime:
    """The time in which anybody waits: of several at once it counts one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting = 0
        self._since = 0.0
        self.seconds = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        now = self._clock.monotonic()
        if self._waiting:
            self.seconds += now - self._since
        self._since = now
        self._waiting += by
