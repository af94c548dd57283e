"""The policy of a copy names what it does, and no more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_proxy import FaultyProxy

REGIONS = ("eu-west-1", "us-west-2")
TO = ["--to", "us-west-2/orders"]
SOURCE = ["policy", "copy", "--source", "eu-west-1/orders"]


def policy(capsys: Any, *words: str) -> Any:
    assert run(words) == 0
    return json.loads(capsys.readouterr().out)


def actions(document: Any) -> set[str]:
    return {action for each in document["Statement"] for action in each["Action"]}


def test_a_plain_copy_scans_and_writes_batches(capsys):
    document = policy(capsys, *SOURCE, *TO)
    read, write = document["Statement"]
    assert read["Action"] == ["dynamodb:DescribeTable", "dynamodb:Scan"]
    assert read["Resource"] == ["arn:aws:dynamodb:eu-west-1:*:table/orders"]
    assert write["Action"] == ["dynamodb:BatchWriteItem", "dynamodb:DescribeTable"]
    assert write["Resource"] == ["arn:aws:dynamodb:us-west-2:*:table/orders"]


def test_an_account_and_an_index_make_it_narrower(capsys):
    words = ["--source-account", "123456789012", "--index", "by-day"]
    read = policy(capsys, *SOURCE, *words, *TO)["Statement"][0]
    table = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"
    assert read["Resource"] == [table, f"{table}/index/by-day"]


def test_roles_have_policies_of_their_own_and_the_caller_may_assume_them(capsys):
    role = "arn:aws:iam::123456789012:role/writer"
    policies = policy(capsys, *SOURCE, *TO, "--role", role)
    assert policies.keys() == {"caller", role}
    assert "dynamodb:BatchWriteItem" in actions(policies[role])
    assert actions(policies["caller"]) == {
        "dynamodb:DescribeTable",
        "dynamodb:Scan",
        "sts:AssumeRole",
    }


def test_a_ledger_table_is_in_it(capsys):
    document = policy(capsys, *SOURCE, "--ledger", "dynamodb:runs", *TO)
    ledger = document["Statement"][-1]
    assert ledger["Resource"] == ["arn:aws:dynamodb:eu-west-1:*:table/runs"]
    assert "dynamodb:ConditionCheckItem" in ledger["Action"]


@pytest.mark.parametrize("words", [[], ["restore"]])
def test_a_job_without_a_policy_is_refused(words, capsys):
    assert run(["policy", *words]) == 2
    assert "policy copy" in capsys.readouterr().err


@pytest.fixture
def proxy(dynoxide: Engine) -> Iterator[FaultyProxy]:
    with FaultyProxy({each: dynoxide.endpoint_url(each) for each in REGIONS}) as made:
        yield made


@pytest.mark.dynoxide
@pytest.mark.usefixtures("engine_credentials")
@pytest.mark.parametrize(
    "mode", [["overwrite"], ["if-absent"], ["newer", "--newer-by", "at"], ["merge"]]
)
def test_a_copy_asks_for_what_its_policy_names_and_nothing_else(
    dynoxide: Engine, proxy: FaultyProxy, mode, tmp_path: Path, capsys
):
    names = [make_table(dynoxide, each, unique_name(), "id") for each in REGIONS]
    client = dynoxide.dynamodb(REGIONS[0])
    for item in ({"id": {"S": "a"}}, {"id": {"S": "b"}, "at": {"N": "1"}}):
        client.put_item(TableName=names[0], Item=item)
    words = ["copy", "--source", f"{REGIONS[0]}/{names[0]}", "--endpoint", proxy.url]
    words += ["--run-dir", str(tmp_path / "run"), "--to", f"{REGIONS[1]}/{names[1]}"]
    words += ["--mode", *mode]
    allowed = actions(policy(capsys, "policy", *words))
    proxy.recording.requests.clear()
    assert run(words) == 0
    sent = {f"dynamodb:{operation}" for operation in proxy.recording.requests}
    assert sent == allowed
