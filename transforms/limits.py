"""The limiters of this process: one for each table, direction and promise.

Every DoFn that spends the capacity of a table asks here, so that two scans of one
table in one process share one budget, whatever number of threads runs them.
"""

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from transforms.budgets import TableLimiter
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import LoopThread, worker_loop
from transforms.dynamodb.tables import IndexDescription, TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.leased_limiter import Holder, LeasedLimiter
from transforms.ledger.leases import LeaseHolder
from transforms.ledger.location import open_store
from transforms.ledger.progress import new_worker_id
from transforms.ledger.static_share import StaticShare
from transforms.pause_file import PauseFile
from transforms.promises import Capacity, TablePromise
from transforms.run_context import RunContext
from transforms.throttle.clock import SystemClock
from transforms.throttle.limiter import Limiter, UnlimitedLimiter
from transforms.throttle.rate import Rate
from transforms.throttle.schedule import Schedule
from transforms.throttle.token_bucket import TokenBucket

__all__ = ["Direction", "budget_name", "capacity_of", "capacity_units", "limiter_for"]

Direction = Literal["read", "write"]

_LEDGER_SECONDS = 3.0  # a lease is renewed three times: a call must not take all

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
    new table starts with. A global index that reports neither has its table's.
    """
    if table.billing_mode == "UNKNOWN":
        return 0.0
    is_read = direction == "read"
    owner = index if index is not None and index.kind == "GSI" else table
    if table.billing_mode == "PROVISIONED":
        return owner.read_units if is_read else owner.write_units
    return _reported(owner, direction) or (
        _reported(table, direction) or _ON_DEMAND_START[direction]
    )


def _reported(
    described: TableDescription | IndexDescription, direction: Direction
) -> float:
    """What is said of a table or an index on demand; 0 if nothing is."""
    if direction == "read":
        return described.max_read_units or described.warm_read_units or 0.0
    return described.max_write_units or described.warm_write_units or 0.0


def capacity_of(
    table: TableDescription,
    direction: Direction,
    index: IndexDescription | None = None,
) -> Capacity:
    """The same, with what it is for people."""
    unit = "RCU" if direction == "read" else "WCU"
    units = capacity_units(table, direction, index)
    if table.billing_mode == "UNKNOWN":
        return Capacity(units, f"a number of {unit} that may not be asked")
    if table.billing_mode == "PROVISIONED":
        return Capacity(units, f"{units:,.6g} provisioned {unit}")
    has_own = index is not None and index.kind == "GSI" and _reported(index, direction)
    owner = index if index is not None and has_own else table
    if owner.max_read_units if direction == "read" else owner.max_write_units:
        return Capacity(units, f"{units:,.6g} {unit}, the on-demand maximum")
    if _reported(owner, direction):
        return Capacity(units, f"{units:,.6g} {unit} of warm throughput")
    what = f"{units:,.6g} {unit}, what a new on-demand table starts with (and growing)"
    return Capacity(units, what, may_grow=True)


@dataclass(frozen=True, slots=True)
class _Key:
    table: TableRef
    direction: Direction
    index: str | None
    run: RunContext
    rate: Rate
    worker: LoopThread  # a forked process has a loop, and so limiters, of its own


_limiters: dict[_Key, Limiter] = {}


def limiter_for(
    table: TableRef,
    direction: Direction,
    rate: Rate,
    capacity: float | TableDescription | None,
    *,
    index: str | None = None,
    run: RunContext | None = None,
    transport: TransportConfig | None = None,
) -> Limiter:
    """The process's limiter for a table, made when first asked for.

    Args:
        table: whose capacity is spent.
        direction: reads and writes have capacities of their own.
        rate: the promise to the table's owner, for all workers together.
        capacity: the table as it was described: a percentage is of its capacity,
            and its global indexes pay for their part of a write themselves. Or what
            100 % is, if that is all that is known; None with an absolute rate.
        index: a global secondary index that is read, which has its own capacity.
        run: tells where the workers share the rate. Runs that follow each other in
            one process share nothing.
        transport: how to ask the table for its capacity again.

    Raises:
        RateError: a percentage of a capacity that is not known.
    """
    run = run or _NO_RUN
    key = _Key(table, direction, index, run, rate, worker_loop())
    limiter = _limiters.get(key)
    if limiter is None:
        described = capacity if isinstance(capacity, TableDescription) else None
        made = _Maker(key, transport, described, capacity).table_limiter()
        limiter = _limiters.setdefault(key, made)
    return limiter


_NO_RUN = RunContext("")


class _Maker:
    """Makes the limiters of one table and direction."""

    def __init__(
        self,
        key: _Key,
        transport: TransportConfig | None,
        described: TableDescription | None,
        capacity: float | TableDescription | None,
    ) -> None:
        self._key = key
        self._transport = transport
        self._described = described
        self._units = 0.0 if isinstance(capacity, TableDescription) else capacity or 0.0
        self._clock = SystemClock()

    def table_limiter(self) -> Limiter:
        if self._key.rate.kind == "unlimited" and not self._key.run.pause_file:
            return UnlimitedLimiter()
        gate = PauseFile(self._key.run.pause_file, self._clock)
        own = self._limiter(self._key.index)
        return TableLimiter(own, self._index_limiters(), gate)

    def _index_limiters(self) -> dict[str, Limiter]:
        """Of a write: global indexes pay apart, if it is known what they can pay."""
        table, rate = self._described, self._key.rate
        if self._key.direction == "read" or table is None or rate.kind == "unlimited":
            return {}
        return {
            index.name: self._limiter(index.name)
            for index in table.indexes
            if index.kind == "GSI" and (index.write_units or _reported(index, "write"))
        }

    def _limiter(self, index: str | None) -> Limiter:
        key, run = self._key, self._key.run
        if key.rate.kind == "unlimited":
            return UnlimitedLimiter()
        rng = random.Random()  # noqa: S311 (spreads requests, keeps no secret)
        capacity = self._capacity(self._described, index)
        promise = TablePromise(
            self._rate(index, capacity),
            capacity,
            self._measurer(index),
            clock=self._clock,
            rng=rng,
            schedule=Schedule.parse(run.rate_schedule) if run.rate_schedule else None,
        )
        bucket = TokenBucket.without_lease(self._clock)
        promise.is_throttled = lambda: bucket.is_throttled
        name = budget_name(key.direction, key.table, index)
        promise.first(name)  # a rate that can't be worked out is said here

        def make_holder(bucket: TokenBucket) -> Holder:
            if run.ledger is None:
                return StaticShare(name, bucket, promise, run.workers, self._clock)
            return LeaseHolder(
                open_store(run.ledger, timeout_seconds=_LEDGER_SECONDS),
                run.run_id,
                name,
                bucket,
                promise,
                worker_id=new_worker_id(),
                clock=self._clock,
                rng=rng,
                epoch=run.epoch,
            )

        return LeasedLimiter(bucket, make_holder)

    def _rate(self, index: str | None, capacity: Capacity) -> Rate:
        """An index gets the part of its capacity that the table's rate is of its."""
        rate, table = self._key.rate, self._described
        if rate.kind == "percent" or index == self._key.index or table is None:
            return rate
        share = rate.value / (capacity_units(table, self._key.direction) or math.inf)
        return Rate.units(max(share, 1e-6) * capacity.units)

    def _capacity(self, table: TableDescription | None, index: str | None) -> Capacity:
        if table is None:
            return Capacity(self._units, f"{self._units:,.6g} units/s")
        by_name = {one.name: one for one in table.indexes}
        return capacity_of(table, self._key.direction, by_name.get(index or ""))

    def _measurer(self, index: str | None) -> Callable[[], Awaitable[Capacity]] | None:
        if self._transport is None:
            return None
        client = client_for(self._key.table, self._transport)

        async def measure() -> Capacity:
            return self._capacity(await client.describe_table(), index)

        return measure


def budget_name(direction: Direction, table: TableRef, index: str | None) -> str:
    """Returns what a budget is called in the ledger and by `beam-dynamodb rate`.

    >>> budget_name("write", TableRef("birds", "us-west-2"), None)
    'write us-west-2/birds'
    """
    name = f"{direction} {table.display}"
    return name if index is None else f"{name} index {index}"
