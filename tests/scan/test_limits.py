"""The process's limiters, and what 100 % of a table is."""

import math
from dataclasses import replace
from typing import Any

import pytest

from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import (
    IndexDescription,
    KeyAttribute,
    KeySchema,
    TableDescription,
    TableRef,
)
from transforms.ledger.lease_rows import read_pool
from transforms.ledger.location import LedgerLocation, open_store
from transforms.limits import capacity_of, capacity_units, limiter_for
from transforms.run_context import RunContext
from transforms.throttle.limiter import UnlimitedLimiter
from transforms.throttle.rate import Rate, RateError

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
        assert limiter_for(BIRDS, "read", Rate.percent(50), 100) is one

    @pytest.mark.parametrize(
        "change",
        [
            {"direction": "write"},
            {"rate": Rate.percent(40)},
            {"index": "by_day"},
            {"run": RunContext("another")},
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
            "capacity": 100,
        }
        assert limiter_for(**asked) is not limiter_for(**asked | change)

    def test_without_a_ledger_workers_share_the_rate_evenly(self):
        run = RunContext("evenly", workers=4)
        limiter = limiter_for(BIRDS, "read", Rate.percent(50), 1_000, run=run)
        worker_loop().run(limiter.acquire(1), timeout=30)
        assert limiter.burst_units == 125

    def test_with_a_ledger_one_worker_alone_has_all_of_it(self, tmp_path):
        ledger = LedgerLocation.in_directory(tmp_path)
        run = RunContext("leased", ledger, workers=4)
        limiter = limiter_for(BIRDS, "read", Rate.percent(50), 1_000, run=run)
        worker_loop().run(limiter.acquire(1), timeout=30)
        assert limiter.burst_units == 500
        pool = read_pool(open_store(ledger), "leased", "read eu-west-1/birds")
        assert pool is not None
        assert (pool.promise, pool.free) == (500, 0)

    def test_a_write_is_paid_by_each_global_index_too(self):
        local = replace(an_index("LSI"), name="local")
        table = replace(PROVISIONED, indexes=(an_index("GSI"), local))
        limiter = limiter_for(BIRDS, "write", Rate.percent(100), table)
        worker_loop().run(limiter.acquire(1), timeout=30)
        assert limiter.burst_units == 5  # the index's, of 50 of the table

    @pytest.mark.parametrize(("most", "warm"), [(300, None), (None, 300), (300, 900)])
    def test_an_index_on_demand_pays_if_it_says_what_it_can(self, most, warm):
        index = replace(
            an_index("GSI"), write_units=0, max_write_units=most, warm_write_units=warm
        )
        run = RunContext(f"on demand {most} {warm}")
        silent = replace(an_index("GSI"), name="silent", write_units=0)
        table = replace(ON_DEMAND, max_write_units=5_000, indexes=(index, silent))
        limiter = limiter_for(BIRDS, "write", Rate.percent(50), table, run=run)
        worker_loop().run(limiter.acquire(1), timeout=30)
        assert limiter.burst_units == 150  # half the index's, of 2,500 of the table

    def test_an_absolute_rate_is_the_same_part_of_an_index_on_demand(self):
        index = replace(an_index("GSI"), write_units=0, max_write_units=300)
        table = replace(ON_DEMAND, max_write_units=5_000, indexes=(index,))
        limiter = limiter_for(BIRDS, "write", Rate.units(1_000), table)
        worker_loop().run(limiter.acquire(1), timeout=30)
        assert limiter.burst_units == 60  # a fifth

    def test_a_table_that_may_not_be_described_takes_an_absolute_rate(self):
        table = TableDescription.undescribed(BIRDS, KEYS)
        limiter = limiter_for(BIRDS, "write", Rate.units(70), table)
        worker_loop().run(limiter.acquire(1), timeout=30)
        assert limiter.burst_units == 70
        with pytest.raises(RateError, match="give an absolute rate"):
            limiter_for(BIRDS, "write", Rate.percent(7), table)

    def test_an_unlimited_rate_has_no_limit(self):
        limiter = limiter_for(BIRDS, "read", Rate.unlimited(), None)
        assert isinstance(limiter, UnlimitedLimiter)

    def test_a_percentage_of_nothing_known_is_refused(self):
        with pytest.raises(RateError, match="give an absolute rate"):
            limiter_for(BIRDS, "read", Rate.percent(51), None)


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

    def test_a_global_index_on_demand_has_its_own_or_its_tables(self):
        index = replace(an_index("GSI"), read_units=0)
        assert capacity_units(ON_DEMAND, "read", index) == 12_000
        warm = replace(index, warm_read_units=900)
        assert capacity_units(ON_DEMAND, "read", warm) == 900
        assert "900 RCU of warm" in capacity_of(ON_DEMAND, "read", warm).what
        limited = replace(warm, max_read_units=30)
        assert capacity_units(ON_DEMAND, "read", limited) == 30

    def test_a_local_index_has_its_tables(self):
        assert capacity_units(PROVISIONED, "read", an_index("LSI")) == 100

    def test_it_is_finite(self):
        assert math.isfinite(capacity_units(ON_DEMAND, "read"))

    @pytest.mark.parametrize(
        ("table", "what"),
        [
            (PROVISIONED, "50 provisioned WCU"),
            (replace(ON_DEMAND, max_write_units=300), "300 WCU, the on-demand maximum"),
            (
                replace(ON_DEMAND, warm_write_units=8_000),
                "8,000 WCU of warm throughput",
            ),
            (ON_DEMAND, "4,000 WCU, what a new on-demand table starts with"),
        ],
        ids=["provisioned", "maximum", "warm", "new"],
    )
    def test_it_says_what_it_is(self, table, what):
        capacity = capacity_of(table, "write")
        assert capacity.what.startswith(what)
        assert capacity.may_grow == ("new" in what)
