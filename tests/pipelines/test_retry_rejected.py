"""Rejected items: kept by page, counted by reason, bounded, and written again."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.item_faults import MAX_ITEM_BYTES
from transforms.reject_limit import RejectLimit

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

GOOD, BAD = 300, 5
LONGER = "data" * 50


@pytest.fixture
def words(
    dynoxide: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """A copy whose longer names make five of the items too large."""
    monkeypatch.chdir(tmp_path)
    source = make_table(dynoxide, "eu-west-1", unique_name(), "id")
    target = make_table(dynoxide, "us-west-2", unique_name(), "id")
    client = dynoxide.dynamodb("eu-west-1")
    for number in range(GOOD + BAD):
        item: dict[str, Any] = {"id": {"S": f"{number}"}}
        if number >= GOOD:
            item["data"] = {"S": "x" * (MAX_ITEM_BYTES - 100)}
        client.put_item(TableName=source, Item=item)
    words = ["copy", "--source", f"eu-west-1/{source}", "--run-dir", "kept"]
    words += ["--source-endpoint", dynoxide.endpoint_url("eu-west-1")]
    words += ["--to", f"us-west-2/{target}", "--name", "west"]
    words += ["--columns", f"id,data:{LONGER}"]
    return [*words, "--endpoint", dynoxide.endpoint_url("us-west-2")]


def count(engine: Engine, words: list[str]) -> int:
    name = words[words.index("--to") + 1].partition("/")[2]
    pages = engine.dynamodb("us-west-2").get_paginator("scan").paginate(TableName=name)
    return sum(page["Count"] for page in pages)


def correct(path: Path) -> None:
    """What a person does with a file of rejected items."""
    lines = [
        json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    for number, line in enumerate(lines):
        line["item"][LONGER] = {"S": f"corrected {number}"}
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()))


def test_rejected_items_are_counted_by_reason_and_written_when_corrected(
    dynoxide, words, capsys
):
    assert run(words) == 1
    printed = capsys.readouterr().out
    assert f"west: ItemTooLarge {BAD}" in printed
    assert printed.splitlines()[-1].endswith(f"west: written {GOOD}, rejected {BAD}")
    assert run(["retry-rejected", "kept"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"items: retried {BAD}; rejected {BAD}"
    for path in Path("kept/rejected/west").iterdir():
        correct(path)
    assert run(["retry-rejected", "kept"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"items: retried {BAD}; written {BAD}"
    assert count(dynoxide, words) == GOOD + BAD
    assert run(["retry-rejected", "kept"]) == 0
    assert "nothing to retry" in capsys.readouterr().out


@pytest.mark.parametrize(("limit", "code"), [("5", 1), ("4", 3), ("2%", 1), ("1%", 3)])
def test_too_many_rejected_items_fail_the_job(words, capsys, limit, code):
    assert run([*words, "--max-rejected", limit]) == code
    if code == 3:
        assert "--max-rejected" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", "101%", "5 items"])
def test_a_limit_that_is_none_is_refused(text):
    with pytest.raises(UserError):
        RejectLimit.parse(text)


def test_a_percentage_is_judged_when_enough_was_scanned():
    limit = RejectLimit.parse("10%")
    limit.check(rejected=5, scanned=10)
    with pytest.raises(Exception, match="5 of 10 items"):
        limit.check(rejected=5, scanned=10, is_final=True)


def test_a_run_that_is_not_there_can_not_be_retried(words, capsys):
    assert run(["retry-rejected", "no-such-run"]) == 2
    assert run(["retry-rejected"]) == 2
    assert "name" in capsys.readouterr().err


RUNS_WITHOUT_A_RETRY = {
    "backup": (
        ["--format", "parquet", "--schema", "id:number"],
        "ran is the run of a backup: what it rejected does not fit the schema",
    ),
    "restore": ([], "nothing can be done with that run; run its command again"),
}


@pytest.mark.parametrize("command", RUNS_WITHOUT_A_RETRY)
def test_the_run_of_another_command_is_refused_with_what_to_do(
    dynoxide, words, capsys, command
):
    region, _, source = words[words.index("--source") + 1].partition("/")
    endpoint = ["--endpoint", dynoxide.endpoint_url("eu-west-1")]
    place = ["--source", f"{region}/{source}", "--to", "kept", *endpoint]
    form, said = RUNS_WITHOUT_A_RETRY[command]
    other = ["backup", *place, *form, "--run-dir", "ran"]
    if command == "restore":
        assert run(["backup", *place, "--run-dir", "backup-ran"]) == 0
        target = make_table(dynoxide, "eu-west-1", unique_name(), "id")
        other = ["restore", "--backup", "kept", "--to", f"{region}/{target}"]
        other += [*endpoint, "--columns", f"id,data:{LONGER}", "--run-dir", "ran"]
    assert run(other) == 1
    capsys.readouterr()
    assert run(["retry-rejected", "ran"]) == 2
    assert said in capsys.readouterr().err
