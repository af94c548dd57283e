"""Table, backup on a real S3 server, table: the same by an independent digest.

BEAM_DYNAMODB_ROUND_TRIP_ITEMS sets the size, 10^5 when it is not said; with `make
round-trip` it is 10^6.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyarrow import dataset
from pyarrow.fs import S3FileSystem

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.independent_digest import independent_digest
from tests.support.s3_server import REGION, S3Server

pytestmark = [
    pytest.mark.s3,
    pytest.mark.dynoxide,
    pytest.mark.slow,
    pytest.mark.timeout(5400),
    pytest.mark.usefixtures("engine_credentials"),
]

MANY = int(os.environ.get("BEAM_DYNAMODB_ROUND_TRIP_ITEMS", "100000"))
TARGET_REGION = "us-west-2"
REPORT = Path(__file__).parents[2] / "build" / "round-trip.json"
FORMATS = {
    "dynamodb-json": ("--format", "dynamodb-json"),
    "parquet": ("--format", "parquet", "--lossless"),
}
Item = dict[str, Any]
Source = tuple[str, int, tuple[int, str]]


def nested(levels: int) -> Item:
    return {"S": "bottom"} if levels == 0 else {"L": [nested(levels - 1)]}


LIMITS: list[Item] = [
    {"S": ""},
    {"S": 'é €\U0001f40d\u0000\n"\\'},
    {"N": "9" * 38},
    {"N": "-0.00000000000000000000000000000000000001"},
    {"N": "1E-130"},
    {"N": "9.9999999999999999999999999999999999999E+125"},
    {"B": b""},
    {"B": bytes(range(256))},
    {"BOOL": True},
    {"BOOL": False},
    {"NULL": True},
    {"L": []},
    {"M": {}},
    {"SS": ["a", "b", "é"]},
    {"NS": ["1", "-1.5", "1E+100"]},
    {"BS": [b"\x00", b"\xff"]},
    {"L": [{"N": "1"}, {"S": "x"}, {"NULL": True}, {"M": {"k": {"BS": [b"x"]}}}]},
    {"M": {"": {"S": "a name of nothing"}, "k": {"M": {"k": {"NULL": True}}}}},
    nested(30),
    {"S": "x" * 390_000},
]


def items(count: int) -> Iterator[Item]:
    """As many items; the first ones hold every type at its limits."""
    for number in range(count):
        item: Item = {
            "id": {"S": f"item-{number:08}"},
            "month": {"S": f"2013-{number % 12 + 1:02}"},
            "n": {"N": str(number)},
        }
        if number < len(LIMITS):
            item["limit"] = LIMITS[number]
        yield item


def fill(engine: Engine, name: str, count: int) -> None:
    client = engine.dynamodb(REGION)
    batch: list[Any] = []
    for item in items(count):
        batch.append({"PutRequest": {"Item": item}})
        if len(batch) == 25:
            put(client, name, batch)
            batch = []
    if batch:
        put(client, name, batch)


def put(client: Any, name: str, batch: list[Any]) -> None:
    reply = client.batch_write_item(RequestItems={name: batch})
    assert not reply.get("UnprocessedItems")


@pytest.fixture(scope="module", params=[0, 1, MANY], ids="{} items".format)
def source(request: Any, dynoxide: Engine) -> Source:
    name = make_table(dynoxide, REGION, unique_name(), "id")
    fill(dynoxide, name, request.param)
    return name, request.param, digest_of(dynoxide, REGION, name, request.param)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize("form", FORMATS)
def test_a_table_comes_back_from_s3_as_it_was(dynoxide, s3_server, source, form):
    name, count, expected = source
    bucket = make_bucket(s3_server)
    began = time.process_time()
    words = ["--endpoint", dynoxide.endpoint_url(REGION), "--to", f"s3://{bucket}/b"]
    words += ["--source", f"{REGION}/{name}", "--read-units", "unlimited"]
    assert run(["backup", *words, *FORMATS[form], "--verify", *s3_server.words()]) == 0
    backed_up = time.process_time()
    target = make_table(dynoxide, TARGET_REGION, unique_name(), "id")
    words = ["--backup", f"s3://{bucket}/b", "--to", f"{TARGET_REGION}/{target}"]
    words += ["--endpoint", dynoxide.endpoint_url(TARGET_REGION)]
    words += ["--write-units", "unlimited"]
    assert run(["restore", *words, *s3_server.words()]) == 0
    restored = time.process_time()
    assert digest_of(dynoxide, TARGET_REGION, target, count) == expected
    assert expected[0] == count
    if form == "parquet":
        check_queries(s3_server, bucket, count)
    report(form, count, backed_up - began, restored - backed_up)


def digest_of(engine: Engine, region: str, name: str, count: int) -> tuple[int, str]:
    segments = 1 if count < 10_000 else 8
    return independent_digest(engine, region, name, segments=segments)


def make_bucket(server: S3Server) -> str:
    name = unique_name("bucket").replace(".", "-")
    server.client().create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name


def check_queries(server: S3Server, bucket: str, count: int) -> None:
    """DuckDB and pyarrow.dataset count and add up what Beam wrote."""
    store = S3FileSystem(
        access_key="test-access",
        secret_key="test-secret",
        endpoint_override=server.url,
        region=REGION,
    )
    listed = server.client().list_objects_v2(Bucket=bucket).get("Contents", [])
    paths = [
        f"{bucket}/{each['Key']}" for each in listed if each["Key"].endswith(".parquet")
    ]
    if not count:
        assert paths == []
        return
    table = dataset.dataset(paths, filesystem=store).to_table(columns=["id", "n"])
    total = sum(range(count))
    with duckdb.connect() as connection:
        connection.register("items", table)
        found = connection.execute("SELECT count(*), sum(n) FROM items").fetchall()
    assert found == [(count, total)]
    assert len(table) == count
    assert sum(table["n"].to_pylist()) == total


def report(
    form: str, count: int, backup_seconds: float, restore_seconds: float
) -> None:
    """Adds a row to build/round-trip.json: CPU of this process, µs an item."""
    if count < 1000:  # start-up is all there is
        return
    REPORT.parent.mkdir(exist_ok=True)
    rows = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    for what, seconds in (("backup", backup_seconds), ("restore", restore_seconds)):
        rows[f"{what}-{form}-{count}"] = {
            "items": count,
            "cpu_us_per_item": round(seconds / count * 1e6, 3),
        }
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")
