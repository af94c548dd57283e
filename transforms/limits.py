"""The limiters of this process: one for each table, direction and promise.

Every DoFn that spends the capacity of a table asks here, so that two scans of one
table in one process share one budget, whatever number of threads runs them.
"""

import math
from dataclasses import dataclass
from typing import Literal

from transforms.dynamodb.event_loop import LoopThread, worker_loop
from transforms.dynamodb.tables import IndexDescription, TableDescription, TableRef
from transforms.throttle.clock import SystemClock
from transforms.throttle.limiter import Limiter, UnlimitedLimiter
from transforms.throttle.rate import Rate
from transforms.throttle.token_bucket import TokenBucket

__all__ = ["Direction", "burst_units", "capacity_units", "limiter_for"]

Direction = Literal["read", "write"]

# What one item can cost: 400 KB, by 4 KB read consistently or by 1 KB written.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
_ITEM_UNITS: dict[Direction, float] = {"read": 100.0, "write": 400.0}

# What AWS lets a new on-demand table take at once, in units a second.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
_ON_DEMAND_START: dict[Direction, float] = {"read": 12_000.0, "write": 4_000.0}


def capacity_units(
    table: TableDescription,
    direction: Direction,
    index: IndexDescription | None = None,
) -> float:
    """What 100 % of a table is, in units a second; 0 if nothing is reported.

    Provisioned units (a global index has its own, a local one its table's); on
    demand the owner's maximum, else what the table is warmed up for, else what a
    new table starts with.
    """
    is_read = direction == "read"
    if table.billing_mode == "PROVISIONED":
        owner = index if index is not None and index.kind == "GSI" else table
        return owner.read_units if is_read else owner.write_units
    maximum = table.max_read_units if is_read else table.max_write_units
    warm = table.warm_read_units if is_read else table.warm_write_units
    return maximum or warm or _ON_DEMAND_START[direction]


def burst_units(direction: Direction, units_per_second: float) -> float:
    """What may be spent at once: a second of the rate, or one item if that is more.

    Without the second half a slow worker could never write a large item.
    """
    return max(units_per_second, _ITEM_UNITS[direction])


@dataclass(frozen=True, slots=True)
class _Budget:
    table: TableRef
    direction: Direction
    index: str | None
    run_id: str
    units_per_second: float
    worker: LoopThread  # a forked process has a loop, and so limiters, of its own


_limiters: dict[_Budget, Limiter] = {}


def limiter_for(
    table: TableRef,
    direction: Direction,
    rate: Rate,
    capacity_units: float | None,
    workers: int = 1,
    *,
    index: str | None = None,
    run_id: str = "",
) -> Limiter:
    """The process's limiter for a table, made when first asked for.

    Args:
        table: whose capacity is spent.
        direction: reads and writes have capacities of their own.
        rate: the promise to the table's owner, for all workers together.
        capacity_units: what 100 % is, see `capacity_units`.
        workers: processes that share the rate evenly, 1 or more.
        index: a global secondary index, which has capacity of its own.
        run_id: runs that follow each other in one process share nothing.

    Raises:
        RateError: a percentage of a capacity that is not known.
    """
    share = rate.units_per_second(capacity_units) / workers
    budget = _Budget(table, direction, index, run_id, share, worker_loop())
    limiter = _limiters.get(budget)
    if limiter is None:
        limiter = _limiters.setdefault(budget, _make(direction, share))
    return limiter


def _make(direction: Direction, units_per_second: float) -> Limiter:
    if math.isinf(units_per_second):
        return UnlimitedLimiter()
    burst = burst_units(direction, units_per_second)
    return TokenBucket(units_per_second, burst, SystemClock())
