"""Prices: the dated table, the Price List API in its place, and what is not known."""

import json
import re
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.stub import Stubber

from transforms.planning.prices import (
    RegionPrices,
    current_prices,
    dated_prices,
    read_cost,
)


def product(dollars: str, free_tier: bool = False) -> str:
    tiers: dict[str, Any] = {"r.1": {"pricePerUnit": {"USD": dollars}}}
    if free_tier:
        tiers["r.0"] = {"pricePerUnit": {"USD": "0.0000000000"}}
    return json.dumps(
        {
            "publicationDate": "2026-11-20T00:00:00Z",
            "terms": {"OnDemand": {"t": {"priceDimensions": tiers}}},
        }
    )


@pytest.fixture
def client():
    return boto3.client(
        "pricing", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def test_the_table_has_a_date_and_a_source():
    prices = dated_prices()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", prices.date)
    assert "table" in prices.source


def test_units_cost_by_the_million_and_transfer_by_the_gigabyte():
    prices = dated_prices()
    assert prices.reads("us-east-1", 8e6) == pytest.approx(1.0)
    assert prices.writes("us-east-1", 2e6) == pytest.approx(1.25)
    assert prices.transfer("us-east-1", "eu-west-1", 5e9) == pytest.approx(0.10)
    assert prices.transfer("us-east-1", "us-east-1", 5e9) == 0
    assert read_cost("us-east-1", 8e6) == pytest.approx(1.0)


def test_a_region_without_a_price_costs_nobody_knows_what():
    prices = dated_prices()
    assert prices.reads("xx-nowhere-1", 1) is None
    assert prices.writes("xx-nowhere-1", 1) is None
    assert prices.transfer("xx-nowhere-1", "us-east-1", 1) is None


def test_the_price_list_takes_the_tables_place_where_it_is_reached(client):
    with Stubber(client) as stub:
        for listed in (product("0.00000015", free_tier=True), product("0.0000008")):
            stub.add_response("get_products", {"PriceList": [listed]})
        prices = current_prices(["eu-west-1"], client)
    assert prices.date == "2026-11-20"
    assert prices.source == "the Price List API"
    found = prices.regions["eu-west-1"]
    assert found.read == pytest.approx(0.15)
    assert found.write == pytest.approx(0.8)
    assert found.transfer == dated_prices().regions["eu-west-1"].transfer
    assert isinstance(prices.regions["us-east-1"], RegionPrices)


def test_the_dated_table_serves_where_the_price_list_is_not_reached(client):
    with Stubber(client) as stub:
        stub.add_client_error("get_products", "AccessDeniedException")
        assert current_prices(["eu-west-1"], client) is dated_prices()


def test_the_dated_table_serves_without_credentials(monkeypatch):
    def fail(*_arguments: object, **_options: object) -> None:
        raise botocore.exceptions.NoCredentialsError

    monkeypatch.setattr("transforms.planning.prices.boto3.client", fail)
    assert current_prices(["eu-west-1"]) is dated_prices()


def test_the_dated_table_serves_for_a_region_that_the_price_list_lacks(client):
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("get_products", {"PriceList": []})
        assert current_prices(["eu-west-1"], client) is dated_prices()
