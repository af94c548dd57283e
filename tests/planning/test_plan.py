"""What a dry run prints, and how a rate came about."""

import dataclasses
from typing import Any

import pytest

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import (
    IndexDescription,
    KeyAttribute,
    KeySchema,
    TableDescription,
    TableRef,
)
from transforms.planning.capacity import check_patience, plan_rate
from transforms.planning.plan import CopyPlan, CopyRequest, PlannedRoute
from transforms.routes import Route
from transforms.throttle.rate import Rate, RateError

KEYS = KeySchema(KeyAttribute("uuid_hash", "S"))
INDEX = IndexDescription("by-day", "GSI", KEYS, "ALL", 40, 20)


PROVISIONED = TableDescription(
    name="testtable",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/testtable",
    table_id="1",
    status="ACTIVE",
    keys=KEYS,
    item_count=5000,
    size_bytes=1_234_567,
    billing_mode="PROVISIONED",
    read_units=1000,
    write_units=500,
    max_read_units=None,
    max_write_units=None,
    warm_read_units=None,
    warm_write_units=None,
    indexes=(INDEX,),
)


def describe(**changes: Any) -> TableDescription:
    return dataclasses.replace(PROVISIONED, **changes)


ON_DEMAND = {"billing_mode": "PAY_PER_REQUEST", "read_units": 0, "write_units": 0}


@pytest.mark.parametrize(
    ("rate", "changes", "direction", "index", "line"),
    [
        (
            Rate.percent(10),
            {},
            "read",
            None,
            "10% of 1,000 provisioned RCU = 100 units/s",
        ),
        (
            Rate.percent(50),
            {},
            "write",
            None,
            "50% of 500 provisioned WCU = 250 units/s",
        ),
        (
            Rate.percent(50),
            {},
            "read",
            INDEX,
            "50% of 40 provisioned RCU = 20 units/s",
        ),
        (
            Rate.percent(50),
            ON_DEMAND | {"warm_read_units": 15000},
            "read",
            None,
            "50% of 15,000 RCU of warm throughput = 7,500 units/s",
        ),
        (
            Rate.percent(50),
            ON_DEMAND,
            "write",
            None,
            (
                "50% of 4,000 WCU, what a new on-demand table starts with "
                "(and growing) = 2,000 units/s"
            ),
        ),
        (Rate.units(500), {}, "read", None, "as given = 500 units/s"),
        (Rate.unlimited(), {}, "read", None, "as fast as the service allows"),
    ],
)
def test_a_rate_is_planned_with_its_reason(rate, changes, direction, index, line):
    planned = plan_rate(rate, describe(**changes), direction, index)
    assert str(planned) == line
    assert planned.rate.units_per_second(None) == planned.units_per_second


def test_a_percentage_of_nothing_is_refused():
    with pytest.raises(RateError, match="give an absolute rate"):
        plan_rate(Rate.percent(50), describe(read_units=0), "read")


def test_a_plan_shows_both_ends_with_keys_rates_and_what_is_kept():
    source = describe()
    route = Route(
        name="oregon",
        target=TableRef("kgpai.uswest.test", "us-west-2"),
        columns={"uuid_hash": "uuid_hash", "day": "when"},
        write=Rate.percent(40),
    )
    target = describe(item_count=0, size_bytes=0)
    plan = CopyPlan(
        request=CopyRequest(
            source=TableRef("testtable", "eu-west-1"),
            read=Rate.percent(10),
            routes=(route,),
            filter="day >= '2013-06-01'",
            workers=2,
        ),
        source=source,
        index=None,
        read=plan_rate(Rate.percent(10), source, "read"),
        segments=16,
        splits=8,
        routes=(PlannedRoute(route, target, plan_rate(route.write, target, "write")),),
    )
    assert plan.lines() == [
        "read eu-west-1/testtable",
        "  table: about 5,000 items, 1.2 MB",
        "  keys: partition key uuid_hash (S)",
        "  rate: 10% of 1,000 provisioned RCU = 100 units/s, shared by 2 workers",
        "  segments: 16, eventually consistent reads",
        "  filter: day >= '2013-06-01'",
        "overwrite as oregon: us-west-2/kgpai.uswest.test",
        "  table: about 0 items, 0.0 MB",
        "  keys: partition key uuid_hash (S)",
        "  rate: 40% of 500 provisioned WCU = 200 units/s",
        "  columns: uuid_hash, day:when",
    ]
    assert plan.routes[0].at_rate.write == Rate.units(200)


@pytest.mark.parametrize(
    "changes",
    [{}, ON_DEMAND | {"max_write_units": 500}],
    ids=["provisioned", "maximum"],
)
def test_a_figure_beyond_what_a_table_can_ever_pay_is_refused(changes):
    table = describe(**changes)
    assert plan_rate(Rate.units(750), table, "write").units_per_second == 750
    with pytest.raises(RateError, match=r"751 units/s is more than 150 % .* most 750"):
        plan_rate(Rate.units(751), table, "write")


def test_a_figure_may_be_above_what_a_new_on_demand_table_starts_with():
    table = describe(**ON_DEMAND)
    assert plan_rate(Rate.units(50_000), table, "write").units_per_second == 50_000


def test_a_scan_of_more_than_a_week_is_refused_with_its_time():
    table = describe(size_bytes=10**12)
    read = plan_rate(Rate.units(100), table, "read")
    with pytest.raises(UserError, match=r"about 14 days at 100 units/s.*--yes"):
        check_patience(table, read, consistent=False)
    fast = plan_rate(Rate.units(500), table, "read")
    check_patience(table, fast, consistent=True)
    check_patience(table, plan_rate(Rate.unlimited(), table, "read"), consistent=True)
