"""Writes item by item, each under a condition: if-absent, newer, merge.

    item --> PutItem if …   --> written
                 |
             condition false: the stored item comes back
                 |-- it is ours already             --> written (an answer was lost)
                 |-- newer: ours is newer after all --> put again, if still unchanged
                 |-- its version equals ours        --> superseded, a tie
                 '-- else                           --> superseded

    item --> UpdateItem of its attributes --> written          (merge)

Slower than batches by their 25 items a request, so many are in flight: queue and
lanes are those of `transforms.writer_lanes`. Items of one key are written in the
order they came. No Beam here.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from transforms.dynamodb.attribute_values import AttributeValueError, canonical_bytes
from transforms.dynamodb.errors import (
    ConditionFailedError,
    ItemRejectedError,
    JobStoppedError,
)
from transforms.dynamodb.single_writes import (
    parse_single_write,
    put_if_absent,
    put_if_greater,
    put_if_unchanged,
    update_bodies,
)
from transforms.items import Wire
from transforms.spending import Spending
from transforms.versions import Version, VersionReader
from transforms.writer_lanes import LaneWriter, Outcome, Request

__all__ = ["SingleMode", "SingleWriter"]

SingleMode: TypeAlias = Literal["if-absent", "newer", "merge"]

_WRITE_UNIT_BYTES = 1024
_IS_THERE = "Exists: the target has an item of this key"
_IS_NEWER = "Older: the stored item is newer"
_IS_AS_NEW = "Tie: the stored item has the same version and other content"


class SingleWriter(LaneWriter):
    """Puts or updates one item a request, as its mode allows.

    Args:
        *lanes: as `LaneWriter` has them, its keywords too.
        mode: "if-absent", "newer" or "merge".
        newer_by: the attribute that says which is newer; for "newer" alone.
        keys_unique: no two items submitted share a key, so none is compared.
    """

    def __init__(
        self,
        *lanes: Any,
        mode: SingleMode,
        newer_by: str = "",
        keys_unique: bool = False,
        **more_lanes: Any,
    ) -> None:
        super().__init__(*lanes, **more_lanes)
        self._mode = mode
        self._versions = VersionReader(newer_by)
        self._keys_unique = keys_unique
        self._table = self._client.table.wire_name
        self._key_names = self._keys.schema.names

    def _make_requests(self, items: Sequence[Wire], outcome: Outcome) -> list[Request]:
        groups: list[list[Wire]]
        if self._keys_unique:
            groups = [[item] for item in items]
        else:
            groups = self._by_key(items, outcome)
        return [Request(outcome, group, sum(map(len, group))) for group in groups]

    def _by_key(self, items: Sequence[Wire], outcome: Outcome) -> list[list[Wire]]:
        """Items of one key go into one request, which writes them in turn."""
        groups: dict[Any, list[Wire]] = {}
        for item in items:
            key = self._key_or_refuse(item, outcome)
            if key is not None:
                groups.setdefault(key, []).append(item)
        self._hold_keys_apart(outcome, groups)
        return list(groups.values())

    # --- the event loop ------------------------------------------------------

    async def _write(self, request: Request) -> None:
        for item in request.items:
            request.attempts = 0
            try:
                await self._write_item(request, item)
            except ItemRejectedError as error:
                self._refuse(request.outcome, item, error, request.attempts)

    async def _write_item(self, request: Request, item: Wire) -> None:
        if self._mode == "merge":
            await self._merge(request, item)
        elif self._mode == "newer":
            await self._put_if_newer(request, item)
        else:
            await self._put_if_absent(request, item)

    async def _merge(self, request: Request, item: Wire) -> None:
        fault = self._faults.find_in_key(item)
        if fault is not None:
            raise ItemRejectedError(fault, "InvalidItem")
        bodies = list(update_bodies(self._table, item, self._key_names))
        if not bodies:  # a key alone: there is an item now, or was already
            await self._put(
                request, item, put_if_absent(self._table, item, self._key_names[0])
            )
        for body in bodies:
            await self._send(request, "UpdateItem", body, len(item))
        request.outcome.written += 1

    async def _put_if_absent(self, request: Request, item: Wire) -> None:
        body = put_if_absent(self._table, item, self._key_names[0])
        stored = await self._put(request, item, body)
        if stored is None or _is_same(stored, item):
            request.outcome.written += 1
        else:
            self._supersede(request.outcome, item, _IS_THERE)

    async def _put_if_newer(self, request: Request, item: Wire) -> None:
        ours = self._version(item, "its")
        body: bytes | None = self._first_put(item, ours)
        while body is not None:
            stored = await self._put(request, item, body)
            body = self._next_put(request.outcome, item, ours, stored)

    def _first_put(self, item: Wire, ours: Version | None) -> bytes:
        """What a condition can tell is left to it: texts of times it can't compare."""
        key, version = self._key_names[0], self._versions.name
        if ours is None:
            return put_if_absent(self._table, item, key)
        if ours.kind == "number":
            return put_if_greater(self._table, item, key, version, ours.wire)
        return put_if_absent(self._table, item, key, version)

    def _next_put(
        self, outcome: Outcome, item: Wire, ours: Version | None, stored: bytes | None
    ) -> bytes | None:
        """Accounts for a put, or returns the next one: ours is newer than stored."""
        if stored is None or _is_same(stored, item):
            outcome.written += 1
            return None
        theirs = self._version(stored, "the stored item's")
        if _is_newer(ours, theirs):
            seen = theirs.wire if theirs else None
            return put_if_unchanged(self._table, item, self._versions.name, seen)
        is_tie = not _is_newer(theirs, ours)
        outcome.ties += is_tie
        self._supersede(outcome, item, _IS_AS_NEW if is_tie else _IS_NEWER)
        return None

    def _version(self, item: Wire, whose: str) -> Version | None:
        try:
            return self._versions.read(item)
        except ValueError as error:
            raise ItemRejectedError(f"{whose} version: {error}", "BadVersion") from None

    async def _put(self, request: Request, item: Wire, body: bytes) -> bytes | None:
        """Returns None if the item was put, else the item that was in the way."""
        size = len(item)
        try:
            await self._send(request, "PutItem", body, size)
        except ConditionFailedError as error:
            if error.stored is None:
                raise JobStoppedError(
                    f"{self._client.table.display}: a failed condition came without "
                    "the stored item; whose write it was can't be told at this "
                    "endpoint, so use --mode overwrite there"
                ) from error
            return error.stored
        return None

    async def _send(
        self, request: Request, operation: str, body: bytes, size_bytes: int
    ) -> None:
        """Sends one request when the limiter lets it go, and settles its cost."""
        request.attempts += 1
        spending = Spending(self._limiter, self._cost.of(1, size_bytes))
        if not spending.at_once():
            await self._wait_to_spend(request, spending)
        started = self._clock.monotonic()
        try:
            reply = await spending.call(self._client, operation, body)
        except ConditionFailedError as error:
            # It is charged for the larger of both items, and the reply does not say.
            units = _units(max(size_bytes, len(error.stored or b"")))
            spending.settle(units)
            request.outcome.units += units
            # The next estimate knows the stored items' size.
            self._cost.learn(units, 1, size_bytes)
            raise
        consumed = parse_single_write(operation, reply)
        spending.settle(consumed)
        elapsed = self._clock.monotonic() - started
        self._learn(request, elapsed, consumed, 1, size_bytes)


def _is_newer(one: Version | None, other: Version | None) -> bool:
    """An item without a version is older than any that has one."""
    if one is None or other is None:
        return one is not None
    if one.kind != other.kind:
        raise ItemRejectedError(
            f"its version is a {one.kind}, the stored item's a {other.kind}: neither "
            "is the newer; convert one of them first",
            "BadVersion",
        )
    return one.value > other.value


def _is_same(stored: Wire, ours: Wire) -> bool:
    try:
        return canonical_bytes(stored) == canonical_bytes(ours)
    except AttributeValueError:  # one that the service takes and we cannot read
        return bytes(stored) == bytes(ours)


def _units(size_bytes: int) -> float:
    return float(max(1, math.ceil(size_bytes / _WRITE_UNIT_BYTES)))
