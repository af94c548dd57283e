"""The checks of both ends, before anything is written.

    CopyRequest --names--> --describe all tables at once--> --tables, keys, rates-->
    CopyPlan

Every check names the thing, its value and the remedy, and raises UserError.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.expressions import parse_condition
from transforms.dynamodb.tables import IndexDescription, TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.limits import Direction
from transforms.mapping import ItemMapping
from transforms.planning.capacity import PlannedRate, plan_rate
from transforms.planning.keys import check_keys, check_mapped_keys
from transforms.planning.plan import CopyPlan, CopyRequest, PlannedRoute
from transforms.planning.regions import check_region
from transforms.push_down import PushDown, demand_of, push_down
from transforms.routes import Route, as_mapping
from transforms.scan_restriction import SEGMENTS_IN_FLIGHT, choose_segments
from transforms.selection import open_selector
from transforms.throttle.clock import SystemClock
from transforms.throttle.rate import Rate, RateError

__all__ = ["check_copy", "check_source", "splits_for"]

_SPLITS_PER_WORKER = 4
_LEAST_SEGMENTS = 16  # DescribeTable says 0 bytes of a table filled an hour ago
_SERVING = frozenset({"ACTIVE", "UPDATING"})

_Found = tuple[TableRef, TableDescription]


def check_copy(
    request: CopyRequest,
    transport: TransportConfig,
    as_if: Mapping[str, TableDescription] | None = None,
) -> CopyPlan:
    """Describes every table and returns what would be done; writes nothing.

    Args:
        request: what is asked for.
        transport: connections and timeouts.
        as_if: by route's name, targets as they will be, to be taken for found.

    Raises:
        UserError: anything in the request that is wrong, or that the tables refute.
        JobStoppedError: the service does not let us look.
    """
    _check_names(request)
    tables = [request.source, *(route.target for route in request.routes)]
    known = [None, *((as_if or {}).get(route.name) for route in request.routes)]
    source, *targets = worker_loop().run(_describe_all(tables, transport, known))
    found = list(zip(tables, [source, *targets], strict=True))
    for table, description in found:
        _check_serving(table, description)
    _check_distinct(request, found)
    index = _find_index(request, source)
    for route, target in zip(request.routes, targets, strict=True):
        _check_route_keys(request, source, route, target)
    if request.selection is not None:
        open_selector(request.selection, transport, SystemClock().wall)
    pushed = _push_down(request, source, transport)
    segments, splits = _cut(request, source)
    return CopyPlan(
        request=request,
        source=source,
        index=index,
        read=_plan_rate("the source", request.read, source, "read", index),
        segments=segments,
        splits=splits,
        routes=tuple(
            PlannedRoute(
                route,
                target,
                _plan_rate(f"route {route.name}", route.write, target, "write"),
            )
            for route, target in zip(request.routes, targets, strict=True)
        ),
        pushed=pushed,
    )


def _push_down(
    request: CopyRequest, source: TableDescription, transport: TransportConfig
) -> PushDown:
    if not request.push_down:
        return PushDown()
    demand = demand_of(
        request.routes,
        item_filter=request.filter,
        columns=request.columns,
        selection=request.selection,
        limit=request.limit,
    )
    time_to_live = None
    if demand.skips_expired:
        client = client_for(request.source, transport)
        time_to_live = worker_loop().run(client.time_to_live_attribute())
    return push_down(
        demand, source.keys, index=request.index, time_to_live=time_to_live
    )


def splits_for(workers: int, segments: int | None = None) -> int:
    """Returns into how many parts a scan is cut at first.

    One worker reads segments faster together than in turn; several should not wait for
    the slowest part. A part has one segment or more.
    """
    splits = 1 if workers == 1 else workers * _SPLITS_PER_WORKER
    return min(splits, segments or splits)


def check_source(request: CopyRequest, transport: TransportConfig) -> CopyPlan:
    """Checks what is read, for a pipeline that writes to no table.

    Raises:
        UserError: as `check_copy`, of the source.
        JobStoppedError: the service does not let us look.
    """
    check_region(request.source)
    if isinstance(request.filter, str):
        parse_condition(request.filter)
    (source,) = worker_loop().run(_describe_all([request.source], transport))
    _check_serving(request.source, source)
    index = _find_index(request, source)
    segments, splits = _cut(request, source)
    return CopyPlan(
        request=request,
        source=source,
        index=index,
        read=_plan_rate("the source", request.read, source, "read", index),
        segments=segments,
        splits=splits,
        routes=(),
    )


def _cut(request: CopyRequest, source: TableDescription) -> tuple[int, int]:
    """Returns segments, and the parts that workers take of them."""
    if request.limit is not None:
        return 1, 1  # a limit needs one who counts
    segments = request.segments or choose_segments(
        source.size_bytes,
        max(splits_for(request.workers), _LEAST_SEGMENTS),
        SEGMENTS_IN_FLIGHT,
    )
    return segments, splits_for(request.workers, segments)


def _check_route_keys(
    request: CopyRequest,
    source: TableDescription,
    route: Route,
    target: TableDescription,
) -> None:
    """A function may make any key; what it makes shows when it runs."""
    ends = (
        (request.source.display, source.keys),
        (route.target.display, target.keys),
    )
    mapping = as_mapping(route.mapping)
    if isinstance(mapping, ItemMapping):
        check_mapped_keys(
            route=route.name, source=ends[0], target=ends[1], mapping=mapping
        )
    elif mapping is None:
        check_keys(
            route=route.name,
            source=ends[0],
            target=ends[1],
            mappings=(
                ("the columns of all routes", request.columns),
                ("its columns", route.columns),
            ),
        )


def _check_names(request: CopyRequest) -> None:
    """Finds what can be seen without asking the service."""
    if not request.routes:
        raise UserError("the copy has no route; name a table to write to")
    for table in (request.source, *(route.target for route in request.routes)):
        check_region(table)
    name, times = Counter(route.name for route in request.routes).most_common(1)[0]
    if times > 1:
        raise UserError(
            f"{times} routes are named {name!r}; give each a name of its own (--name)"
        )
    if isinstance(request.filter, str):
        parse_condition(request.filter)


async def _describe_all(
    tables: Sequence[TableRef],
    transport: TransportConfig,
    known: Sequence[TableDescription | None] = (),
) -> list[TableDescription]:
    async def describe(table: TableRef) -> TableDescription:
        return await client_for(table, transport).describe_table()

    given = dict(zip(tables, known, strict=False))
    asked = [table for table in tables if given.get(table) is None]
    found = dict(zip(asked, await asyncio.gather(*map(describe, asked)), strict=True))
    return [given.get(table) or found[table] for table in tables]


def _check_serving(table: TableRef, description: TableDescription) -> None:
    if description.status not in _SERVING:
        raise UserError(
            f"{table.display} is {description.status}, and a table is read and written "
            "when it is ACTIVE; wait for it, or name another"
        )


def _check_distinct(request: CopyRequest, found: Sequence[_Found]) -> None:
    """Refuses a copy of a table onto itself, and two routes to one table."""
    names = ["the source", *(f"route {route.name}" for route in request.routes)]
    for place, one in enumerate(found):
        for earlier in range(place):
            if not _is_same(one, found[earlier]):
                continue
            what = one[0].display
            if earlier == 0:
                raise UserError(
                    f"{names[place]} writes to {what}, which is the source itself; "
                    "name another target"
                )
            raise UserError(
                f"{names[earlier]} and {names[place]} both write to {what}; keep one, "
                "with a filter that takes the items of both"
            )


def _is_same(one: _Found, other: _Found) -> bool:
    """Emulators give tables of different servers one ARN, but not one id.

    A table that may not be described is the same where it is reached the same way.
    """
    (table, found), (other_table, other_found) = one, other
    if not (found.account and other_found.account):
        return replace(table, account=None, keys=None) == replace(
            other_table, account=None, keys=None
        )
    if found.arn != other_found.arn:
        return False
    if found.table_id and other_found.table_id:
        return found.table_id == other_found.table_id
    return table.endpoint_url == other_table.endpoint_url


def _plan_rate(
    place: str,
    rate: Rate,
    table: TableDescription,
    direction: Direction,
    index: IndexDescription | None = None,
) -> PlannedRate:
    try:
        return plan_rate(rate, table, direction, index)
    except RateError as error:
        raise UserError(f"{place}: {error}") from error


def _find_index(
    request: CopyRequest, source: TableDescription
) -> IndexDescription | None:
    if request.index is None:
        return None
    by_name = {index.name: index for index in source.indexes}
    if request.index not in by_name:
        has = ", ".join(sorted(by_name)) or "none"
        raise UserError(
            f"{request.source.display} has no index {request.index!r} (it has: {has}); "
            "correct --index, or leave it out to read the table"
        )
    index = by_name[request.index]
    if request.consistent and index.kind == "GSI":
        raise UserError(
            f"index {index.name} of {request.source.display} is global, and a global "
            "index has no consistent reads; leave out --consistent"
        )
    return index
