"""What a request cost, as the service reports it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

__all__ = ["ConsumedCapacity", "WireCapacity"]


class _WireUnits(msgspec.Struct):
    CapacityUnits: float = 0.0


class WireCapacity(msgspec.Struct):
    """One ConsumedCapacity as it is on the wire; decoded with the reply around it."""

    CapacityUnits: float = 0.0
    Table: _WireUnits | None = None
    LocalSecondaryIndexes: dict[str, _WireUnits] | None = None
    GlobalSecondaryIndexes: dict[str, _WireUnits] | None = None


class ConsumedCapacity(NamedTuple):
    """Read or write capacity units of one request. A tuple: every reply makes one.

    Attributes:
        units: all of it, indexes included.
        table_units: the base table's part; equal to `units` if the service did
            not say (it does with ReturnConsumedCapacity=INDEXES).
        index_units: (index name, units), in the order reported.
    """

    units: float = 0.0
    table_units: float = 0.0
    index_units: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(
        cls, reported: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None
    ) -> "ConsumedCapacity":
        """Returns the sum of what a decoded reply reports.

        Args:
            reported: one ConsumedCapacity (Scan, PutItem), a list of them
                (BatchWriteItem), or None where the service sent none.

        >>> ConsumedCapacity.parse([{"CapacityUnits": 2.0}, {"CapacityUnits": 1.0}])
        ConsumedCapacity(units=3.0, table_units=3.0, index_units=())
        """
        if reported is None:
            return NOTHING
        each = [reported] if isinstance(reported, Mapping) else reported
        return cls.from_wire(msgspec.convert(each, list[WireCapacity]))

    @classmethod
    def from_wire(cls, reported: Iterable[WireCapacity]) -> "ConsumedCapacity":
        """Returns the sum of capacities cut from a reply."""
        units = table_units = 0.0
        index_units: tuple[tuple[str, float], ...] = ()
        for each in reported:
            units += each.CapacityUnits
            table_units += (
                each.CapacityUnits if each.Table is None else each.Table.CapacityUnits
            )
            if each.LocalSecondaryIndexes or each.GlobalSecondaryIndexes:
                index_units += _index_units(each)
        return cls(units, table_units, index_units)


NOTHING = ConsumedCapacity()


def _index_units(reported: WireCapacity) -> tuple[tuple[str, float], ...]:
    local = reported.LocalSecondaryIndexes or {}
    indexes = {**local, **(reported.GlobalSecondaryIndexes or {})}
    return tuple((name, used.CapacityUnits) for name, used in indexes.items())
