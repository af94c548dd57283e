"""The process's limiters, and what 100 % of a table is."""

import math
from dataclasses import replace
from typing import Any

import pytest

from transforms.dynamodb.tables import (
    IndexDescription,
    KeyAttribute,
    KeySchema,
    TableDescription,
    TableRef,
)
from transforms.limits import burst_units, capacity_units, limiter_for
from transforms.throttle.limiter import UnlimitedLimiter
from transforms.throttle.rate import Rate, RateError
from transforms.throttle.token_bucket import TokenBucket

BIRDS = TableRef("birds", "eu-west-1")
KEYS = KeySchema(KeyAttribute("id", "S"))
PROVISIONED = TableDescription(
    name="birds",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/birds",
    table_id="",
    status="ACTIVE",
    keys=KEYS,
    item_count=0,
    size_bytes=0,
    billing_mode="PROVISIONED",
    read_units=100,
    write_units=50,
    max_read_units=None,
    max_write_units=None,
    warm_read_units=None,
    warm_write_units=None,
    indexes=(),
)
ON_DEMAND = replace(
    PROVISIONED, billing_mode="PAY_PER_REQUEST", read_units=0, write_units=0
)


def an_index(kind) -> IndexDescription:
    return IndexDescription("by_day", kind, KEYS, "ALL", 7, 5)


class TestLimiters:
    def test_two_scans_of_a_table_share_a_limiter(self):
        one = limiter_for(BIRDS, "read", Rate.percent(50), 100)
        assert limiter_for(BIRDS, "read", Rate.units(50), None) is one

    @pytest.mark.parametrize(
        "change",
        [
            {"direction": "write"},
            {"rate": Rate.percent(40)},
            {"index": "by_day"},
            {"run_id": "another"},
            {"table": TableRef("bees", "eu-west-1")},
            {"table": TableRef("birds", "us-west-2")},
        ],
        ids=["direction", "rate", "index", "run", "table", "region"],
    )
    def test_what_has_a_budget_of_its_own_has_a_limiter_of_its_own(self, change):
        asked: dict[str, Any] = {
            "table": BIRDS,
            "direction": "read",
            "rate": Rate.percent(50),
            "capacity_units": 100,
        }
        assert limiter_for(**asked) is not limiter_for(**asked | change)

    def test_workers_share_the_rate_evenly(self):
        limiter = limiter_for(BIRDS, "read", Rate.percent(50), 1_000, workers=4)
        assert isinstance(limiter, TokenBucket)
        assert limiter.rate_per_second == 125

    def test_an_unlimited_rate_has_no_limit(self):
        limiter = limiter_for(BIRDS, "read", Rate.unlimited(), None)
        assert isinstance(limiter, UnlimitedLimiter)

    def test_a_percentage_of_nothing_known_is_refused(self):
        with pytest.raises(RateError, match="give an absolute rate"):
            limiter_for(BIRDS, "read", Rate.percent(50), None)

    def test_the_burst_is_a_second_of_the_rate_or_the_largest_item(self):
        assert burst_units("read", 5_000) == 5_000
        assert burst_units("read", 5) == 100
        assert burst_units("write", 5) == 400


class TestCapacity:
    @pytest.mark.parametrize(
        ("table", "read", "write"),
        [
            pytest.param(PROVISIONED, 100, 50, id="provisioned"),
            pytest.param(ON_DEMAND, 12_000, 4_000, id="on demand, nothing reported"),
            pytest.param(
                replace(ON_DEMAND, warm_read_units=20_000, warm_write_units=8_000),
                *(20_000, 8_000),
                id="on demand, warm",
            ),
            pytest.param(
                replace(ON_DEMAND, max_read_units=300, warm_read_units=20_000),
                *(300, 4_000),
                id="on demand, with the owner's maximum",
            ),
        ],
    )
    def test_of_a_table(self, table, read, write):
        assert capacity_units(table, "read") == read
        assert capacity_units(table, "write") == write

    def test_a_global_index_has_its_own(self):
        assert capacity_units(PROVISIONED, "read", an_index("GSI")) == 7

    def test_a_local_index_has_its_tables(self):
        assert capacity_units(PROVISIONED, "read", an_index("LSI")) == 100

    def test_it_is_finite(self):
        assert math.isfinite(capacity_units(ON_DEMAND, "read"))
