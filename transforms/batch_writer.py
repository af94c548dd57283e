"""Writes batches of items to one table: many requests in flight, none forgotten.

    caller's thread                 |  the process's event loop
    --------------------------------+------------------------------------------
    submit(items) --> request bodies --> lanes: acquire, send, settle
         (waits while too many bytes|      unprocessed: back off, send again
          are in flight)            |      duplicate keys: last wins, send again
    take_finished() <-- Outcome <---+--    refused: halved until the item is found

No Beam here: `transforms.write` feeds it from DoFns. A lane is a coroutine that
sends one request after the other; there are as many lanes as it takes to keep
`TARGET_REQUESTS_PER_SECOND` at the latency that the service shows.
"""

import asyncio
import math
import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from transforms.batch_requests import body_maker, payload_of, split_items
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    DuplicateKeysError,
    ItemRejectedError,
    JobStoppedError,
)
from transforms.dynamodb.keys import Key, KeyDecoder
from transforms.dynamodb.operations import (
    BatchWriteResult,
    parse_batch_write,
)
from transforms.items import Wire
from transforms.throttle.backoff import full_jitter
from transforms.throttle.clock import Clock
from transforms.throttle.limiter import Limiter

__all__ = ["BatchWriter", "Outcome", "Refused"]

TARGET_REQUESTS_PER_SECOND = 3_200
"""80,000 items a second: lanes are opened for this rate at the observed latency."""

