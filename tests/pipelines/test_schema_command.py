"""``beam-dynamodb schema``, and a copy by the job file that it writes."""

import json
from typing import Any

import pytest
import yaml

from pipelines.commands import run
from tests.support.engines import make_table, unique_name

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
WEST = "us-west-2"


def make_item(number: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": {"S": "big" if number < 20 else f"i{number}"},
        "n": {"N": str(number)},
        "mixed": {"S": "x"} if number % 2 else {"N": "1"},
    }
    if number % 4 == 0:
        item["text"] = {"S": "é" * 50}
    return item


@pytest.fixture
def source(moto, tmp_path, monkeypatch):
    """40 items, half of them of one partition; one is near 400 KB."""
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, REGION, unique_name(), "id", "n:N")
    client = moto.dynamodb(REGION)
    for number in range(40):
        client.put_item(TableName=name, Item=make_item(number))
    large = make_item(99) | {"text": {"S": "x" * 350_000}}
    client.put_item(TableName=name, Item=large)
    return name


def schema_words(moto, source, *words):
    endpoint = moto.endpoint_url(REGION)
    return ["schema", f"{REGION}/{source}", "--endpoint", endpoint, *words]


def test_it_prints_types_presence_sizes_and_what_is_large(moto, source, capsys):
    assert run(schema_words(moto, source, "--sample", "5000", "--show-keys")) == 0
    out = capsys.readouterr().out
    assert "41 items, all items" in out
    assert "mixed  S 21, N 20" in out
    assert "text   S                      26.8%" in out
    assert "1 items are above 300 KB" in out
    out = out.replace(" ", "")  # a key is shown as it came, with its spaces
    assert 'key{"id":{"S":"i99"}}:1items,350,' in out
    assert 'key{"id":{"S":"big"}}:20items' in out


def test_as_json_it_has_the_same_figures(moto, source, capsys):
    assert run(schema_words(moto, source, "--json")) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["items"] == 41
    assert schema["is_whole"]
    assert schema["items_near_400_kb"] == 1
    names = [each["name"] for each in schema["attributes"]]
    assert names == ["id", "n", "mixed", "text"]
    by_name = {each["name"]: each for each in schema["attributes"]}
    assert by_name["mixed"]["types"] == {"S": 21, "N": 20}
    assert by_name["text"]["present"] == 11


def test_a_sample_is_about_as_large_as_asked(moto, source, capsys):
    assert run(schema_words(moto, source, "--json", "--sample", "16")) == 0
    assert 1 <= json.loads(capsys.readouterr().out)["items"] <= 16


def test_its_job_file_copies_the_table(moto, source, capsys, tmp_path):
    path = tmp_path / "job.yaml"
    assert run(schema_words(moto, source, "--job-file", str(path))) == 0
    job = yaml.safe_load(path.read_text(encoding="utf-8"))
    (target,) = job["to"]
    assert target["columns"]["n"] == {"as": "n", "type": "N"}
    assert target["columns"]["mixed"] == "mixed"
    name = make_table(moto, WEST, unique_name(), "id", "n:N")
    target["to"] = f"{WEST}/{name}"
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    words = ["copy", "--job", str(path), "--endpoint", moto.endpoint_url(REGION)]
    assert run(words) == 0
    assert moto.dynamodb(WEST).scan(TableName=name)["Count"] == 41
    assert run(schema_words(moto, source, "--job-file", str(path))) == 2
    assert "is there; name another" in capsys.readouterr().err


def test_misfits_are_rejected_or_null_as_chosen(moto, source, capsys):
    endpoint = moto.endpoint_url(REGION)
    head = ["copy", "--source", f"{REGION}/{source}", "--endpoint", endpoint]
    for misfit, code in (("reject", 1), ("null", 0), ("keep", 0)):
        name = make_table(moto, WEST, unique_name(), "id", "n:N")
        columns = ["--columns", "id,n,mixed:m:N", "--misfit", misfit]
        assert run([*head, "--to", f"{WEST}/{name}", *columns]) == code
        items = moto.dynamodb(WEST).scan(TableName=name)["Items"]
        kinds = {next(iter(item["m"])) for item in items}
        expected = {"reject": {"N"}, "null": {"N", "NULL"}, "keep": {"N", "S"}}
        assert kinds == expected[misfit]
    assert "types: mixed N; what does not fit: keep" in capsys.readouterr().out


def test_an_empty_table_has_no_schema(moto, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, REGION, unique_name(), "id")
    assert run(schema_words(moto, name)) == 2
    assert "has no items" in capsys.readouterr().err
