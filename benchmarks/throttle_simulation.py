"""Workers that share a rate, simulated: the real buckets and leases on a held clock.

    python -m benchmarks.throttle_simulation --workers 20 --minutes 60

Only the ledger (in memory) and the table (which charges what was asked) are made up.
Each worker has a clock of its own, wrong by hours and fast or slow by some percent;
it may be killed, stopped (SIGSTOP) and woken again, or idle, and its requests to the
ledger take a while, or fail. A `Script` says when what happens; it is all seeded.

The invariant I5 is what is asked of every run: over any 10 seconds, what all workers
consumed is at most ten times the highest promise of that time (or of one lease period
before) and the workers' bursts. `Simulation.breach` finds a window that breaks it.
"""

import argparse
import asyncio
import bisect
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.support.memory_store import MemoryStore
from transforms.ledger.errors import LedgerUnreachableError
from transforms.ledger.lease_rows import WHOLE, Pool, pool_partition
from transforms.ledger.leased_limiter import LeasedLimiter
from transforms.ledger.leases import LEASE_SECONDS, LeaseHolder
from transforms.throttle.clock import HeldClock
from transforms.throttle.token_bucket import TokenBucket

__all__ = ["Event", "Simulation", "main"]

RUN, BUDGET = "run", "write us-west-2/birds"
WINDOW_SECONDS = 10.0


class SkewedClock:
    """A worker's own clock: another zero, another speed, and it may be stopped.

    A stopped process does not notice: its monotonic time goes on, its tasks do not.
    """

    def __init__(self, base: HeldClock, offset: float, speed: float) -> None:
        self._base, self._offset, self._speed = base, offset, speed
        self._running = asyncio.Event()
        self._running.set()

    def monotonic(self) -> float:
        return self._base.monotonic() * self._speed + self._offset

    def wall(self) -> float:
        return self._base.wall() + self._offset * 7

    async def sleep(self, seconds: float) -> None:
        await self._base.sleep(seconds / self._speed)
        await self._running.wait()

    def stop(self) -> None:
        self._running.clear()

    def go_on(self) -> None:
        self._running.set()


