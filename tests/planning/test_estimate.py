"""What a copy takes by a sample, and what to be careful of."""

import dataclasses
from typing import Any

import pytest

from tests.planning.test_plan import describe
from transforms.dynamodb.tables import (
    IndexDescription,
    KeyAttribute,
    KeySchema,
    TableRef,
)
from transforms.items import Item
from transforms.planning.capacity import PlannedRate
from transforms.planning.cautions import cautions
from transforms.planning.estimate import Estimate, estimate_copy
from transforms.planning.plan import CopyPlan, CopyRequest, PlannedRoute
from transforms.planning.samples import Sample
from transforms.routes import Route
from transforms.throttle.rate import Rate

KEYS = KeySchema(KeyAttribute("uuid_hash", "S"))
BY_DAY = IndexDescription(
    "by-day", "GSI", KeySchema(KeyAttribute("day", "S")), "KEYS_ONLY", 5, 5
)


def plan(write: float = 100.0, **changes: Any) -> CopyPlan:
    route = Route(
        name="west", target=TableRef("target", "us-west-2"), write=Rate.units(write)
    )
    target = describe(indexes=changes.pop("indexes", ()), item_count=0)
    return CopyPlan(
        request=CopyRequest(
            source=TableRef("source", "eu-west-1"),
            read=Rate.units(10),
            routes=(route,),
            **changes,
        ),
        source=describe(),
        index=None,
        read=PlannedRate(10.0, "as given"),
        segments=16,
        splits=1,
        routes=(PlannedRoute(route, target, PlannedRate(write, "as given")),),
    )


def sample(*items: dict[str, Any], is_whole: bool = False) -> Sample:
    wires = [Item.from_attributes(each).wire for each in items]
    return Sample(wires, 1.0, is_whole)


def items(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"uuid_hash": f"{number:05}", **more} for number in range(count)]


def estimated(plan: CopyPlan, sampled: Sample) -> Estimate:
    return estimate_copy(plan, sampled)


def test_a_sample_is_scaled_to_the_tables_own_count():
    estimate = estimated(plan(), sample(*items(50)))
    assert estimate.items == 5_000
    assert estimate.routes[0].items == 5_000
    assert estimate.routes[0].units == 5_000
    assert estimate.routes[0].seconds == 50.0
    assert estimate.seconds == 50.0


def test_a_sample_that_is_the_whole_table_is_its_count():
    estimate = estimated(plan(), sample(*items(50), is_whole=True))
    assert (estimate.items, estimate.is_exact) == (50, True)


def test_an_empty_table_takes_nothing():
    estimate = estimated(plan(), sample(is_whole=True))
    assert (estimate.items, estimate.read_units, estimate.routes[0].units) == (0, 0, 0)


def test_a_limit_bounds_what_is_read():
    assert estimated(plan(limit=7), sample(*items(50))).items == 7


@pytest.mark.parametrize(("size", "units"), [(900, 1), (1_100, 2), (3_000, 3)])
def test_a_write_unit_is_a_kilobyte_begun(size, units):
    estimate = estimated(
        plan(), sample(*items(10, text="x" * (size - 25)), is_whole=True)
    )
    assert estimate.routes[0].units == 10 * units


def test_an_index_costs_what_is_in_it():
    indexed = plan(indexes=(BY_DAY,))
    mixed = items(10, day="2013-06-01", text="x" * 3_000)
    mixed += [{"uuid_hash": "no day"}, {"uuid_hash": "number", "day": 1}]
    estimate = estimated(indexed, sample(*mixed, is_whole=True))
    assert estimate.routes[0].index_units == {"by-day": 10}


def test_consistent_reads_cost_twice():
    once = estimated(plan(), sample(*items(50))).read_units
    twice = estimated(plan(consistent=True), sample(*items(50))).read_units
    assert twice == pytest.approx(2 * once)


def test_a_secret_is_not_needed_to_estimate_a_hash():
    hashing = plan()
    (planned,) = hashing.routes
    route = dataclasses.replace(
        planned.route,
        mapping="hash(uuid_hash) AS uuid_hash",
        hash_key="env:NOT_THERE_AT_ALL",
    )
    hashing = dataclasses.replace(
        hashing, routes=(dataclasses.replace(planned, route=route),)
    )
    assert estimated(hashing, sample(*items(5))).routes[0].items == 5_000


# --- warnings -------------------------------------------------------------------------


def warnings(plan: CopyPlan, sampled: Sample, *with_items: str) -> str:
    return "\n".join(cautions(plan, estimated(plan, sampled), with_items))


def test_a_copy_without_a_fault_has_no_warning():
    assert not warnings(plan(), sample(*items(200)))


def test_a_rate_that_needs_more_than_a_day_is_told():
    slow = warnings(plan(write=0.01), sample(*items(50)))
    assert "writing west takes 139 hours at this rate" in slow


def test_a_rate_above_the_capacity_is_told():
    above = warnings(plan(write=900.0), sample(*items(50)))
    assert "route west: the rate of 900 units/s is more than the 500" in above


def test_an_index_that_will_throttle_is_told():
    dated = items(200, day="2013-06-01")
    text = warnings(plan(indexes=(BY_DAY,)), sample(*dated))
    assert "index by-day has 5 WCU and needs 50 at this rate" in text


def test_a_hot_key_is_told():
    hot = [{"uuid_hash": "one"} for _ in range(100)] + items(100)
    text = warnings(plan(write=400_000.0), sample(*hot))
    assert "one value of uuid_hash takes 50% of the writes" in text
    assert "keep the rate below 1,990 units/s" not in text
    assert "keep the rate below 2,000 units/s" in text


def test_a_target_that_is_not_empty_is_told():
    text = warnings(plan(), sample(*items(50)), "west")
    assert "us-west-2/target is not empty" in text
    assert "--mode overwrite" in text
