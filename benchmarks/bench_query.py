"""What a query costs: scan-to-Arrow an item, and a join with GROUP BY against pandas.

    python -m benchmarks.bench_query [--items N …]      writes build/bench-query.json
    python -m benchmarks.bench_query --write-page       puts it into docs/query.md

Both contenders read the same two tables of a dynoxide, each in a process of its own,
whose CPU, wall time and peak memory the kernel accounts. Ours runs the command; the
other pages through boto3's scan into pandas frames, as people do it by hand.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import Cost, run
from benchmarks.results import fill_page
from pipelines.demo.engines import DynoxideEngine
from tests.support.engines import make_table
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.operations import batch_put_body
from transforms.dynamodb.tables import TableRef
from transforms.query.columns import ColumnDecoder
from transforms.query.schema import parse_schema

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "build" / "bench-query.json"
PAGE = ROOT / "docs" / "query.md"
SIZES = (20_000, 200_000)
ROWS = ("beam-dynamodb query", "boto3 and pandas")
PAGE_ITEMS = 1_000
ROUNDS = 7
SQL = (
    "SELECT c.country, count(*) AS n, sum(o.total) AS total FROM orders o "
    "JOIN customers c ON c.id = o.customer WHERE o.total > 20 GROUP BY c.country"
)
ORDERS = "id VARCHAR, customer VARCHAR, day VARCHAR, total DOUBLE"
CUSTOMERS = "id VARCHAR, country VARCHAR"

PANDAS = """
import sys, boto3, pandas
from decimal import Decimal
def frame(region, endpoint, table):
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    service = boto3.resource(
        "dynamodb", region_name=region, endpoint_url=endpoint, **keys
    )
    client = service.Table(table)
    items, start = [], {}
    while True:
        page = client.scan(**start)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return pandas.DataFrame(items)
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
orders = frame("eu-west-1", sys.argv[1], "orders")
customers = frame("us-east-1", sys.argv[2], "customers")
orders["total"] = orders["total"].astype(float)
joined = orders[orders.total > 20].merge(customers, left_on="customer", right_on="id")
print(joined.groupby("country").total.agg(["count", "sum"]).to_csv())
"""


def order(number: int) -> bytes:
    return msgspec.json.encode(
        {
            "id": {"S": f"{number:032x}"},
            "customer": {"S": f"c{number % 1000}"},
            "day": {"S": f"2013-06-{1 + number % 28:02}"},
            "total": {"N": str(number % 500 / 4)},
            "note": {"S": "x" * 60},
        }
    )


def customer(number: int) -> bytes:
    item = {"id": {"S": f"c{number}"}, "country": {"S": f"country {number % 40}"}}
    return msgspec.json.encode(item)


async def fill(table: TableRef, make: Callable[[int], bytes], count: int) -> None:
    client = client_for(table)
    for start in range(0, count, 25):
        items = [make(number) for number in range(start, min(start + 25, count))]
        await client.call("BatchWriteItem", batch_put_body(table.name, items))


def scan_to_arrow() -> dict[str, float]:
    """CPU µs an item of the decoder alone, best of some rounds."""
    wires = [msgspec.Raw(order(number)) for number in range(50_000)]
    pages = [
        wires[start : start + PAGE_ITEMS] for start in range(0, len(wires), PAGE_ITEMS)
    ]
    found = {}
    for name, schema in (
        ("four columns, DOUBLE", ORDERS),
        ("four columns, DECIMAL", ORDERS.replace("DOUBLE", "DECIMAL(38,2)")),
        ("one column", "total DOUBLE"),
    ):
        decoder = ColumnDecoder("orders", parse_schema(schema))
        found[name] = (
            min(once(decoder, pages) for _ in range(ROUNDS)) / len(wires) * 1e6
        )
    return found


def once(decoder: ColumnDecoder, pages: list[list[msgspec.Raw]]) -> float:
    started = time.process_time()
    rows = sum(decoder.decode(page).batch.num_rows for page in pages)
    assert rows == sum(map(len, pages))
    return time.process_time() - started


def contenders(engine: Any) -> dict[str, Cost]:
    east, west = engine.endpoint_url("us-east-1"), engine.endpoint_url("eu-west-1")
    ours = [sys.executable, "-m", "pipelines", "query", SQL, "--read-units"]
    result = str(REPORT.with_name("bench-query.csv"))
    ours += ["unlimited", "--out", "csv", "--to", result]
    ours += ["--table", "orders=eu-west-1/orders", "--schema", ORDERS]
    ours += ["--endpoint", west]
    ours += ["--table", "customers=us-east-1/customers", "--schema", CUSTOMERS]
    ours += ["--endpoint", east]
    theirs = [sys.executable, "-c", PANDAS, west, east]
    environment = {**os.environ, **engine.environment()}
    return dict(
        zip(ROWS, (run(ours, environment), run(theirs, environment)), strict=True)
    )


def query_of(items: int) -> dict[str, Any]:
    """The join over so many orders, by both."""
    found: dict[str, Any] = {"items": items}
    with DynoxideEngine(["eu-west-1", "us-east-1"]) as engine:
        for region, name, make, count in (
            ("eu-west-1", "orders", order, items),
            ("us-east-1", "customers", customer, 1_000),
        ):
            make_table(engine, region, name, "id")
            table = TableRef(name, region, engine.endpoint_url(region))
            worker_loop().run(fill(table, make, count))
        for name, cost in contenders(engine).items():
            found[name] = {
                "cpu seconds": round(cost.cpu_seconds, 2),
                "wall seconds": round(cost.wall_seconds, 2),
                "peak MB": round(cost.rss_mb),
            }
    return found


def measure(sizes: list[int]) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    report = {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "scan-to-arrow µs per item": scan_to_arrow(),
        "query": [query_of(items) for items in sizes],
    }
    REPORT.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(REPORT.read_text())


# --- the page ---


def write_page() -> None:
    """Replaces what is between the page's markers by the last run's figures."""
    fill_page(PAGE, lines(json.loads(REPORT.read_text())))


def lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"Measured on {report['date']}, {report['machine']}, start-up included:"
    yield ""
    yield "| join of two tables with GROUP BY | items | CPU | wall | peak memory |"
    yield "|---|---|---|---|---|"
    for row in report["query"]:
        for name in ROWS:
            cost = row[name]
            yield (
                f"| {name} | {row['items']:,} | {cost['cpu seconds']:.1f} s | "
                f"{cost['wall seconds']:.1f} s | {cost['peak MB']:,} MB |"
            )
    yield ""
    if len(report["query"]) > 1:
        ours, theirs = (f"{per_item(report, name):.1f}" for name in ROWS)
        yield f"Each further item takes {ours} µs of CPU, and {theirs} µs with pandas."
    decoded = report["scan-to-arrow µs per item"].items()
    columns = ", ".join(f"{cost:.1f} µs for {what}" for what, cost in decoded)
    yield f"To make Arrow columns of an item of 210 bytes takes {columns}."


def per_item(report: dict[str, Any], name: str) -> float:
    """µs of CPU an item, between the smallest size and the largest."""
    first, last = report["query"][0], report["query"][-1]
    seconds = last[name]["cpu seconds"] - first[name]["cpu seconds"]
    return float(seconds / (last["items"] - first["items"]) * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write-page", action="store_true")
    said = parser.parse_args()
    if said.write_page:
        write_page()
    else:
        measure(list(said.items))


if __name__ == "__main__":
    main()