class ScriptedPromise:
    """A promise that a script changes."""

    def __init__(self, units_per_second: Callable[[], float]) -> None:
        self._units = units_per_second

    def first(self, budget: str) -> Pool:
        return Pool(budget, 0, WHOLE, self._units(), "simulated", "simulated")

    async def refreshed(self, pool: Pool, _now: float) -> dict[str, object] | None:
        units = self._units()
        return None if units == pool.promise else {"promise": units}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a worker, or to all.

    Attributes:
        at: seconds after the start.
        kind: ``join`` (again, if it was killed), ``kill``, ``stop``, ``go_on``,
            ``idle``, ``work``; ``promise`` (of `value`), ``ledger_down``,
            ``ledger_up`` for all.
        worker: its number.
        value: see there.
    """

    at: float
    kind: str
    worker: int = 0
    value: float = 0.0


@dataclass(slots=True)
class _Worker:
    clock: SkewedClock
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    working: asyncio.Event = field(default_factory=asyncio.Event)
    lives: int = 0


class Simulation:
    """One run of a script."""

    def __init__(
        self,
        promise: float,
        *,
        seed: int = 0,
        request_units: float = 10.0,
        estimate_error: float = 0.0,
        requests_in_flight: int = 4,
        max_skew: float = 0.04,
    ) -> None:
        """Prepares nothing but the dice.

        Args:
            promise: units a second of the whole budget.
            seed: of everything.
            request_units: what a request costs, about.
            estimate_error: how far its cost is off the estimate, as a share of it.
            requests_in_flight: of each worker.
            max_skew: clocks run up to so much faster or slower.
        """
        self.rng = random.Random(seed)
        self.promises = [(0.0, promise)]
        self.charges: list[tuple[float, float]] = []
        self.store = MemoryStore()
        self._request_units = request_units
        self._estimate_error = estimate_error
        self._in_flight = requests_in_flight
        self._max_skew = max_skew
        self._workers: dict[int, _Worker] = {}
        self._ledger_is_up = True
        self.most_workers = 0

    def run(self, seconds: float, events: Sequence[Event]) -> None:
        """Plays the events, in order of time, and ends after `seconds`."""
        asyncio.run(self._play(seconds, sorted(events, key=lambda event: event.at)))

    async def _play(self, seconds: float, events: Sequence[Event]) -> None:
        self._base = HeldClock(auto_advance=True)
        for event in events:
            await self._base.sleep(event.at - self._base.monotonic())
            self._happen(event)
        await self._base.sleep(seconds - self._base.monotonic())
        for worker in self._workers.values():
            self._kill(worker)
        await asyncio.sleep(0)

    def _happen(self, event: Event) -> None:
        match event.kind:
            case "promise":
                self.promises.append((self._base.monotonic(), event.value))
                self._promise(event.value)
                return
            case "ledger_down" | "ledger_up":
                self._ledger_is_up = event.kind == "ledger_up"
                return
            case "join":
                self._join(event.worker)
                return
            case _:
                pass  # it happens to one worker
        worker = self._workers.get(event.worker)
        if worker is None:
            return
        match event.kind:
            case "kill":
                self._kill(worker)
            case "stop":
                worker.clock.stop()
            case "go_on":
                worker.clock.go_on()
            case "idle":
                worker.working.clear()
            case "work":
                worker.working.set()
            case _:
                raise ValueError(f"nothing is called {event.kind}")

    def _promise(self, units_per_second: float) -> None:
        for row in self.store.rows(pool_partition(RUN)):
            pool = Pool.of_row(row)
            put = pool.changed(RUN, 0, promise=units_per_second)
            assert self.store.commit([put])

    def _join(self, number: int) -> None:
        rng = self.rng
        speed = 1 + rng.uniform(-self._max_skew, self._max_skew)
        worker = self._workers.get(number)
        if worker is None:
            worker = _Worker(SkewedClock(self._base, rng.uniform(0, 1e6), speed))
            self._workers[number] = worker
        if worker.tasks:
            return
        worker.lives += 1
        worker.working.set()
        limiter = LeasedLimiter(
            TokenBucket.without_lease(worker.clock),
            lambda bucket: LeaseHolder(
                self.store,
                RUN,
                BUDGET,
                bucket,
                ScriptedPromise(lambda: self.promises[-1][1]),
                worker_id=f"{number:04}.{worker.lives}",
                clock=worker.clock,
                rng=rng,
                run_blocking=self._ledger_of(worker.clock),
            ),
        )
        worker.tasks = [
            asyncio.create_task(self._work(worker, limiter))
            for _ in range(self._in_flight)
        ]
        # The lease's own task dies with the worker, too.
        worker.tasks.append(asyncio.create_task(_bury(limiter)))
        alive = sum(bool(one.tasks) for one in self._workers.values())
        self.most_workers = max(self.most_workers, alive)

    def _ledger_of(
        self, clock: SkewedClock
    ) -> Callable[[Callable[[], Any]], Awaitable[Any]]:
        async def run_blocking(function: Callable[[], Any]) -> Any:
            await clock.sleep(self.rng.uniform(0.001, 0.03))
            if not self._ledger_is_up:
                await clock.sleep(1.0)
                raise LedgerUnreachableError("nobody answers")
            result = function()
            # The answer takes its time, too: what it says may be old news by then.
            await clock.sleep(self.rng.uniform(0.001, 0.03))
            return result

        return run_blocking

    def _kill(self, worker: _Worker) -> None:
        for task in worker.tasks:
            task.cancel()
        worker.tasks = []

    async def _work(self, worker: _Worker, limiter: LeasedLimiter) -> None:
        while True:
            await worker.working.wait()
            estimate = self._request_units
            await limiter.acquire(estimate)
            error = self.rng.uniform(-self._estimate_error, self._estimate_error)
            cost = estimate * (1 + error)
            self.charges.append((self._base.monotonic(), cost))
            await worker.clock.sleep(self.rng.uniform(0.005, 0.02))
            limiter.settle(estimate, cost)

    def promise_at(self, moment: float) -> float:
        """Returns the promise in force at a moment."""
        place = bisect.bisect_right(self.promises, (moment, float("inf")))
        return self.promises[max(0, place - 1)][1]

    def highest_promise(self, since: float, until: float) -> float:
        """Returns the highest promise in force at any time of an interval."""
        inside = [units for at, units in self.promises if since < at <= until]
        return max([self.promise_at(since), *inside])

    def breach(self) -> tuple[float, float, float] | None:
        """Returns (end, consumed, allowed) of the worst window that breaks I5."""
        worst: tuple[float, float, float] | None = None
        total, first = 0.0, 0
        for at, units in self.charges:
            total += units
            while self.charges[first][0] <= at - WINDOW_SECONDS:
                total -= self.charges[first][1]
                first += 1
            # Clocks differ: a fast one earns a little more.
            rate = self.highest_promise(at - WINDOW_SECONDS - LEASE_SECONDS - 2, at)
            rate *= 1 + self._max_skew
            allowed = WINDOW_SECONDS * rate + self._bursts(rate)
            if total > allowed and (
                worst is None or total - allowed > worst[1] - worst[2]
            ):
                worst = at, total, allowed
        return worst

    def _bursts(self, rate: float) -> float:
        """A second of each one's share, which is the rate, or one request if more."""
        error = self._request_units * self._estimate_error * self._in_flight
        return max(rate, self.most_workers * (self._request_units + error))

    def used(self, since: float, until: float) -> float:
        """Returns the share of the promise that was used in an interval."""
        consumed = sum(units for at, units in self.charges if since <= at < until)
        edges = sorted(
            {since, until, *(a for a, _ in self.promises if since < a < until)}
        )
        promised = sum(self.promise_at(a) * (b - a) for a, b in pairwise(edges))
        return consumed / promised