MIN_LANES, MAX_LANES = 32, 256


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that the service will never take.

    Attributes:
        wire: the item (or key, for deletes) as it was sent.
        reason: the service's error code and text, without item content.
        attempts: requests in which it was sent; 0 if it has no key to send.
    """

    wire: bytes
    reason: str
    attempts: int


@dataclass(slots=True)
class Outcome:
    """What became of the items of one `submit`; complete when `open_requests` is 0.

    `items = written + superseded + len(refused)` once complete without error.
    """

    token: object
    items: int
    written: int = 0
    superseded: int = 0
    retried_requests: int = 0
    units: float = 0.0
    refused: list[Refused] = field(default_factory=list)
    keys: frozenset[Key] = field(default=frozenset(), repr=False)
    open_requests: int = 0


@dataclass(slots=True)
class _Request:
    """Some items of one outcome on their way: 25 at most."""

    outcome: Outcome
    items: Sequence[Wire]
    size_bytes: int
    attempts: int = 0


class BatchWriter:
    """Keeps many BatchWriteItem requests to one table in flight.

    `submit`, `take_finished`, `drain` and `close` belong to one caller's thread;
    all else runs on the event loop.

    Args:
        client: the table's client; its retries handle throttles, 5xx and resets.
        limiter: asked before each request, told what the service charged.
        loop: the process's event loop, running in another thread.
        clock: for latency and deadlines.
        rng: for the backoff's jitter.
        keys: reads keys of the target's schema: needed to delete, to hold equal
            keys apart, and to answer the service's duplicate error.
        mode: "put" or "delete".
        keys_unique: no two items submitted share a key, so none is decoded. If
            False equal keys are written in the order they were submitted.
        max_bytes_in_flight: `submit` waits while this many bytes are on their way.
        deadline_seconds: unprocessed items are sent again for this long without
            any progress; then the job stops.
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
        mode: str = "put",
        keys_unique: bool = False,
        max_bytes_in_flight: int = 32 * 1024 * 1024,
        deadline_seconds: float = 600.0,
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._loop = loop
        self._clock = clock
        self._rng = rng
        self._keys = keys
        self._deletes = mode == "delete"
        self._keys_unique = keys_unique
        self._max_bytes = max_bytes_in_flight
        self._deadline_seconds = deadline_seconds
        self._request_body = body_maker(client.table.wire_name, deletes=self._deletes)
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
        self._queue: deque[_Request] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._latency_seconds = 0.0
        self._units_per_item = 1.0

    @property
    def peak_bytes_in_flight(self) -> int:
        """The most bytes that were on their way at once."""
        return self._peak_bytes_in_flight

    # --- the caller's thread -------------------------------------------------

    def submit(self, items: Sequence[Wire], token: object) -> None:
        """Queues items; returns when there is room, long before they are written.

        Args:
            items: wire items; for deletes their keys are taken.
            token: comes back in the `Outcome`.

        Raises:
            JobStoppedError: an earlier request failed for good.
        """
        outcome = Outcome(token, len(items))
        if self._deletes:
            items = self._take_keys(items, outcome)
        if not self._keys_unique:
            items = self._hold_equal_keys_apart(items, outcome)
        requests = [_Request(outcome, *group) for group in split_items(items)]
        outcome.open_requests = len(requests)
        size = sum(request.size_bytes for request in requests)
        self._wait_for_room(size)
        if requests:
            self._loop.call_soon_threadsafe(self._enqueue, requests)
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

    def drain(self) -> list[Outcome]:
        """Waits until nothing is in flight; returns what became complete."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._unfinished)
        return self.take_finished()

    def close(self) -> None:
        """Stops at once. Requests in flight are cancelled and not accounted for."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _hold_equal_keys_apart(
        self, items: Sequence[Wire], outcome: Outcome
    ) -> list[Wire]:
        """Keeps the last item of each key, and waits where a key is in flight."""
        latest = self._latest_by_key(items, outcome, attempts=0)
        outcome.keys = frozenset(latest)
        in_flight = self._keys_in_flight
        with self._changed:
            waited_for = in_flight & outcome.keys
            self._changed.wait_for(
                lambda: self._error or in_flight.isdisjoint(waited_for)
            )
            self._raise_error()
            in_flight.update(outcome.keys)
        return list(latest.values())

    def _take_keys(self, items: Sequence[Wire], outcome: Outcome) -> list[Wire]:
        keys: list[Wire] = []
        for item in items:
            try:
                keys.append(self._keys.key_wire(item))
            except ItemRejectedError as error:  # noqa: PERF203  # only this item is bad
                _refuse(outcome, item, error, attempts=0)
        return keys

    def _latest_by_key(
        self, items: Sequence[Wire], outcome: Outcome, attempts: int
    ) -> dict[Key, Wire]:
        """Refuses items without a key; of those with one key the last one stays."""
        latest: dict[Key, Wire] = {}
        refused = len(outcome.refused)
        for item in items:
            try:
                latest[self._keys.key(item)] = item
            except ItemRejectedError as error:  # noqa: PERF203  # only this item is bad
                _refuse(outcome, item, error, attempts)
        readable = len(items) - (len(outcome.refused) - refused)
        outcome.superseded += readable - len(latest)
        return latest

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

    def _enqueue(self, requests: list[_Request]) -> None:
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
            await self._send_queued()
        finally:
            # At once, not in a callback: requests queued between the two would
            # count on a lane that is no more.
            self._lanes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _send_queued(self) -> None:
        while self._queue and self._error is None:
            request = self._queue.popleft()
            try:
                await self._write(request)
            except asyncio.CancelledError:
                self._stop(JobStoppedError("the writer's event loop was closed"))
                raise
            except BeamDynamoDBError as error:
                self._stop(error)
            except Exception as error:  # noqa: BLE001  # a defect must not hang the job
                stopped = JobStoppedError(f"the writer failed: {error!r}")
                stopped.__cause__ = error
                self._stop(stopped)
            else:
                self._release(request)

    async def _write(self, request: _Request) -> None:
        """Writes a request's items, however often it takes."""
        delays: Iterator[float] | None = None
        last_progress = self._clock.monotonic()
        items = request.items
        while True:
            request.attempts += 1
            try:
                result = await self._send(request, items)
            except ItemRejectedError as error:
                await self._settle_refusal(request, items, error)
                return
            left = len(result.unprocessed)
            request.outcome.written += len(items) - left
            if not left:
                return
            now = self._clock.monotonic()
            if left < len(items):
                last_progress, delays = now, None
            elif now - last_progress > self._deadline_seconds:
                raise self._gave_up(left)
            self._limiter.report_throttled()
            items = [payload_of(entry) for entry in result.unprocessed]
            delays = delays or full_jitter(self._rng)
            await self._clock.sleep(next(delays))

    async def _send(self, request: _Request, items: Sequence[Wire]) -> BatchWriteResult:
        """Sends one request when the limiter lets it go, and settles its cost."""
        estimate = len(items) * self._units_per_item
        await self._limiter.acquire(estimate)
        # A request that is cancelled may have been charged, so it counts as charged.
        consumed = estimate
        try:
            started = self._clock.monotonic()
            body = await self._client.call(
                "BatchWriteItem",
                self._request_body(items),
                on_throttle=self._limiter.report_throttled,
            )
            elapsed = self._clock.monotonic() - started
            self._latency_seconds += (elapsed - self._latency_seconds) / 16
            result = parse_batch_write(body)
            consumed = result.consumed.units
        except Exception:
            consumed = 0.0
            raise
        finally:
            self._limiter.settle(estimate, consumed)
        request.outcome.units += consumed
        if request.attempts > 1:
            request.outcome.retried_requests += 1
        written = len(items) - len(result.unprocessed)
        if written and consumed:
            self._units_per_item += (consumed / written - self._units_per_item) / 8
        return result

    async def _settle_refusal(
        self, request: _Request, items: Sequence[Wire], error: ItemRejectedError
    ) -> None:
        """Finds the items that a refused request was refused for (I3)."""
        outcome = request.outcome
        if isinstance(error, DuplicateKeysError):
            latest = self._latest_by_key(items, outcome, request.attempts)
            if len(latest) < len(items):
                await self._write_part(request, list(latest.values()))
                return
        if len(items) == 1:
            _refuse(outcome, items[0], error, request.attempts)
            return
        middle = len(items) // 2
        await self._write_part(request, items[:middle])
        await self._write_part(request, items[middle:])

    async def _write_part(self, request: _Request, items: Sequence[Wire]) -> None:
        if items:
            await self._write(_Request(request.outcome, items, 0, request.attempts))

    def _gave_up(self, left: int) -> JobStoppedError:
        return JobStoppedError(
            f"{self._client.table.display}: {left} items stayed unprocessed for "
            f"{self._deadline_seconds:.0f} s; give the table more write capacity, "
            "or the job a lower rate"
        )

    def _release(self, request: _Request) -> None:
        outcome = request.outcome
        outcome.open_requests -= 1
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

    def _stop(self, error: BeamDynamoDBError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        self._queue.clear()


def _refuse(
    outcome: Outcome, item: Wire, error: ItemRejectedError, attempts: int
) -> None:
    outcome.refused.append(Refused(bytes(item), str(error), attempts))
