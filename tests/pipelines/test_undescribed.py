"""A copy by someone who may read and write the tables, and not describe them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_proxy import FaultyProxy

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

SOURCE, TARGET = "eu-west-1", "us-west-2"
ITEMS = 40


@pytest.fixture
def proxy(dynoxide: Engine) -> Iterator[FaultyProxy]:
    """Before both regions, denying DescribeTable."""
    regions = {region: dynoxide.endpoint_url(region) for region in (SOURCE, TARGET)}
    with FaultyProxy(regions) as started:
        started.denied.add("DescribeTable")
        yield started


@pytest.fixture
def tables(dynoxide: Engine, tmp_path: Path, monkeypatch) -> tuple[str, str]:
    monkeypatch.chdir(tmp_path)
    name = make_table(dynoxide, SOURCE, unique_name(), "id")
    for number in range(ITEMS):
        item = {"id": {"S": f"{number}"}, "n": {"N": "1"}}
        dynoxide.dynamodb(SOURCE).put_item(TableName=name, Item=item)
    return name, make_table(dynoxide, TARGET, unique_name(), "id")


KEYS = ("--source-keys", "id:S", "--keys", "id:S")


def words(proxy: FaultyProxy, tables: tuple[str, str], *more: str) -> list[str]:
    source, target = tables
    ends = ["--source", f"{SOURCE}/{source}", "--endpoint", proxy.url]
    return ["copy", *ends, "--to", f"{TARGET}/{target}", *more]


def test_with_keys_and_absolute_rates_it_does_all_the_same(
    dynoxide, proxy, tables, capsys
):
    rates = ("--read-units", "500", "--write-units", "200")
    assert run(words(proxy, tables, *KEYS, *rates)) == 0
    scanned = dynoxide.dynamodb(TARGET).scan(TableName=tables[1])
    assert scanned["Count"] == ITEMS
    assert f"scanned {ITEMS}" in capsys.readouterr().out
    assert proxy.recording.requests["DescribeTable"] > 0  # it was asked, and denied


@pytest.mark.parametrize(
    ("more", "remedies"),
    [
        ((), ["dynamodb:DescribeTable", "--source-keys", "--read-units"]),
        (KEYS, ["50%", "may not be asked", "--read-units 500"]),
        (
            (*KEYS, "--read-units", "9"),
            ["50%", "may not be asked", "--write-units 500"],
        ),
        (("--source-keys", "id"), ["'id'", "id:S,day:N"]),
    ],
    ids=["nothing", "no-rates", "no-write-rate", "keys-without-types"],
)
def test_what_cannot_be_asked_is_said_with_its_remedy_before_anything_is_written(
    proxy, tables, capsys, more, remedies
):
    assert run(words(proxy, tables, *more)) == 2
    said = capsys.readouterr().err
    assert [each for each in remedies if each not in said] == []
    assert proxy.recording.requests["BatchWriteItem"] == 0


def test_a_copy_onto_itself_is_seen_where_nothing_is_described(proxy, tables, capsys):
    said = words(proxy, (tables[0], tables[0]), *KEYS)
    said[said.index("--to") + 1] = f"{SOURCE}/{tables[0]}"
    assert run(said) == 2
    assert "which is the source itself" in capsys.readouterr().err