async def _bury(limiter: LeasedLimiter) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        if limiter._keeping is not None:  # noqa: SLF001 - a process would just end
            limiter._keeping.cancel()  # noqa: SLF001


def churn(
    workers: int, seconds: float, rng: random.Random, per_minute: float
) -> list[Event]:
    """Returns a script: workers arrive within 20 s, then come, go, stall and idle."""
    events = [Event(rng.uniform(0, 20), "join", number) for number in range(workers)]
    for _ in range(int(per_minute * seconds / 60)):
        at, number = rng.uniform(20, seconds), rng.randrange(workers)
        kind = rng.choice(["kill", "stop", "idle"])
        back = {"kill": "join", "stop": "go_on", "idle": "work"}[kind]
        events.append(Event(at, kind, number))
        events.append(Event(at + rng.uniform(1, 60), back, number))
    return events


def main(words: Sequence[str] | None = None) -> int:
    """Runs one simulation and says what came of it; 1 if I5 was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--promise", type=float, default=40_000)
    parser.add_argument("--churn", type=float, default=60, help="events a minute")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    seconds = arguments.minutes * 60
    simulation = Simulation(
        arguments.promise, seed=arguments.seed, request_units=25, requests_in_flight=2
    )
    script = churn(
        arguments.workers, seconds, random.Random(arguments.seed), arguments.churn
    )
    began = time.monotonic()
    simulation.run(seconds, script)
    breach = simulation.breach()
    minute = simulation.used(60, seconds)
    print(
        f"{arguments.workers} workers, {arguments.minutes:g} minutes in "
        f"{time.monotonic() - began:.0f} s: {len(simulation.charges):,} requests, "
        f"{minute:.1%} of the promise used, "
        f"{simulation.store.written_rows:,} rows written; "
        f"{'I5 holds' if breach is None else f'I5 BROKEN: {breach}'}"
    )
    return 0 if breach is None else 1


if __name__ == "__main__":
    raise SystemExit(main())
