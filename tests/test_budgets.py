"""A request is charged to the table and to each index, and learns how much."""

import asyncio

import pytest

from transforms.budgets import TableLimiter
from transforms.dynamodb.capacity import ConsumedCapacity
from transforms.dynamodb.errors import (
    ConditionFailedError,
    ConnectionLostError,
    JobStoppedError,
    ThrottledError,
)
from transforms.spending import Spending
from transforms.throttle.clock import HeldClock
from transforms.throttle.token_bucket import TokenBucket


class Gate:
    """Is passed at once, unless it is shut: then after a wait of three seconds."""

    is_open = True

    def may_pass(self) -> bool:
        return self.is_open

    async def wait(self) -> float:
        self.is_open = True
        return 3.0


class Budgets:
    """A table of 100 units, an index of 10, and a clock that moves while they wait."""

    def __init__(self) -> None:
        self.clock = HeldClock(auto_advance=True)
        self.table = TokenBucket(100, 100, self.clock)
        self.index = TokenBucket(10, 10, self.clock)
        self.gate = Gate()
        self.limiter = TableLimiter(self.table, {"by_day": self.index}, self.gate)

    async def write(self, estimate: float, *, table: float, index: float) -> None:
        spending = Spending(self.limiter, estimate)
        await spending.again()
        parts = (("by_day", index),)
        spending.settle(ConsumedCapacity(table + index, table, parts))


def test_the_tightest_budget_holds_the_writes_back():
    async def scenario() -> None:
        budgets = Budgets()
        for _ in range(20):
            await budgets.write(10, table=10, index=10)
        assert budgets.clock.monotonic() == pytest.approx(19, abs=0.5)

    asyncio.run(scenario())


def test_an_index_that_few_items_are_in_is_asked_for_less_and_less():
    async def scenario() -> None:
        budgets = Budgets()
        for _ in range(200):
            await budgets.write(10, table=10, index=0)
        began = budgets.clock.monotonic()
        for _ in range(100):
            await budgets.write(10, table=10, index=0)
        assert budgets.clock.monotonic() - began == pytest.approx(10, abs=0.5)
        assert budgets.limiter.burst_units == 100

    asyncio.run(scenario())


def test_many_in_flight_are_settled_as_they_were_reserved_whatever_was_learnt():
    async def scenario() -> None:
        budgets = Budgets()
        taken = [Spending(budgets.limiter, 1) for _ in range(8)]
        for spending in taken:
            await spending.again()
        for spending in taken:
            spending.settle(ConsumedCapacity(1.0, 1.0, (("by_day", 0.0),)))
        assert budgets.index.spent_units == pytest.approx(0)
        assert budgets.table.spent_units == pytest.approx(8)

    asyncio.run(scenario())


def test_the_units_of_a_local_index_are_the_tables():
    consumed = ConsumedCapacity(7.0, 3.0, (("local", 2.0), ("by_day", 2.0)))
    assert Budgets().limiter.own_units(consumed) == 5


@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (ThrottledError("slow down", "ThrottlingException"), 0),
        (ConnectionLostError("no answer"), 10),
    ],
    ids=["refused", "no answer"],
)
def test_a_try_that_failed_is_charged_unless_it_was_refused(error, spent):
    async def scenario() -> None:
        budgets = Budgets()
        spending = Spending(budgets.limiter, 10)
        await spending.again()
        spending.failed(error)
        assert budgets.table.spent_units == spent
        assert budgets.table.is_throttled == (spent == 0)
        await spending.again()
        spending.settle(4.0)
        assert budgets.table.spent_units == spent + 4

    asyncio.run(scenario())


def test_what_is_refused_for_good_is_given_back_and_a_failed_condition_is_not():
    async def scenario() -> None:
        budgets = Budgets()
        for error in (JobStoppedError("no"), ConditionFailedError("false", "")):
            spending = Spending(budgets.limiter, 10)
            await spending.again()
            spending.give_up(error)
        assert budgets.table.spent_units == 10

    asyncio.run(scenario())


@pytest.mark.parametrize("empty", ["table", "index", "gate"])
def test_at_once_takes_from_every_budget_or_from_none(empty):
    budgets = Budgets()
    if empty == "table":
        assert budgets.table.take_at_once(95)
    elif empty == "index":
        assert budgets.index.take_at_once(5)
    else:
        budgets.gate.is_open = False
    before = budgets.table.spent_units, budgets.index.spent_units
    assert not Spending(budgets.limiter, 10).at_once()
    assert (budgets.table.spent_units, budgets.index.spent_units) == before


def test_at_once_is_settled_like_any_other_try():
    budgets = Budgets()
    spending = Spending(budgets.limiter, 10)
    assert spending.at_once()
    assert (budgets.table.spent_units, budgets.index.spent_units) == (10, 10)
    spending.settle(ConsumedCapacity(7.0, 4.0, (("by_day", 3.0),)))
    assert (budgets.table.spent_units, budgets.index.spent_units) == (4, 3)


def test_who_is_not_let_through_at_once_waits_and_the_pause_is_counted():
    async def scenario() -> None:
        budgets = Budgets()
        budgets.gate.is_open = False
        spending = Spending(budgets.limiter, 10)
        assert not spending.at_once()
        await spending.again()
        assert budgets.limiter.waited_seconds == 3
        assert budgets.table.spent_units == 10

    asyncio.run(scenario())
