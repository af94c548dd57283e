"""Capacity as the service grants it: buckets that fill at the provisioned rate.

A table, a global index, and each partition of a table has a bucket for reads and one
for writes. A table's saves what is not used for 300 seconds ("burst capacity"); a
partition's for one.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.faulty_proxy.wire import Direction

__all__ = ["BURST_SECONDS", "Bucket", "Capacity", "TableBuckets"]

BURST_SECONDS = 300.0
_PARTITION_UNITS: Mapping[Direction, float] = {"read": 3000.0, "write": 1000.0}
_PARTITION_BURST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a table is provisioned with.

    Attributes:
        read_units, write_units: units a second.
        index_units: (read, write) units a second of each global index.
        partitions: how many the table has; each grants 3,000 reads and 1,000 writes.
        units_per_unit: every unit that the engine reports counts as so many.
        on_demand: throttles with the words of an on-demand table.
        burst_seconds: what is saved up; all of it is there at the beginning.
        starts_full: False begins with nothing saved.
    """

    read_units: float
    write_units: float
    index_units: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    partitions: int = 1
    units_per_unit: float = 1.0
    on_demand: bool = False
    burst_seconds: float = BURST_SECONDS
    starts_full: bool = True


class Bucket:
    """Holds units; a request may take it below zero, the next one then waits."""

    def __init__(self, rate: float, burst_seconds: float, now: float) -> None:
        self.rate = rate
        self._burst = rate * burst_seconds
        self._balance = self._burst
        self._at = now

    def balance(self, now: float) -> float:
        """What is left; below or at zero nothing is let through."""
        earned = max(0.0, now - self._at) * self.rate
        self._balance = min(self._burst, self._balance + earned)
        self._at = max(self._at, now)
        return self._balance

    def take(self, units: float, now: float) -> None:
        """Charges `units`, more than are there if need be."""
        self.balance(now)
        self._balance -= units

    def empty(self, now: float) -> None:
        """Takes what was saved."""
        self._balance = min(self.balance(now), self.rate)


class TableBuckets:
    """The buckets of one table: its own, its indexes', its partitions'."""

    def __init__(self, capacity: Capacity, now: float) -> None:
        self.capacity = capacity
        self.read_estimate = 0.0  # what the last read cost
        rates = {"read": capacity.read_units, "write": capacity.write_units}
        burst = capacity.burst_seconds
        self.table = {way: Bucket(rates[way], burst, now) for way in _WAYS}
        self.indexes = {
            name: {
                way: Bucket(units[place], burst, now) for place, way in enumerate(_WAYS)
            }
            for name, units in capacity.index_units.items()
        }
        self.partitions = [
            {
                way: Bucket(_PARTITION_UNITS[way], _PARTITION_BURST_SECONDS, now)
                for way in _WAYS
            }
            for _ in range(capacity.partitions)
        ]
        if not capacity.starts_full:
            for way in _WAYS:
                self.table[way].empty(now)
                for index in self.indexes.values():
                    index[way].empty(now)

    def partition_of_key(self, partition_key: str) -> int:
        """Returns where the items of a partition key (in JSON) are."""
        digest = hashlib.md5(partition_key.encode()).digest()
        return int.from_bytes(digest[:8], "big") * len(self.partitions) >> 64

    def partition_of_segment(self, segment: int, total_segments: int) -> int:
        """Returns where a scan's segment is: segments are parts of the hash space."""
        place = (segment + 0.5) / total_segments
        return math.floor(place * len(self.partitions))

    def take(
        self, way: Direction, partition: int | None, units: float, now: float
    ) -> None:
        """Charges the table, and the partition if it is known."""
        self.table[way].take(units, now)
        if partition is not None:
            self.partitions[partition][way].take(units, now)

    def missing(
        self, way: Direction, partition: int | None, now: float, planned: float = 0.0
    ) -> str | None:
        """Returns which limit a request would break: a table's, an index's name, …

        Args:
            way: read or write.
            partition: where it goes; None if that is not known.
            now: seconds.
            planned: units let through in this moment and not charged yet.

        Returns:
            None if all is well, ``"table"``, ``"partition"``, or an index's name.
        """
        if self.table[way].balance(now) <= planned:
            return "table"
        for name, index in self.indexes.items():
            if way == "write" and index[way].balance(now) <= planned:
                return name
        if partition is not None:
            left = self.partitions[partition][way].balance(now)
            if left <= planned:
                return "partition"
        return None


_WAYS: tuple[Direction, Direction] = ("read", "write")
