"""Mappings, samples, limits and expired items in a copy, end to end."""

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from tests.support.engines import make_table, unique_name
from transforms.throttle.clock import SystemClock

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
WEST = "us-west-2"
ITEMS = 60


def make_item(number: int) -> dict[str, Any]:
    expiry = SystemClock().wall() + (-1000 if number % 3 == 0 else 1000)
    item: dict[str, Any] = {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "tags": {"SS": ["x", "y"]},
        "expires": {"N": str(int(expiry))},
    }
    if number % 10 == 0:
        item["tags"] = {"S": "none"}
    return item


@pytest.fixture
def source(moto, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, REGION, unique_name(), "id")
    client = moto.dynamodb(REGION)
    for start in range(0, ITEMS, 20):
        puts: list[Any] = [
            {"PutRequest": {"Item": make_item(number)}}
            for number in range(start, start + 20)
        ]
        client.batch_write_item(RequestItems={name: puts})
    return name


def copied(moto, source, target, *words):
    endpoint = moto.endpoint_url(REGION)
    head = ["copy", "--source", f"{REGION}/{source}", "--endpoint", endpoint]
    before = list(words[: words.index("--")]) if "--" in words else []
    after = list(words[words.index("--") + 1 :]) if "--" in words else list(words)
    return run([*head, *before, "--to", f"{WEST}/{target}", *after])


def keys_in(moto, name):
    items = moto.dynamodb(WEST).scan(TableName=name)["Items"]
    return {item["id"]["S"] for item in items}


def test_a_mapping_fans_out_skips_rejects_and_the_account_balances(
    moto, source, capsys
):
    target = make_table(moto, WEST, unique_name(), "id")
    mapping = "FOR tag IN tags, concat(id, '#', tag) AS id, n, SKIP IF n < 5"
    assert copied(moto, source, target, "--map", mapping) == 1
    # 60 items; 6 have no set of tags, 4 of the others are small.
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        f"items: scanned 60; {WEST}: written 100, skipped 4, rejected 6, "
        "of these fanned out 50"
    )
    assert keys_in(moto, target) == {
        f"item-{n}#{tag}" for n in range(5, ITEMS) if n % 10 for tag in "xy"
    }
    kept = list(Path(".beam-dynamodb/runs").glob("*/rejected/**/*.jsonl.gz"))
    files = (gzip.decompress(each.read_bytes()) for each in kept)
    lines = [line for text in files for line in text.decode().splitlines()]
    assert len(lines) == 6
    assert "mapping: FOR tag takes L, SS, NS or BS, got S" in lines[0]


def test_a_rekeyed_table_keeps_the_last_of_one_key(moto, source, capsys):
    target = make_table(moto, WEST, unique_name(), "id")
    assert copied(moto, source, target, "--map", "'one' AS id, n") == 0
    assert keys_in(moto, target) == {"one"}
    # Items that are on their way at once are compared; a later one is a write.
    last = capsys.readouterr().out.splitlines()[-1]
    written, superseded = map(int, re.findall(r"(?:written|superseded) (\d+)", last))
    assert written + superseded == ITEMS


def test_a_hash_has_its_key_from_the_environment(moto, source, monkeypatch, capsys):
    target = make_table(moto, WEST, unique_name(), "id")
    words = ["--map", "hash(id) AS id, n", "--hash-key", "env:F_TEST_KEY"]
    monkeypatch.setitem(os.environ, "F_TEST_KEY", "not to be said")
    assert copied(moto, source, target, *words) == 0
    assert {len(key) for key in keys_in(moto, target)} == {64}
    assert "not to be said" not in capsys.readouterr().out


def test_a_python_function_is_a_mapping(moto, source):
    target = make_table(moto, WEST, unique_name(), "id")
    function = "tests.mapping.functions_for_tests:add_region"
    assert copied(moto, source, target, "--map", function) == 0
    items = moto.dynamodb(WEST).scan(TableName=target)["Items"]
    assert {item["region"]["S"] for item in items} == {"eu"}
    assert len(items) == ITEMS


def test_a_sample_is_the_same_in_every_run_and_part_of_a_larger_one(moto, source):
    names = [make_table(moto, WEST, unique_name(), "id") for _ in range(3)]
    for name, sample in zip(names, ("30%", "30%", "60%"), strict=True):
        assert copied(moto, source, name, "--sample", sample, "--") == 0
    first, again, larger = (keys_in(moto, name) for name in names)
    assert first == again
    assert first < larger
    assert 5 <= len(first) <= 35


def test_a_limit_reads_that_many_items(moto, source, capsys):
    target = make_table(moto, WEST, unique_name(), "id")
    words = ("--limit", "17", "--page-limit", "7", "--")
    assert copied(moto, source, target, *words) == 0
    assert len(keys_in(moto, target)) == 17
    *_, remark, last = capsys.readouterr().out.splitlines()
    assert last == f"items: scanned 17; {WEST}: written 17"
    assert remark.startswith("counts are approximate: without receipts in a ledger")
    (directory,) = Path(".beam-dynamodb/runs").iterdir()
    assert run(["copy", "--resume", str(directory)]) == 2
    assert "wrote no receipts" in capsys.readouterr().err


def test_expired_items_are_skipped_where_that_is_asked_for(moto, source, capsys):
    target = make_table(moto, WEST, unique_name(), "id")
    moto.dynamodb(REGION).update_time_to_live(
        TableName=source,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    assert copied(moto, source, target, "--expired", "skip", "--") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"items: scanned 60; {WEST}: written 40, skipped 20"


def test_skipping_expired_items_needs_a_time_to_live(moto, source, capsys):
    target = make_table(moto, WEST, unique_name(), "id")
    assert copied(moto, source, target, "--expired", "skip", "--") == 2
    assert "has no time to live" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("n AS id", "cast it"),
        ("n", "the mapping makes no 'id', the partition key"),
        ("hash(id) AS id", "hash needs a key; say where it is"),
        ("id, nonsense(n) AS x", "there is no function nonsense"),
        ("no.module:f", "cannot be imported"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_before_a_write(
    moto, source, capsys, mapping, message
):
    target = make_table(moto, WEST, unique_name(), "id")
    if mapping == "n AS id":
        source = make_table(moto, REGION, unique_name(), "n:N")
    assert copied(moto, source, target, "--map", mapping) == 2
    assert message in capsys.readouterr().err


def test_columns_and_a_mapping_do_not_go_together(moto, source, capsys):
    target = make_table(moto, WEST, unique_name(), "id")
    assert copied(moto, source, target, "--map", "*", "--columns", "id") == 2
    assert "both columns and a mapping" in capsys.readouterr().err
