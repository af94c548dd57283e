"""Requests are paid for by what items cost, and cut to what may be spent at once."""

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_table import DECODER, FakeTable
from tests.support.faulty_proxy.recording import worst_window
from transforms.batch_writer import BatchWriter
from transforms.dynamodb.event_loop import LoopThread
from transforms.throttle.clock import HeldClock
from transforms.throttle.token_bucket import TokenBucket
from transforms.write_cost import WriteCost, cost_of


@pytest.fixture(scope="module")
def worker():
    thread = LoopThread("write-cost-test")
    yield thread
    thread.close()


class BillingTable(FakeTable):
    """Takes every item, and bills a unit a begun KiB, times `factor`."""

    def __init__(self, clock: HeldClock, factor: float = 1.0) -> None:
        super().__init__()
        self.clock = clock
        self.factor = factor
        self.bills: list[tuple[float, float, int]] = []  # (when, units, items)

    async def call(self, operation, body, *, meter=None):
        at = self.clock.monotonic()
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        await self.clock.sleep(0.02)
        self.in_flight -= 1
        (entries,) = json.loads(body)["RequestItems"].values()
        items = [entry["PutRequest"]["Item"] for entry in entries]
        units = sum(self.price(item) for item in items)
        self.bills.append((at, units, len(items)))
        consumed = [{"TableName": "tbl", "CapacityUnits": units}]
        reply = {"UnprocessedItems": {}, "ConsumedCapacity": consumed}
        return json.dumps(reply).encode()

    def price(self, item) -> float:
        size = len(json.dumps(item, separators=(",", ":")))
        return self.factor * math.ceil(size / 1024)


def item_of(number: int, size_bytes: int) -> bytes:
    return b'{"id":{"S":"%d"},"text":{"S":"%s"}}' % (number, b"x" * size_bytes)


def write_all(worker, sizes, rate, *, factor=1.0, submission=50) -> BillingTable:
    clock = HeldClock(auto_advance=True)
    table = BillingTable(clock, factor)
    writer = BatchWriter(
        table,
        TokenBucket(rate, rate, clock),
        worker.loop,
        clock=clock,
        rng=random.Random(1),
        keys=DECODER,
        keys_unique=True,
    )
    items = [item_of(number, size) for number, size in enumerate(sizes)]
    for start in range(0, len(items), submission):
        writer.submit(items[start : start + submission], start)
    writer.drain()
    assert sum(count for _, _, count in table.bills) == len(sizes)
    return table


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([10, 900, 3000, 40_000, 390_000]), max_size=80),
    st.sampled_from([5.0, 100.0, 3000.0]),
)
def test_no_request_costs_more_than_a_second_of_the_rate_or_an_item(
    worker, sizes, rate
):
    table = write_all(worker, sizes, rate)
    largest = max([table.price({"text": {"S": "x" * s}}) for s in sizes], default=0) + 1
    for _, units, items in table.bills:
        assert items == 1 or units <= max(rate, largest) + items
    spent = [(at, units) for at, units, _ in table.bills]
    assert worst_window(spent, 10) <= 10 * rate + 2 * max(rate, largest)


@pytest.mark.parametrize("factor", [1.0, 7.0, 100.0])
def test_what_an_index_adds_is_known_after_one_request(worker, factor):
    table = write_all(worker, [100] * 400, 50 * factor, factor=factor)
    first, *others = table.bills
    assert all(at >= first[0] + 0.02 for at, _, _ in others)  # it went alone
    spent = [(at, units) for at, units, _ in table.bills]
    assert worst_window(spent, 1) <= 2 * 50 * factor + first[1]
    assert worst_window(spent, 10) <= 10 * 50 * factor + 50 * factor + first[1]


def test_the_rate_is_used_whole_when_it_is_known_what_items_cost(worker):
    table = write_all(worker, [100] * 3000, 500, factor=10)
    began, ended = table.bills[0][0], table.bills[-1][0]
    units = sum(units for _, units, _ in table.bills[1:])
    assert units / (ended - began) == pytest.approx(500, rel=0.01)


def test_a_table_whose_bills_say_nothing_is_written_with_all_lanes(worker):
    table = write_all(worker, [100] * 3000, 1e9, factor=0.0)
    assert table.peak_in_flight > 1


def test_a_first_bill_counts_whole_and_the_next_an_eighth():
    cost = WriteCost()
    assert not cost.is_known
    cost.learn(100, 10, 0)
    assert (cost.is_known, cost.of(1, 0)) == (True, 10)
    cost.learn(20, 1, 0)
    assert cost.of(1, 0) == 11.25


@given(st.floats(0.1, 1e5), st.integers(1, 25), st.integers(0, 400_000))
def test_what_is_affordable_is_at_least_one_item_and_never_more_than_paid_for(
    units, items, size_bytes
):
    cost = WriteCost()
    count = cost.affordable(units, items, size_bytes)
    assert 1 <= count <= items
    if count > 1:
        assert cost.of(items, size_bytes) * count / items <= units * (1 + 1e-9)


def test_writers_of_one_limiter_share_what_they_know():
    limiter = TokenBucket(5, 5, HeldClock())
    cost_of(limiter, "put").learn(50, 10, 0)
    assert cost_of(limiter, "put").is_known
    assert not cost_of(limiter, "delete").is_known
    assert not cost_of(TokenBucket(5, 5, HeldClock()), "put").is_known


def test_a_bill_of_no_items_teaches_nothing():
    cost = WriteCost()
    known = []
    for units, items in ((0.0, 0), (100.0, 25)):
        cost.learn(units, items, 0)
        known.append(cost.is_known)
    assert known == [False, True]
    assert cost.of(25, 0) == 100.0
