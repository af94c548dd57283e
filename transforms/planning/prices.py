"""What units and transfer cost: by the Price List API, else a dated table.

Price List API --reachable?--> Prices, of today
prices.json    --else-------> Prices, of the day that the file names
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import msgspec

__all__ = ["Prices", "RegionPrices", "current_prices", "dated_prices", "read_cost"]

_MILLION = 1e6
_GIGABYTE = 1e9

# The Price List API answers in this region for all (API_pricing_GetProducts).
_PRICING_REGION = "us-east-1"
_REACH = botocore.config.Config(
    connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}
)


@dataclass(frozen=True, slots=True)
class RegionPrices:
    """One region's, in US dollars, Standard table class.

    Attributes:
        read: of a million read request units on demand.
        write: of a million write request units on demand.
        transfer: of a gigabyte to another region; None if not known.
    """

    read: float
    write: float
    transfer: float | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices, and of when they are.

    Attributes:
        date: YYYY-MM-DD.
        source: where they are from.
        regions: by region's name.
    """

    date: str
    source: str
    regions: Mapping[str, RegionPrices]

    def reads(self, region: str, units: float) -> float | None:
        """What units read on demand cost; None if the region has no price here."""
        prices = self.regions.get(region)
        return None if prices is None else units / _MILLION * prices.read

    def writes(self, region: str, units: float) -> float | None:
        """What units written on demand cost; None if the region has no price here."""
        prices = self.regions.get(region)
        return None if prices is None else units / _MILLION * prices.write

    def transfer(self, region: str, to: str, size_bytes: float) -> float | None:
        """What leaves a region for another costs; 0 within a region."""
        if region == to:
            return 0.0
        prices = self.regions.get(region)
        if prices is None or prices.transfer is None:
            return None
        return size_bytes / _GIGABYTE * prices.transfer


@functools.cache
def dated_prices() -> Prices:
    """Returns the table that comes with this package."""
    text = resources.files(__package__).joinpath("prices.json").read_bytes()
    table = msgspec.json.decode(text)
    regions = {
        name: RegionPrices(each["read"], each["write"], each["transfer"])
        for name, each in table["regions"].items()
    }
    return Prices(table["date"], "the table in beam-dynamodb", regions)


def current_prices(regions: Iterable[str], client: Any = None) -> Prices:
    """Returns today's prices of some regions where the Price List API is reached.

    The dated table otherwise, and for what the API does not tell (transfer).

    Args:
        regions: which.
        client: boto3's of the service "pricing"; made if it is None.
    """
    dated = dated_prices()
    try:
        asked = client or boto3.client("pricing", _PRICING_REGION, config=_REACH)
        found = {region: _ask(asked, region) for region in regions}
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        return dated
    known = {
        region: RegionPrices(
            units["ReadRequestUnits"],
            units["WriteRequestUnits"],
            dated.regions[region].transfer if region in dated.regions else None,
        )
        for region, (units, _) in found.items()
        if len(units) == len(_GROUPS)
    }
    if not known:
        return dated
    date = max(date for _, date in found.values())
    return Prices(date, "the Price List API", {**dated.regions, **known})


def read_cost(region: str, units: float) -> float | None:
    """What units read on demand cost, by the dated table; None if not known."""
    return dated_prices().reads(region, units)


_GROUPS = {"DDB-ReadUnits": "ReadRequestUnits", "DDB-WriteUnits": "WriteRequestUnits"}


def _ask(client: Any, region: str) -> tuple[dict[str, float], str]:
    """Returns dollars for a million units by kind, and the list's date."""
    units: dict[str, float] = {}
    date = ""
    for group, kind in _GROUPS.items():
        fields = {
            "regionCode": region,
            "group": group,
            "productFamily": "Amazon DynamoDB PayPerRequest Throughput",
        }
        reply = client.get_products(
            ServiceCode="AmazonDynamoDB",
            Filters=[
                {"Type": "TERM_MATCH", "Field": field, "Value": value}
                for field, value in fields.items()
            ],
        )
        for text in reply["PriceList"]:
            product = msgspec.json.decode(text)
            date = max(date, product.get("publicationDate", "")[:10])
            units[kind] = _dollars(product) * _MILLION
    return units, date


def _dollars(product: Mapping[str, Any]) -> float:
    """The last tier's price of a unit: the first one may be the free tier."""
    (term,) = product["terms"]["OnDemand"].values()
    return max(
        float(each["pricePerUnit"]["USD"]) for each in term["priceDimensions"].values()
    )
