"""Items that gave way: counted, reported as ties, and kept where that is asked for."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]


def an_item(key: str, at: int, **more: Any) -> dict[str, Any]:
    return {"id": {"S": key}, "at": {"N": str(at)}, **more}


ITEMS = [an_item(key, 5) for key in ("new", "newer", "older", "tie", "same")]
STORED = [
    an_item("newer", 4),
    an_item("older", 6),
    an_item("tie", 5, v={"S": "another"}),
    an_item("same", 5),
]


@pytest.fixture
def words(
    dynoxide: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.chdir(tmp_path)
    source = make_table(dynoxide, "eu-west-1", unique_name(), "id")
    target = make_table(dynoxide, "us-west-2", unique_name(), "id")
    for region, name, items in (
        ("eu-west-1", source, ITEMS),
        ("us-west-2", target, STORED),
    ):
        for item in items:
            dynoxide.dynamodb(region).put_item(TableName=name, Item=item)
    words = ["copy", "--source", f"eu-west-1/{source}", "--run-dir", "kept"]
    words += ["--source-endpoint", dynoxide.endpoint_url("eu-west-1")]
    words += ["--to", f"us-west-2/{target}", "--name", "west"]
    return [*words, "--endpoint", dynoxide.endpoint_url("us-west-2")]


def kept_lines() -> list[dict[str, Any]]:
    files = Path("kept/superseded/west").glob("*.jsonl.gz")
    return [
        json.loads(line)
        for file in files
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def keeping(words: list[str]) -> list[str]:
    place = words.index("--to")
    return [*words[:place], "--keep-superseded", *words[place:]]


def test_what_a_newer_item_won_against_is_kept_with_its_reason(words, capsys):
    assert run([*keeping(words), "--mode", "newer", "--newer-by", "at"]) == 0
    lines = {line["item"]["id"]["S"]: line for line in kept_lines()}
    reasons = {key: line["reason"].partition(":")[0] for key, line in lines.items()}
    assert reasons == {"older": "Older", "tie": "Tie"}
    assert lines["older"]["item"] == an_item("older", 5)
    said = capsys.readouterr().out
    assert "superseded items are kept in" in said
    assert "  west: Older 1, such as key " in said
    assert "west: 1 superseded items are ties" in said
    account = said.splitlines()[-1]
    assert account == "items: scanned 5; west: written 3, superseded 2"


def test_what_was_there_first_is_kept_under_if_absent(words):
    assert run([*keeping(words), "--mode", "if-absent"]) == 0
    assert {line["reason"].partition(":")[0] for line in kept_lines()} == {"Exists"}
    assert len(kept_lines()) == 3  # the same item is its own, and counts as written


def test_without_being_asked_nothing_is_kept_and_ties_are_said_all_the_same(
    words, capsys
):
    assert run([*words, "--mode", "newer", "--newer-by", "at"]) == 0
    assert not Path("kept/superseded").exists()
    assert "west: 1 superseded items are ties" in capsys.readouterr().out


def test_of_items_that_a_mapping_gives_one_key_the_earlier_ones_are_kept(words, capsys):
    place = words.index("--to")
    one_page = [*words[:place], "--segments", "1", *words[place:]]
    assert run([*keeping(one_page), "--map", "'all' AS id, at, id AS was"]) == 0
    lines = kept_lines()
    assert {line["reason"].partition(":")[0] for line in lines} == {"Duplicate"}
    assert len({line["item"]["was"]["S"] for line in lines}) == 4
    account = capsys.readouterr().out.splitlines()[-1]
    assert account == "items: scanned 5; west: written 1, superseded 4"
