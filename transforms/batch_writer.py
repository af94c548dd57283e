"""Writes batches of items to one table by BatchWriteItem: the hot path.

    request of 25 --> acquire, send, settle
                      unprocessed: back off, send again
                      duplicate keys: the last wins, send again
                      refused: the item at fault is named, or halved until it is found

No Beam here: `transforms.write` feeds it from DoFns. Queue and lanes are those of
`transforms.writer_lanes`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from transforms.batch_requests import (
    body_maker,
    payload_of,
    split_items,
)
from transforms.dynamodb.errors import (
    DuplicateKeysError,
    ItemRejectedError,
    JobStoppedError,
)
from transforms.dynamodb.item_faults import MAX_ITEM_BYTES
from transforms.dynamodb.keys import Key
from transforms.dynamodb.operations import BatchWriteResult, parse_batch_write
from transforms.items import Wire
from transforms.spending import Spending
from transforms.throttle.backoff import full_jitter
from transforms.writer_lanes import LaneWriter, Outcome, Refused, Request

__all__ = ["BatchWriter"]

_LATER_CAME = "Duplicate: a later item of the source has the same key"


class BatchWriter(LaneWriter):
    """Puts or deletes items, 25 a request.

    Args:
        *lanes: as `LaneWriter` has them, its keywords too.
        deletes: deletes the items' keys instead of putting the items.
        keys_unique: no two items submitted share a key, so none is decoded. If
            False equal keys are written in the order they were submitted.
    """

    def __init__(
        self,
        *lanes: Any,
        deletes: bool = False,
        keys_unique: bool = False,
        **more_lanes: Any,
    ) -> None:
        super().__init__(*lanes, kind="delete" if deletes else "put", **more_lanes)
        self._deletes = deletes
        self._keys_unique = keys_unique
        wire_name = self._client.table.wire_name
        self._request_body = body_maker(wire_name, deletes=deletes)

    def _make_requests(self, items: Sequence[Wire], outcome: Outcome) -> list[Request]:
        if self._deletes:
            items = self._keys_of(items, outcome)
        if not self._keys_unique:
            items = self._hold_equal_keys_apart(items, outcome)
        requests = []
        for group, size in split_items(items):
            # JSON is longer than what the service counts: in a group no longer than
            # one item may be, none is too large.
            if size <= MAX_ITEM_BYTES:
                requests.append(Request(outcome, group, size))
            elif sound := self._refuse_too_large(group, outcome):
                requests.append(Request(outcome, sound, sum(map(len, sound))))
        return requests

    def _keys_of(self, items: Sequence[Wire], outcome: Outcome) -> list[Wire]:
        """Returns the items' keys; an item without one is refused."""
        keys: list[Wire] = []
        for item in items:
            try:
                keys.append(self._keys.key_wire(item))
            except ItemRejectedError as error:  # noqa: PERF203  # only this item is bad
                self._refuse(outcome, item, error, 0)
        return keys

    def _hold_equal_keys_apart(
        self, items: Sequence[Wire], outcome: Outcome
    ) -> list[Wire]:
        """Keeps the last item of each key, and waits where a key is in flight."""
        latest = self._latest_by_key(items, outcome, attempts=0)
        self._hold_keys_apart(outcome, latest)
        return list(latest.values())

    def _latest_by_key(
        self, items: Sequence[Wire], outcome: Outcome, attempts: int
    ) -> dict[Key, Wire]:
        """Refuses items without a key; of those with one key the last one stays."""
        latest: dict[Key, Wire] = {}
        for item in items:
            key = self._key_or_refuse(item, outcome, attempts)
            if key in latest:
                self._supersede(outcome, latest[key], _LATER_CAME)
            if key is not None:
                latest[key] = item
        return latest

    def _refuse_too_large(
        self, items: Sequence[Wire], outcome: Outcome
    ) -> Sequence[Wire]:
        """Names items beyond the service's size before they are sent."""
        sound = []
        for item in items:
            reason = None
            if len(item) > MAX_ITEM_BYTES:
                reason = self._faults.find(item)
            if reason is None:
                sound.append(item)
            else:
                outcome.refused.append(Refused(bytes(item), reason, 0))
        return sound

    # --- the event loop ------------------------------------------------------

    async def _write(self, request: Request) -> None:
        """Writes a request's items, however often it takes."""
        delays: Iterator[float] | None = None
        last_progress = self._patience_spent(request)
        items = request.items
        if len(items) > (most := self._affordable_items(request)):
            for start in range(0, len(items), most):
                await self._write_part(request, items[start : start + most])
            return
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
            now = self._patience_spent(request)
            if left < len(items):
                last_progress, delays = now, None
            elif now - last_progress > self._deadline_seconds:
                raise self._gave_up(left)
            self._limiter.report_throttled()
            items = [payload_of(entry) for entry in result.unprocessed]
            delays = delays or full_jitter(self._rng)
            await self._clock.sleep(next(delays))

    def _patience_spent(self, request: Request) -> float:
        """A clock that stands still while our own rate holds the request back."""
        return self._clock.monotonic() - request.waited_seconds

    async def _send(self, request: Request, items: Sequence[Wire]) -> BatchWriteResult:
        """Sends one request when the limiter lets it go, and settles its cost."""
        size = request.size_bytes if items is request.items else sum(map(len, items))
        spending = Spending(self._limiter, self._cost.of(len(items), size))
        if not spending.at_once():
            await self._wait_to_spend(request, spending)
        started = self._clock.monotonic()
        # As `Spending.call`, in place: one coroutine less on the way of every request.
        try:
            body = await self._client.call(
                "BatchWriteItem", self._request_body(items), meter=spending
            )
        except BaseException as error:
            spending.give_up(error)
            raise
        elapsed = self._clock.monotonic() - started
        result = parse_batch_write(body)
        spending.settle(result.consumed)
        done = len(items) - len(result.unprocessed)
        done_bytes = size * done // len(items)
        self._learn(request, elapsed, result.consumed, done, done_bytes)
        return result

    async def _settle_refusal(
        self, request: Request, items: Sequence[Wire], error: ItemRejectedError
    ) -> None:
        """Finds the items that a refused request was refused for (I3).

        Those whose fault can be named are refused at once; if there are none, the
        request is halved until the item at fault is alone.
        """
        outcome = request.outcome
        if isinstance(error, DuplicateKeysError):
            latest = self._latest_by_key(items, outcome, request.attempts)
            if len(latest) < len(items):
                await self._write_part(request, list(latest.values()))
                return
        sound = self._refuse_named(request, items)
        if len(sound) < len(items):
            await self._write_part(request, sound)
        elif len(items) == 1:
            self._refuse(outcome, items[0], error, request.attempts)
        else:
            middle = len(items) // 2
            await self._write_part(request, items[:middle])
            await self._write_part(request, items[middle:])

    def _refuse_named(self, request: Request, items: Sequence[Wire]) -> list[Wire]:
        """Refuses the items whose fault is known; returns the others."""
        find = self._faults.find_in_key if self._deletes else self._faults.find
        sound = []
        for item in items:
            reason = find(item)
            if reason is None:
                sound.append(item)
            else:
                refused = Refused(bytes(item), reason, request.attempts)
                request.outcome.refused.append(refused)
        return sound

    def _affordable_items(self, request: Request) -> int:
        """How many of its items cost half of what may be spent at once; one at least.

        Not all of it: a bucket that is full while a reply is late earns nothing.
        """
        units = self._limiter.burst_units / 2
        return self._cost.affordable(units, len(request.items), request.size_bytes)

    async def _write_part(self, request: Request, items: Sequence[Wire]) -> None:
        if items:
            size = sum(map(len, items))
            await self._write(Request(request.outcome, items, size, request.attempts))

    def _gave_up(self, left: int) -> JobStoppedError:
        return JobStoppedError(
            f"{self._client.table.display}: {left} items stayed unprocessed for "
            f"{self._deadline_seconds:.0f} s; give the table more write capacity, "
            "or the job a lower rate"
        )
