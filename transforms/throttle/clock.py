"""Time as a parameter.

Whatever waits or dates something takes a `Clock`: the system's at work, and a
`HeldClock` in a test, which stands still until it is moved. This is the one
module that may read the system's time.
"""

import asyncio
import heapq
import itertools
import time
from typing import Protocol

__all__ = ["Clock", "HeldClock", "SystemClock"]


class Clock(Protocol):
    """Tells the time and waits."""

    def monotonic(self) -> float:
        """Returns seconds since some fixed moment; never goes back."""
        ...

    def wall(self) -> float:
        """Returns seconds since the epoch (UTC); may jump when it is set."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds`; at most one turn of the loop if not above 0."""
        ...


class SystemClock:
    """The machine's clock. Has no state: pickles, and any thread may use it.

    Its `monotonic` and `wall` are the functions of `time` themselves: a request asks
    eight times.
    """

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Lets the event loop run for `seconds`."""
        await asyncio.sleep(max(0.0, seconds))


class HeldClock:
    """A clock that moves only when told, or only when nobody has work to do.

    Wall and monotonic time move together. Sleepers wake in the order of their
    deadlines, and of their arrival where these are equal. Serves one event loop
    at a time; reading the time is safe in any thread.

    >>> clock = HeldClock()
    >>> clock.move(2.5)
    >>> clock.monotonic()
    2.5
    """

    # A task may need several turns of the loop between two sleeps (a lock, a
    # queue, a gather). Time moves by itself only after this many turns in which
    # no new sleeper came.
    _QUIET_TURNS = 20

    def __init__(
        self,
        start_seconds: float = 0.0,
        *,
        wall_seconds: float = 1_700_000_000.0,
        auto_advance: bool = False,
    ) -> None:
        """Stops the clock at `start_seconds` (monotonic) and `wall_seconds`.

        With `auto_advance` the clock jumps to the earliest sleeper whenever the
        loop has been quiet, so that a simulation of hours takes milliseconds.
        """
        self._now = start_seconds
        self._wall_offset = wall_seconds - start_seconds
        self._auto_advance = auto_advance
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()
        self._quiet_turns = 0
        self._driven_loop: asyncio.AbstractEventLoop | None = None

    @property
    def sleepers(self) -> int:
        """The number of tasks asleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def monotonic(self) -> float:
        """Returns the seconds at which the clock is held."""
        return self._now

    def wall(self) -> float:
        """Returns the held time as seconds since the epoch."""
        return self._now + self._wall_offset

    async def sleep(self, seconds: float) -> None:
        """Waits until the clock was moved past `seconds` from now."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        sleeper = (self._now + seconds, next(self._arrivals), woken)
        heapq.heappush(self._sleepers, sleeper)
        if self._auto_advance:
            self._drive(loop)
        await woken

    def move(self, seconds: float) -> None:
        """Moves time at once; sleepers that are due run at the loop's next turn."""
        self._move_to(self._now + seconds)

    async def advance(self, seconds: float) -> None:
        """Moves time from sleeper to sleeper, letting each do its work in between.

        A task that sleeps again within `seconds` wakes again, at its own time.
        """
        end = self._now + seconds
        await self._let_others_work()
        while (deadline := self._next_deadline()) is not None and deadline <= end:
            self._move_to(deadline)
            await self._let_others_work()
        self._move_to(end)
        await self._let_others_work()

    async def _let_others_work(self) -> None:
        for _ in range(self._QUIET_TURNS):
            await asyncio.sleep(0)

    def _next_deadline(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():  # cancelled
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _move_to(self, moment: float) -> None:
        self._now = max(self._now, moment)
        while (deadline := self._next_deadline()) is not None and deadline <= self._now:
            heapq.heappop(self._sleepers)[2].set_result(None)

    def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        self._quiet_turns = 0
        if self._driven_loop is not loop:
            self._driven_loop = loop
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._quiet_turns += 1
        if self._quiet_turns > self._QUIET_TURNS:
            self._quiet_turns = 0
            deadline = self._next_deadline()
            if deadline is None:
                self._driven_loop = None
                return
            self._move_to(deadline)
        loop.call_soon(self._turn, loop)
