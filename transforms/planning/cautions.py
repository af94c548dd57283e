"""What a person should know before a copy begins, though it may go ahead."""

import math
from collections.abc import Sequence

from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.operations import ScanRequest
from transforms.dynamodb.transport import TransportConfig
from transforms.limits import Direction, capacity_units
from transforms.planning.capacity import PlannedRate
from transforms.planning.estimate import Estimate, RouteEstimate
from transforms.planning.plan import CopyPlan, PlannedRoute

__all__ = ["cautions", "targets_with_items"]

_DAY_SECONDS = 24 * 3600.0
# What one partition takes in a second.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
_PARTITION_WRITE_UNITS = 1_000.0
# A key that this part of a large enough sample has is not there by chance.
_HOT_SHARE = 0.05
_LEAST_SAMPLE = 100


def targets_with_items(
    routes: Sequence[PlannedRoute], transport: TransportConfig
) -> list[str]:
    """Returns the routes whose targets hold an item already; costs half a unit each."""
    found = []
    for planned in routes:
        target = planned.route.target
        request = ScanRequest(target.wire_name, page_limit=1)
        page = worker_loop().run(client_for(target, transport).scan_page(request))
        if page.items:
            found.append(planned.route.name)
    return found


def cautions(
    plan: CopyPlan, estimate: Estimate, with_items: Sequence[str] = ()
) -> list[str]:
    """Returns warnings, each with what to do.

    Args:
        plan: the copy.
        estimate: what it will take.
        with_items: names of routes whose targets are not empty.
    """
    warnings = _slow("reading", estimate.read_seconds)
    warnings += _below("the source", "read", plan, plan.read)
    for planned, written in zip(plan.routes, estimate.routes, strict=True):
        name = planned.route.name
        if name in with_items:
            warnings.append(
                f"{name}: {planned.route.target.display} is not empty; items of the "
                f"same keys are treated as --mode {planned.route.mode} says"
            )
        warnings += _slow(f"writing {name}", written.seconds)
        warnings += _below(f"route {name}", "write", planned, planned.write)
        warnings += _throttled_indexes(planned, written)
        warnings += _hot_key(planned, written, estimate.sampled)
    return warnings


def _slow(what: str, seconds: float | None) -> list[str]:
    if seconds is None or seconds <= _DAY_SECONDS:
        return []
    return [
        (
            f"{what} takes {seconds / 3600:,.0f} hours at this rate; raise the rate, "
            "or the table's capacity"
        )
    ]


def _below(
    what: str, direction: Direction, owner: CopyPlan | PlannedRoute, rate: PlannedRate
) -> list[str]:
    if isinstance(owner, CopyPlan):
        capacity = capacity_units(owner.source, direction, owner.index)
    else:
        capacity = capacity_units(owner.table, direction)
    if math.isinf(rate.units_per_second) or rate.units_per_second <= capacity:
        return []
    return [
        (
            f"{what}: the rate of {rate.units_per_second:,.6g} units/s is more than "
            f"the {capacity:,.6g} that the table has; raise its capacity, or lower "
            "the rate"
        )
    ]


def _throttled_indexes(planned: PlannedRoute, written: RouteEstimate) -> list[str]:
    """An index below the writes that its table passes on throttles the table."""
    rate = planned.write.units_per_second
    if math.isinf(rate) or not written.units:
        return []
    warnings = []
    for index in planned.table.indexes:
        needed = rate * written.index_units[index.name] / written.units
        if index.write_units and needed > index.write_units:
            warnings.append(
                f"{written.name}: index {index.name} has {index.write_units:,} WCU and "
                f"needs {needed:,.0f} at this rate, so it will throttle the table; "
                "raise its capacity, or lower the rate"
            )
    return warnings


def _hot_key(planned: PlannedRoute, written: RouteEstimate, sampled: int) -> list[str]:
    share, rate = written.top_key_share, planned.write.units_per_second
    if share < _HOT_SHARE or sampled < _LEAST_SAMPLE:
        return []
    if share * rate <= _PARTITION_WRITE_UNITS:
        return []
    key = planned.table.keys.partition_key.name
    return [
        (
            f"{written.name}: one value of {key} takes {share:.0%} of the writes, at "
            f"this rate more than a partition's {_PARTITION_WRITE_UNITS:,.0f} WCU; "
            f"keep the rate below {_PARTITION_WRITE_UNITS / share:,.0f} units/s"
        )
    ]
