"""Lanes: many requests to one table in flight, and an account of every item.

    caller's thread                 |  the process's event loop
    --------------------------------+------------------------------------------
    submit(items) --> requests -----+--> lanes: one request after the other
         (waits while too many bytes|
          are in flight)            |
    take_finished() <-- Outcome <---+--- all requests of a submission are settled

A lane is a coroutine that writes one request after the other; there are as many as
it takes to keep `TARGET_REQUESTS_PER_SECOND` at the latency that the service shows.
How a request is written is a subclass's: `BatchWriter`, `SingleWriter`. No Beam here.
"""

import asyncio
import math
import random
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import cast

from transforms.dynamodb.capacity import ConsumedCapacity
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ItemRejectedError,
    JobStoppedError,
)
from transforms.dynamodb.event_loop import LoopCalls
from transforms.dynamodb.item_faults import ItemFaults
from transforms.dynamodb.keys import Key, KeyDecoder
from transforms.items import Wire
from transforms.outcomes import GaveWay, Outcome, Refused
from transforms.spending import Spending
from transforms.throttle.clock import Clock
from transforms.throttle.limiter import Limiter
from transforms.write_cost import cost_of

__all__ = ["LaneWriter", "Outcome", "Refused", "Request"]

TARGET_REQUESTS_PER_SECOND = 3_200
"""80,000 items a second: lanes are opened for this rate at the observed latency."""

MIN_LANES, MAX_LANES = 32, 256

_LOOK_UP_SECONDS = 0.25


@dataclass(slots=True)
class Request:
    """Some items of one outcome on their way: 25 at most.

    `waited_seconds` is the time in which our own rate held them back; no deadline
    counts it.
    """

    outcome: Outcome
    items: Sequence[Wire]
    size_bytes: int
    attempts: int = 0
    waited_seconds: float = 0.0


