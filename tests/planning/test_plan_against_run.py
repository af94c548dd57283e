"""What a plan says against what the run then took: within 5 %."""

import json
import random
from typing import Any

import pytest

from pipelines.commands import run
from tests.support.engines import make_table, unique_name
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.progress import read_progress
from transforms.ledger.store import RUNS

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
WEST = "us-west-2"
ITEMS = 2_500
WITHIN = 0.05


def make_item(number: int, rng: random.Random) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "text": {"S": "x" * rng.randint(10, 3_000)},
    }
    if number % 3:
        item["day"] = {"S": f"2013-06-{number % 28 + 1:02}"}
    return item


@pytest.fixture(scope="module")
def source(dynoxide):
    rng = random.Random(5)
    name = make_table(dynoxide, REGION, unique_name("seeded"), "id")
    client = dynoxide.dynamodb(REGION)
    for start in range(0, ITEMS, 25):
        puts: list[Any] = [
            {"PutRequest": {"Item": make_item(number, rng)}}
            for number in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={name: puts})
    return name


def make_indexed(engine) -> str:
    name = unique_name("indexed")
    keys = [("id", "HASH", "S")]
    engine.dynamodb(WEST).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": n, "KeyType": k} for n, k, _ in keys],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "day", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["n"],
                },
            },
            {
                "IndexName": "whole-by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
    )
    return name


def words_for(engine, source, target, *words):
    return [
        "copy",
        *("--source", f"{REGION}/{source}"),
        *("--source-endpoint", engine.endpoint_url(REGION)),
        *("--to", f"{WEST}/{target}", "--name", "west"),
        *("--endpoint", engine.endpoint_url(WEST)),
        *words,
    ]


def planned(words, capsys):
    capsys.readouterr()
    assert run(["plan", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def consumed(words, folder):
    folder.mkdir()
    ledger = f"sqlite:{folder}/ledger.sqlite"
    assert run([*words, "--run-dir", str(folder / "run"), "--ledger", ledger]) == 0
    store = open_store(LedgerLocation.parse(ledger))
    (run_row,) = store.rows(RUNS)
    return read_progress(store, run_row.sort)


@pytest.mark.parametrize(
    "case",
    [
        ([], "5000"),
        (["--filter", "n >= 1000"], "1200"),
        (
            ["--map", "concat(id, '!') AS id, day, n, substring(text, 1, 900) AS t"],
            "1200",
        ),
        (["--filter", "id IN ('item-1', 'item-2', 'item-7')"], "100"),
        (["--consistent"], "1200"),
    ],
    ids=["whole", "filtered", "mapped", "queried", "consistent"],
)
def test_a_run_takes_what_its_plan_said(dynoxide, source, tmp_path, capsys, case):
    words, sample = case
    target = make_indexed(dynoxide)
    copy = words_for(dynoxide, source, target, *words)
    plan = planned([*copy, "--estimate-by", sample], capsys)
    took = consumed(copy, tmp_path / "kept")
    (route,) = plan["routes"]
    assert plan["source"]["items"] == pytest.approx(took["scanned"], rel=WITHIN)
    assert plan["source"]["read_units"] == pytest.approx(
        took["read_units"], rel=WITHIN, abs=1
    )
    assert route["items"] == pytest.approx(took["written/west"], rel=WITHIN)
    assert route["write_units"] == pytest.approx(took["write_units/west"], rel=WITHIN)
