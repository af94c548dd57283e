"""``beam-dynamodb plan copy``, and a copy that minds its cost."""

import builtins
import json
import sys
from typing import Any

import pytest

from pipelines.commands import run
from tests.support.engines import make_table, unique_name

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
WEST = "us-west-2"


@pytest.fixture
def words(moto, tmp_path, monkeypatch):
    """A copy of 30 items to an empty table."""
    monkeypatch.chdir(tmp_path)
    source = make_table(moto, REGION, unique_name("source"), "id")
    target = make_table(moto, WEST, unique_name("target"), "id")
    client = moto.dynamodb(REGION)
    for number in range(30):
        item: dict[str, Any] = {"id": {"S": f"i{number}"}, "n": {"N": str(number)}}
        client.put_item(TableName=source, Item=item)
    endpoint = moto.endpoint_url(REGION)
    return [
        "copy",
        *("--source", f"{REGION}/{source}", "--endpoint", endpoint),
        *("--to", f"{WEST}/{target}", "--name", "west"),
    ]


def written(moto, words):
    target = words[words.index("--to") + 1].partition("/")[2]
    return moto.dynamodb(WEST).scan(TableName=target)["Count"]


def test_a_plan_shows_both_tables_the_estimate_and_the_cost(moto, words, capsys):
    assert run(["plan", *words, "--filter", "n >= 10"]) == 0
    out = capsys.readouterr().out
    assert "keys         partition key id (S) (all)" in out
    assert "filter: sent, n >= 10" in out
    assert "read: 30 items" in out
    assert "west: 20 items" in out
    assert "cost: $" in out
    assert "prices: of 20" in out
    assert written(moto, words) == 0


def test_a_plan_as_json_has_the_same_figures(words, capsys):
    assert run(["plan", *words, "--filter", "n >= 10", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["source"]["items"] == 30
    (route,) = plan["routes"]
    assert (route["name"], route["items"], route["write_units"]) == ("west", 20, 20)
    assert plan["estimate"]["is_exact"]
    assert len(plan["tables"]) == 2
    assert plan["warnings"] == []


def test_a_target_that_is_not_empty_is_warned_of(moto, words, capsys):
    target = words[words.index("--to") + 1].partition("/")[2]
    moto.dynamodb(WEST).put_item(TableName=target, Item={"id": {"S": "old"}})
    assert run(["plan", *words]) == 0
    assert "is not empty" in capsys.readouterr().out


@pytest.mark.parametrize("rest", [[], ["backup"], ["--source", "a/b"]])
def test_only_a_copy_can_be_planned(rest, capsys):
    assert run(["plan", *rest]) == 2
    assert "write beam-dynamodb plan copy" in capsys.readouterr().err


def test_a_copy_above_its_cost_is_refused_before_a_write(moto, words, capsys):
    head, tail = words[:5], words[5:]
    assert run([*head, "--max-cost", "0.000001", *tail]) == 2
    assert "--max-cost is $0.00" in capsys.readouterr().err
    assert written(moto, words) == 0
    assert run([*head, "--max-cost", "1", *tail]) == 0
    assert written(moto, words) == 30


@pytest.mark.parametrize("dollars", ["much", "-1", ""])
def test_a_cost_that_is_no_amount_is_refused(words, capsys, dollars):
    assert run([*words[:5], "--max-cost", dollars, *words[5:]]) == 2
    assert "give US dollars" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["y", "", "no"])
def test_a_copy_at_a_terminal_asks_first(moto, words, monkeypatch, capsys, answer):
    code, count = (0, 30) if answer == "y" else (2, 0)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda _question: answer)
    assert run(words) == code
    assert "cost: $" in capsys.readouterr().out
    assert written(moto, words) == count


def test_yes_goes_on_without_asking(moto, words, monkeypatch):
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert run([*words, "--yes"]) == 0
    assert written(moto, words) == 30