class LaneWriter(ABC):
    """Keeps many requests to one table in flight.

    `submit`, `take_finished`, `drain` and `close` belong to one caller's thread;
    all else runs on the event loop.

    Args:
        client: the table's client; its retries handle throttles, 5xx and resets.
        limiter: asked before each request, told what the service charged.
        loop: the process's event loop, running in another thread.
        clock: for latency and deadlines.
        rng: for the backoff's jitter.
        keys: reads keys of the target's schema.
        max_bytes_in_flight: `submit` waits while this many bytes are on their way.
        deadline_seconds: items are sent again for this long without any progress;
            then the job stops. Waiting for our own rate does not count.
        keeps_superseded: outcomes hold the items that gave way, and not only count
            them.
        on_finished: called, on either thread, when an outcome is complete or all of
            it has failed.
        kind: what kind of write it is: each has a cost of its own.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        limiter: Limiter,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Clock,
        rng: random.Random,
        keys: KeyDecoder,
        max_bytes_in_flight: int = 32 * 1024 * 1024,
        deadline_seconds: float = 600.0,
        keeps_superseded: bool = False,
        on_finished: Callable[[], object] | None = None,
        kind: str = "put",
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._loop = loop
        self._calls = LoopCalls(loop)
        self._clock = clock
        self._rng = rng
        self._keys = keys
        self._faults = ItemFaults(keys.schema)
        self._max_bytes = max_bytes_in_flight
        self._deadline_seconds = deadline_seconds
        self._keeps_superseded = keeps_superseded
        self._on_finished = on_finished or _nothing
        self.answers = 0  # requests that are done; counted on the loop
        # Shared by both threads, under the condition's lock.
        self._changed = threading.Condition()
        self._bytes_in_flight = 0
        self._peak_bytes_in_flight = 0
        self._wanted_bytes: int | None = None
        self._unfinished = 0
        self._keys_in_flight: set[Key] = set()
        self._finished: deque[Outcome] = deque()
        self._error: BeamDynamoDBError | None = None
        # The loop's own.
        self._queue: deque[Request] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._probing = asyncio.Lock()
        self._latency_seconds = 0.0
        self._cost = cost_of(limiter, kind)

    @abstractmethod
    def _make_requests(self, items: Sequence[Wire], outcome: Outcome) -> list[Request]:
        """Cuts items into requests, on the caller's thread."""

    @abstractmethod
    async def _write(self, request: Request) -> None:
        """Writes a request's items, however often it takes, and accounts for them."""

    @property
    def peak_bytes_in_flight(self) -> int:
        """The most bytes that were on their way at once."""
        return self._peak_bytes_in_flight

    @property
    def is_busy(self) -> bool:
        """Whether anything is on its way, or done and not taken."""
        return bool(self._unfinished or self._finished)

    @property
    def has_queue(self) -> bool:
        """Whether any request was not given to a lane yet."""
        return bool(self._queue)

    # --- the caller's thread -------------------------------------------------

    def submit(
        self, items: Sequence[Wire], token: object, refused: Sequence[Refused] = ()
    ) -> None:
        """Queues items; returns when there is room, long before they are written.

        Args:
            items: wire items; for deletes their keys are taken.
            token: comes back in the `Outcome`.
            refused: items beside them that are known to be bad, and not sent.

        Raises:
            JobStoppedError: an earlier request failed for good.
        """
        outcome = Outcome(token, len(items) + len(refused), refused=list(refused))
        requests = self._make_requests(items, outcome)
        outcome.open_requests = len(requests)
        self._wait_for_room(sum(request.size_bytes for request in requests))
        if requests:
            self._calls.call(self._enqueue, requests)
        else:
            self._finish(outcome)

    def take_finished(self) -> list[Outcome]:
        """Returns the outcomes that became complete since the last call.

        Raises:
            JobStoppedError: a request failed for good.
        """
        with self._changed:
            self._raise_error()
            finished = list(self._finished)
            self._finished.clear()
        return finished

    def drain(self, look_up: Callable[[], None] | None = None) -> list[Outcome]:
        """Waits until nothing is in flight; returns what became complete.

        Args:
            look_up: called a few times a second meanwhile; what it raises ends the
                wait.
        """
        interval = _LOOK_UP_SECONDS if look_up else None
        with self._changed:
            while not self._error and self._unfinished:
                self._changed.wait(interval)
                if look_up:
                    look_up()
        return self.take_finished()

    def close(self) -> None:
        """Stops at once. Requests in flight are cancelled and not accounted for."""
        self._calls.call(self._cancel)

    def _key_or_refuse(
        self, item: Wire, outcome: Outcome, attempts: int = 0
    ) -> Key | None:
        """Returns an item's key; None for an item that has none, and is refused."""
        try:
            return self._keys.key(item)
        except ItemRejectedError as error:
            self._refuse(outcome, item, error, attempts)
        return None

    def _refuse(
        self, outcome: Outcome, item: Wire, error: ItemRejectedError, attempts: int
    ) -> None:
        """Puts an item down as refused, its fault by name if it has one."""
        reason = self._faults.find(item) or f"{error.code or 'InvalidItem'}: {error}"
        outcome.refused.append(Refused(bytes(item), reason, attempts))

    def _supersede(self, outcome: Outcome, item: Wire, reason: str) -> None:
        """Puts an item down as one that gave way to another of the same key."""
        outcome.superseded += 1
        if self._keeps_superseded:
            outcome.gave_way.append(GaveWay(bytes(item), reason))

    def _hold_keys_apart(self, outcome: Outcome, keys: Collection[Key]) -> None:
        """Waits until none of the keys is in flight; then the outcome's are."""
        outcome.keys = frozenset(keys)
        in_flight = self._keys_in_flight
        with self._changed:
            waited_for = in_flight & outcome.keys
            self._changed.wait_for(
                lambda: self._error or in_flight.isdisjoint(waited_for)
            )
            self._raise_error()
            in_flight.update(outcome.keys)

    def _wait_for_room(self, size: int) -> None:
        with self._changed:
            self._wanted_bytes = size
            self._changed.wait_for(lambda: self._error or self._has_room())
            self._wanted_bytes = None
            self._raise_error()
            self._unfinished += 1
            self._bytes_in_flight += size
            self._peak_bytes_in_flight = max(
                self._peak_bytes_in_flight, self._bytes_in_flight
            )

    def _has_room(self) -> bool:
        """Whether what the caller waits to submit may now be in flight as well."""
        if self._wanted_bytes is None:
            return False
        in_flight = self._bytes_in_flight
        return in_flight == 0 or in_flight + self._wanted_bytes <= self._max_bytes

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    # --- the event loop ------------------------------------------------------

    def _enqueue(self, requests: list[Request]) -> None:
        self._queue.extend(requests)
        wanted = math.ceil(self._latency_seconds * TARGET_REQUESTS_PER_SECOND)
        limit = min(MAX_LANES, max(MIN_LANES, wanted))
        for _ in range(min(limit - len(self._lanes), len(self._queue))):
            lane = self._loop.create_task(self._run_lane())
            self._lanes.add(lane)

    def _cancel(self) -> None:
        self._stop(JobStoppedError("the writer was closed; send its items again"))
        for lane in self._lanes:
            lane.cancel()

    async def _run_lane(self) -> None:
        """Sends request after request until the queue is empty."""
        try:
            await self._write_queued()
        finally:
            # At once, not in a callback: requests queued between the two would
            # count on a lane that is no more.
            self._lanes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _write_queued(self) -> None:
        """Whatever goes wrong stops the writer: a lane that just ends hangs the job."""
        try:
            # Until the limiter knows what may be spent at once.
            await self._limiter.acquire(0)
            if not self._cost.is_known:
                await self._probe()
            while self._queue and self._error is None:
                await self._write_next()
        except asyncio.CancelledError:
            self._stop(JobStoppedError("the writer's event loop was closed"))
            raise
        except BeamDynamoDBError as error:
            self._stop(error)
        except Exception as error:  # noqa: BLE001  # a defect must not hang the job
            stopped = JobStoppedError(f"the writer failed: {error!r}")
            stopped.__cause__ = error
            self._stop(stopped)

    async def _probe(self) -> None:
        """Writes one request at a time until a bill has shown what an item costs.

        All lanes at once would spend what nobody has reserved.
        """
        async with self._probing:
            while self._is_guessing() and self._queue and self._error is None:
                await self._write_next()

    def _is_guessing(self) -> bool:
        return not self._cost.is_known and math.isfinite(self._limiter.burst_units)

    async def _write_next(self) -> None:
        request = self._queue.popleft()
        await self._write(request)
        self._release(request)

    async def _wait_to_spend(self, request: Request, spending: Spending) -> None:
        """Waits for our own rate, which counts towards no deadline."""
        started = self._clock.monotonic()
        await spending.again()
        request.waited_seconds += self._clock.monotonic() - started

    def _learn(
        self,
        request: Request,
        seconds: float,
        consumed: ConsumedCapacity,
        items: int,
        size_bytes: int,
    ) -> None:
        """Notes what a request took, for the number of lanes and the next estimate."""
        self._latency_seconds += (seconds - self._latency_seconds) / 16
        request.outcome.units += consumed.units
        if request.attempts > 1:
            request.outcome.retried_requests += 1
        # What its indexes cost is their budgets' affair.
        self._cost.learn(self._limiter.own_units(consumed), items, size_bytes)

    def _release(self, request: Request) -> None:
        outcome = request.outcome
        outcome.open_requests -= 1
        self.answers += 1
        with self._changed:
            self._bytes_in_flight -= request.size_bytes
            if outcome.open_requests:
                # A woken thread costs as much as the request: not for nothing.
                if self._has_room():
                    self._changed.notify_all()
                return
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        with self._changed:
            self._unfinished -= 1
            self._finished.append(outcome)
            self._keys_in_flight -= outcome.keys
            self._changed.notify_all()
        self._on_finished()

    def _stop(self, error: BeamDynamoDBError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        self._on_finished()
        self._queue.clear()


def _nothing() -> None:
    """Nobody wants to know."""
