"""What the buckets let through of a request, and what it is charged afterwards."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.faulty_proxy import replies
from tests.support.faulty_proxy.buckets import Capacity, TableBuckets
from tests.support.faulty_proxy.recording import Charge, Recording
from tests.support.faulty_proxy.replies import ErrorReply
from tests.support.faulty_proxy.wire import Direction, ServiceRequest, TableKey
from transforms.dynamodb.attribute_values import item_size_bytes

__all__ = ["Admission", "Admitted"]

_KB = 1024
_OK = 200


@dataclass(slots=True)
class Admitted:
    """What goes on to the engine.

    Attributes:
        body: the request, perhaps with fewer items.
        unprocessed: the items left out, by table as the request names it.
        reserved: units taken by (table, partition) until the engine has said what it
            consumed; the partition is None where the key is not said plainly.
        at: when.
    """

    body: dict[str, Any]
    unprocessed: dict[str, list[Any]] = field(default_factory=dict)
    reserved: dict[tuple[str, int | None], float] = field(default_factory=dict)
    at: float = 0.0


class Admission:
    """The limited tables of a proxy. Belongs to its thread."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._tables: dict[TableKey, TableBuckets] = {}
        self._partition_keys: dict[TableKey, str] = {}

    def limit(self, key: TableKey, capacity: Capacity, now: float) -> None:
        """Gives a table its capacity, with nothing consumed yet."""
        self._tables[key] = TableBuckets(capacity, now)

    def capacity(self, key: TableKey) -> Capacity | None:
        """Returns what a table was given, None if it is not limited."""
        buckets = self._tables.get(key)
        return None if buckets is None else buckets.capacity

    def learn_keys(self, key: TableKey, description: Mapping[str, Any]) -> None:
        """Takes a table's partition key from its DescribeTable reply."""
        schema = description["Table"]["KeySchema"]
        self._partition_keys[key] = schema[0]["AttributeName"]

    def admit(self, request: ServiceRequest, now: float) -> Admitted | ErrorReply:
        """Returns what may go on, or the refusal if nothing may."""
        body = dict(request.body)
        way = request.direction
        if way is None:
            return Admitted(body, at=now)
        if request.operation == "BatchWriteItem":
            return self._admit_batch(request, body, now)
        admitted = Admitted(body, at=now)
        for table in request.tables:
            buckets = self._tables.get((request.region, table))
            if buckets is None:
                continue
            partition = self._partition(request, table, buckets)
            limit = buckets.missing(way, partition, now)
            if limit is not None:
                return self._refuse(request.region, table, way, limit, buckets)
            units = buckets.read_estimate if way == "read" else _write_units(body)
            factor = buckets.capacity.units_per_unit if way == "write" else 1.0
            admitted.reserved[table, partition] = units * factor
        self._reserve(request.region, way, admitted)
        return admitted

    def _admit_batch(
        self, request: ServiceRequest, body: dict[str, Any], now: float
    ) -> Admitted | ErrorReply:
        admitted = Admitted(body, at=now)
        kept: dict[str, list[Any]] = {}
        refusal: ErrorReply | None = None
        planned: dict[tuple[str, int | None], float] = {}
        for named, entries in request.body["RequestItems"].items():
            table = named.rpartition("/")[2]
            buckets = self._tables.get((request.region, table))
            total = 0.0
            for entry in entries:
                if buckets is None:
                    kept.setdefault(named, []).append(entry)
                    continue
                units = _write_units(entry) * buckets.capacity.units_per_unit
                partition = self._key_partition(request.region, table, entry, buckets)
                place = table, partition
                limit = buckets.missing("write", None, now, total)
                if limit is None and partition is not None:
                    left = buckets.partitions[partition]["write"].balance(now)
                    if left <= planned.get(place, 0.0):
                        limit = "partition"
                if limit is None:
                    kept.setdefault(named, []).append(entry)
                    total += units
                    planned[place] = planned.get(place, 0.0) + units
                else:
                    admitted.unprocessed.setdefault(named, []).append(entry)
                    refusal = self._refuse(
                        request.region, table, "write", limit, buckets
                    )
        if not kept:
            assert refusal is not None  # a batch has items
            return refusal
        if admitted.unprocessed:
            for named in admitted.unprocessed:
                key = request.region, named.rpartition("/")[2]
                self._recording.throttled[key] += bool(kept)
        body["RequestItems"] = kept
        admitted.reserved = planned
        self._reserve(request.region, "write", admitted)
        return admitted

    def _reserve(self, region: str, way: Direction, admitted: Admitted) -> None:
        """Takes what the request will cost: many are under way at once."""
        for (table, partition), units in admitted.reserved.items():
            buckets = self._tables[region, table]
            buckets.take(way, partition, units, admitted.at)

    def settle(
        self,
        request: ServiceRequest,
        admitted: Admitted,
        status: int,
        reply: dict[str, Any],
    ) -> None:
        """Charges what the engine reports, and scales the report.

        A conditional write that failed reports nothing and costs as if it had not.
        """
        way = request.direction
        assert way is not None
        reported = reply.get("ConsumedCapacity", [])
        each = reported if isinstance(reported, list) else [reported]
        if status != _OK and way == "write" and len(request.tables) == 1:
            units = _write_units(request.body)
            each = [{"TableName": request.tables[0], "CapacityUnits": units}]
        for consumed in each:
            self._charge(request.region, way, admitted, consumed)

    def _charge(
        self,
        region: str,
        way: Direction,
        admitted: Admitted,
        consumed: dict[str, Any],
    ) -> None:
        table = consumed["TableName"].rpartition("/")[2]
        buckets = self._tables.get((region, table))
        if buckets is not None:
            _scale(consumed, buckets.capacity.units_per_unit)
        indexes = consumed.get("GlobalSecondaryIndexes") or {}
        index_units = tuple(
            (name, used["CapacityUnits"]) for name, used in indexes.items()
        )
        units = consumed["CapacityUnits"] - sum(used for _, used in index_units)
        charge = Charge(admitted.at, units, index_units)
        self._recording.charge((region, table), way, charge)
        if buckets is None:
            return
        reserved = {p: u for (t, p), u in admitted.reserved.items() if t == table}
        total = sum(reserved.values())
        for partition, part in reserved.items():
            share = part / total if total else 1 / len(reserved)
            buckets.take(way, partition, units * share - part, admitted.at)
        for name, used in index_units:
            if name in buckets.indexes:
                buckets.indexes[name][way].take(used, admitted.at)
        if way == "read":
            buckets.read_estimate = units

    def _refuse(
        self,
        region: str,
        table: str,
        way: Direction,
        limit: str,
        buckets: TableBuckets,
    ) -> ErrorReply:
        on_demand = buckets.capacity.on_demand
        return replies.throttled(region, table, way, limit, on_demand=on_demand)

    def _partition(
        self, request: ServiceRequest, table: str, buckets: TableBuckets
    ) -> int | None:
        body = request.body
        if request.operation == "Scan":
            total = body.get("TotalSegments", 1)
            return buckets.partition_of_segment(body.get("Segment", 0), total)
        return self._key_partition(request.region, table, body, buckets)

    def _key_partition(
        self,
        region: str,
        table: str,
        request: Mapping[str, Any],
        buckets: TableBuckets,
    ) -> int | None:
        """Where a write or a get goes; None where the key is not said plainly."""
        name = self._partition_keys.get((region, table))
        put, delete = request.get("PutRequest"), request.get("DeleteRequest")
        part = put or delete or request
        attributes = part.get("Item") or part.get("Key") or {}
        if name is None or name not in attributes:
            return None
        return buckets.partition_of_key(json.dumps(attributes[name], sort_keys=True))


def _write_units(entry: Mapping[str, Any]) -> float:
    """What a put costs; all else is taken for 1, the old item's size is not known."""
    item = entry.get("PutRequest", entry).get("Item")
    if item is None:
        return 1.0
    return max(1.0, math.ceil(item_size_bytes(json.dumps(item).encode()) / _KB))


def _scale(consumed: dict[str, Any], factor: float) -> None:
    """Multiplies every figure of one ConsumedCapacity."""
    for name, value in consumed.items():
        if isinstance(value, dict):
            _scale(value, factor)
        elif isinstance(value, int | float):
            consumed[name] = value * factor
