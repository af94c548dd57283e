"""What a copy will read, write and take, from a sample of its items.

Sample --selection, shared filter and columns--> --each route's program-->
units of table and indexes --scaled to all items--> Estimate
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from transforms.dynamodb.attribute_values import Wire, item_size_bytes, parse_item
from transforms.dynamodb.tables import IndexDescription, TableDescription
from transforms.items import ItemBatch
from transforms.mapping import ItemMapping, compile_mapping
from transforms.planning.plan import CopyPlan, PlannedRoute
from transforms.planning.samples import Sample
from transforms.routes import ItemProgram, Route, as_mapping
from transforms.selection import ItemSelector

__all__ = ["Estimate", "RouteEstimate", "estimate_copy"]

# A write unit is 1 KB, begun ones included; a read unit 4 KB, or 8 KB read eventually
# consistently. A Scan's page is rounded up as a whole, at 1 MB.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
_WRITE_BYTES = 1024
_READ_BYTES = 4096
_PAGE_BYTES = 1024 * 1024
_HASH_KEY = b"any key: a digest has one length"


@dataclass(frozen=True, slots=True)
class RouteEstimate:
    """What one route will write.

    Attributes:
        name: of the route.
        items: written.
        size_bytes: as they travel.
        table_units: write units of the table.
        index_units: write units of each index.
        seconds: at the route's rate; None if nothing limits it.
        top_key_share: the part of the writes that one partition key takes, in the
            sample.
    """

    name: str
    items: float
    size_bytes: float
    table_units: float
    index_units: Mapping[str, float]
    seconds: float | None
    top_key_share: float

    @property
    def units(self) -> float:
        """Write units, indexes included."""
        return self.table_units + sum(self.index_units.values())


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the whole copy will take.

    Attributes:
        items: read.
        size_bytes: of these, as the service counts them.
        read_units: consumed by reading.
        read_seconds: at the read rate; None if nothing limits it.
        routes: the writes.
        sampled: items that this rests on.
        is_exact: True if the sample was the whole table.
    """

    items: float
    size_bytes: float
    read_units: float
    read_seconds: float | None
    routes: tuple[RouteEstimate, ...]
    sampled: int
    is_exact: bool

    @property
    def seconds(self) -> float | None:
        """The slowest side's; None if no rate limits any."""
        known = [self.read_seconds, *(route.seconds for route in self.routes)]
        return max((each for each in known if each is not None), default=None)


def estimate_copy(
    plan: CopyPlan, sample: Sample, selector: ItemSelector | None = None
) -> Estimate:
    """Applies the copy to a sample, and scales it up.

    Args:
        plan: the copy.
        sample: of its source.
        selector: of the items that take part.
    """
    found = len(sample.wires)
    items = float(found) if sample.is_whole else float(_all_items(plan, found))
    if plan.request.limit is not None:
        items = min(items, float(plan.request.limit))
    scale = items / found if found else 0.0
    size = scale * sum(map(item_size_bytes, sample.wires))
    read_units = _read_units(plan, size, items)
    batch = ItemBatch.of_page(list(sample.wires), None)
    if selector is not None:
        batch = selector.apply(batch).kept
    shared = ItemProgram(plan.request.filter, plan.request.columns)
    batch = shared.apply(batch).kept
    return Estimate(
        items=items,
        size_bytes=size,
        read_units=read_units,
        read_seconds=_seconds(read_units, plan.read.units_per_second),
        routes=tuple(_route(planned, batch, scale) for planned in plan.routes),
        sampled=found,
        is_exact=sample.is_whole,
    )


def _all_items(plan: CopyPlan, found: int) -> int:
    """The service's own count is up to six hours old, and 0 for a new table."""
    if plan.pushed.queries:
        return found
    return max(plan.source.item_count, found)


def _read_units(plan: CopyPlan, size_bytes: float, items: float) -> float:
    """A page is rounded up to a unit: half of one more for each page, on average."""
    if not items:
        return 0.0
    pieces = len(plan.pushed.queries) or plan.segments
    pages = max(min(pieces, items), size_bytes / _PAGE_BYTES)
    blocks = size_bytes / _READ_BYTES + pages / 2
    return blocks if plan.request.consistent else blocks / 2


def _seconds(units: float, units_per_second: float) -> float | None:
    return None if math.isinf(units_per_second) else units / units_per_second


def _route(planned: PlannedRoute, batch: ItemBatch, scale: float) -> RouteEstimate:
    route, table = planned.route, planned.table
    kept = _program(route).apply(batch).kept.wires
    table_units = scale * sum(_write_units(item_size_bytes(wire)) for wire in kept)
    index_units = {
        index.name: scale * sum(_index_units(index, table, wire) for wire in kept)
        for index in table.indexes
    }
    units = table_units + sum(index_units.values())
    return RouteEstimate(
        name=route.name,
        items=scale * len(kept),
        size_bytes=scale * sum(map(len, kept)),
        table_units=table_units,
        index_units=index_units,
        seconds=_seconds(units, planned.write.units_per_second),
        top_key_share=_top_share(kept, table.keys.partition_key.name),
    )


def _program(route: Route) -> ItemProgram:
    """The route's program without its secret, which no digest's length depends on."""
    mapping = as_mapping(route.mapping)
    if isinstance(mapping, ItemMapping) and mapping.uses_hash:
        return ItemProgram(route.filter, None, compile_mapping(mapping, _HASH_KEY))
    return ItemProgram.of_route(route)


def _write_units(size_bytes: int) -> int:
    return max(1, -(-size_bytes // _WRITE_BYTES))


def _index_units(index: IndexDescription, table: TableDescription, wire: Wire) -> int:
    """An item without an index's keys, or with others in type, is not in it."""
    item = parse_item(wire)
    keys = [index.keys.partition_key]
    keys += [index.keys.sort_key] if index.keys.sort_key else []
    if any(key.type not in item.get(key.name, {}) for key in keys):
        return 0
    if index.projection == "ALL":
        return _write_units(item_size_bytes(wire))
    names = {*index.keys.names, *table.keys.names, *index.included}
    part: dict[str, Any] = {n: item[n] for n in names if n in item}
    return _write_units(item_size_bytes(msgspec.json.encode(part)))


def _top_share(wires: Sequence[Wire], partition_key: str) -> float:
    counts: dict[bytes, int] = {}
    for wire in wires:
        key = msgspec.json.encode(parse_item(wire).get(partition_key))
        counts[key] = counts.get(key, 0) + 1
    return max(counts.values(), default=0) / len(wires) if wires else 0.0
