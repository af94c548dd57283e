"""The seed post's jobs, as the examples have them, run on an embedded engine.

Each job file is run as it stands; only the endpoint is said beside it. Tables have the
names that the files say, in an engine of the module's own.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine, MotoEngine

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("eu-west-1", "testtable")
WEST = ("us-west-2", "kgpai.uswest.test")
EAST = ("us-east-1", "kgpai.useast.test")
ITEMS = 40

Items = dict[str, dict[str, Any]]


def make_item(number: int) -> dict[str, Any]:
    month = number % 12 + 1
    value = {"S": "unknown"} if number == 7 else {"N": str(number * 5)}
    return {
        "uuid_hash": {"S": f"hash-{number:04}"},
        "day": {"S": f"2013-{month:02}-17"},
        "name": {"S": "IAH"},
        "value": value,
        "tags": {"SS": ["x", "y"]},
    }


SEED: Items = {f"hash-{n:04}": make_item(n) for n in range(ITEMS)}
SUMMER = {key: item for key, item in SEED.items() if item["day"]["S"] >= "2013-06-01"}


@pytest.fixture
def tables(tmp_path, monkeypatch) -> Iterator[Engine]:
    """The three tables; the source has 40 items, Virginia is provisioned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HASH_KEY", "a key of a test")
    with MotoEngine() as engine:
        for region, name in (SOURCE, WEST, EAST):
            billing: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
            if region == EAST[0]:
                units = {"ReadCapacityUnits": 100, "WriteCapacityUnits": 100}
                billing = {"ProvisionedThroughput": units}
            engine.dynamodb(region).create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "uuid_hash", "KeyType": "HASH"}],
                AttributeDefinitions=[
                    {"AttributeName": "uuid_hash", "AttributeType": "S"}
                ],
                **billing,
            )
        client = engine.dynamodb(SOURCE[0])
        for item in SEED.values():
            client.put_item(TableName=SOURCE[1], Item=item)
        yield engine


def items_of(engine: Engine, table: tuple[str, str]) -> Items:
    found = engine.dynamodb(table[0]).scan(TableName=table[1])["Items"]
    return {item["uuid_hash"]["S"]: dict(item) for item in found}


class Job(NamedTuple):
    """One example: its file, its exit code, and what the targets must hold then."""

    file: str
    code: int
    check: Callable[[Engine], None]


def whole_copy(engine: Engine) -> None:
    assert items_of(engine, WEST) == SEED


def multi_insert(engine: Engine) -> None:
    assert items_of(engine, EAST) == SEED
    late = {k: i for k, i in SUMMER.items() if float(i["value"].get("N", 0)) > 60}
    assert items_of(engine, WEST) == {
        key: {
            "uuid_hash": item["uuid_hash"],
            "day": item["day"],
            "name": item["name"],
            "minutes_late": item["value"],
        }
        for key, item in late.items()
    }


def schemaful(engine: Engine) -> None:
    fitting = {key: item for key, item in SUMMER.items() if "N" in item["value"]}
    assert len(fitting) == len(SUMMER) - 1  # the one whose value is no number
    found = items_of(engine, WEST)
    assert found.keys() == fitting.keys()
    for key, item in found.items():
        assert item.keys() == {"uuid_hash", "day", "name", "minutes_late"}
        assert item["minutes_late"] == SEED[key]["value"]


def throughput(engine: Engine) -> None:
    assert items_of(engine, WEST) == items_of(engine, EAST) == SEED
    table = engine.dynamodb(EAST[0]).describe_table(TableName=EAST[1])["Table"]
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 100


def masked(engine: Engine) -> None:
    found = items_of(engine, EAST)
    assert 0 < len(found) < ITEMS
    for key, item in found.items():
        assert len(key) == 64
        assert item["name"] == {"S": "**H"}
        assert item["day"]["S"].endswith("-01")
        assert "value" not in item


JOBS = [
    Job("one_region.yaml", 0, whole_copy),
    Job("two_regions.yaml", 0, multi_insert),
    Job("schemaful.yaml", 1, schemaful),
    Job("throughput.yaml", 0, throughput),
    Job("masked.yaml", 0, masked),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.file)
def test_a_job_does_what_it_says(tables, job):
    path = str(ROOT / "examples" / job.file)
    endpoint = tables.endpoint_url(SOURCE[0])
    assert run(["copy", "--job", path, "--endpoint", endpoint]) == job.code
    job.check(tables)


def test_a_job_can_be_planned(tables, capsys):
    path = str(ROOT / "examples" / "two_regions.yaml")
    endpoint = tables.endpoint_url(SOURCE[0])
    assert run(["plan", "copy", "--job", path, "--endpoint", endpoint]) == 0
    assert f"read: {ITEMS} items" in capsys.readouterr().out
    assert items_of(tables, WEST) == items_of(tables, EAST) == {}


def test_old_partitions_are_kept_as_files(tables, tmp_path):
    path = str(ROOT / "examples" / "old_partitions.yaml")
    words = ["--endpoint", tables.endpoint_url(SOURCE[0]), "--to", str(tmp_path)]
    assert run(["backup", "--job", path, *words]) == 0
    lines = [
        json.loads(line)
        for file in tmp_path.rglob("data/*.json.gz")
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    kept = {line["Item"]["uuid_hash"]["S"] for line in lines}
    assert kept == SEED.keys() - SUMMER.keys()


def test_a_query_joins_tables_of_two_regions(tables, tmp_path):
    for region, name, items in (
        (
            "eu-west-1",
            "orders",
            [("o1", "c1", "10"), ("o2", "c1", "5"), ("o3", "c2", "1")],
        ),
        ("us-east-1", "customers", [("c1", "NO"), ("c2", "IN")]),
    ):
        client = tables.dynamodb(region)
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for id_, *rest in items:
            item: dict[str, Any] = {"id": {"S": id_}}
            if name == "orders":
                item |= {"customer": {"S": rest[0]}, "total": {"N": rest[1]}}
            else:
                item["country"] = {"S": rest[0]}
            client.put_item(TableName=name, Item=item)
    path = str(ROOT / "examples" / "query.yaml")
    endpoint = tables.endpoint_url("eu-west-1")
    assert run(["query", "--job", path, "--endpoint", endpoint]) == 0
    rows = (tmp_path / "totals.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[:2] for row in rows] == [
        ["country", "orders"],
        ["NO", "2"],
        ["IN", "1"],
    ]


def test_every_copy_among_the_examples_is_run_here():
    texts = {
        path.name: path.read_text(encoding="utf-8")
        for path in (ROOT / "examples").glob("*.yaml")
    }
    copies = {name for name, text in texts.items() if "beam-dynamodb copy" in text}
    # The export is run by tests/pipelines/test_copy_via_export.py, which has a service.
    assert copies == {job.file for job in JOBS} | {"via_export.yaml"}
