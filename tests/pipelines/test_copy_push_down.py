"""Push-down in a copy: fewer items come, the same ones are written."""

from typing import Any

import pytest

from pipelines.commands import run
from tests.support.engines import make_table, unique_name

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
WEST = "us-west-2"


@pytest.fixture
def source(dynoxide, tmp_path, monkeypatch):
    """120 items: 4 ids of 30 days each."""
    monkeypatch.chdir(tmp_path)
    name = make_table(dynoxide, REGION, unique_name(), "id", "day:N")
    client = dynoxide.dynamodb(REGION)
    for id_ in "abcd":
        for start in (0, 15):
            puts: list[Any] = [
                {"PutRequest": {"Item": make_item(id_, day)}}
                for day in range(start, start + 15)
            ]
            client.batch_write_item(RequestItems={name: puts})
    return name


def make_item(id_: str, day: int) -> dict[str, Any]:
    colour = "red" if day % 3 == 0 else "blue"
    return {
        "id": {"S": id_},
        "day": {"N": str(day)},
        "colour": {"S": colour},
        "text": {"S": "x" * 100},
    }


def copied(engine, source, *words):
    head = ["copy", "--source", f"{REGION}/{source}"]
    head += ["--source-endpoint", engine.endpoint_url(REGION)]
    return run([*head, *words])


def to(engine, target, *words):
    return [
        "--to",
        f"{WEST}/{target}",
        "--endpoint",
        engine.endpoint_url(WEST),
        "--name",
        target,
        *words,
    ]


def items_in(engine, name):
    items = engine.dynamodb(WEST).scan(TableName=name)["Items"]
    return {(item["id"]["S"], int(item["day"]["N"])) for item in items}


def two_targets(engine):
    names = (unique_name(), unique_name())
    return [make_table(engine, WEST, name, "id", "day:N") for name in names]


def test_pinned_keys_are_queried_and_the_account_says_so(dynoxide, source, capsys):
    one, two = two_targets(dynoxide)
    words = to(dynoxide, one, "--filter", "id = 'a' AND day >= 10")
    words += to(dynoxide, two, "--filter", "id IN ('a', 'c') AND day >= 10")
    assert copied(dynoxide, source, *words) == 0
    assert items_in(dynoxide, one) == {("a", day) for day in range(10, 30)}
    assert items_in(dynoxide, two) == {(i, d) for i in "ac" for d in range(10, 30)}
    out = capsys.readouterr().out
    assert "keys: 2 Queries instead of a Scan" in out
    assert out.splitlines()[-1] == (
        f"items: queried 40; {one}: written 20, filtered 20; {two}: written 40"
    )


def test_a_filter_is_sent_and_each_target_applies_its_own(dynoxide, source, capsys):
    one, two = two_targets(dynoxide)
    words = to(dynoxide, one, "--filter", "colour = 'red'")
    words += to(dynoxide, two, "--filter", "day < 4")
    assert copied(dynoxide, source, *words) == 0
    assert len(items_in(dynoxide, one)) == 40
    assert len(items_in(dynoxide, two)) == 16
    out = capsys.readouterr().out
    assert "filter: sent, colour = 'red' OR day < 4" in out
    assert out.splitlines()[-1] == (
        f"items: scanned 120; {one}: written 40, filtered 80; "
        f"{two}: written 16, filtered 104"
    )


def test_without_push_down_the_outcome_is_the_same(dynoxide, source, capsys):
    one, two = two_targets(dynoxide)
    for name, switch in ((one, "--push-down"), (two, "--no-push-down")):
        words = to(dynoxide, name, "--filter", "id = 'b'", "--columns", "id,day")
        assert copied(dynoxide, source, switch, *words) == 0
    assert items_in(dynoxide, one) == items_in(dynoxide, two)
    first, second = (
        line for line in capsys.readouterr().out.splitlines() if "items: " in line[:7]
    )
    assert first == f"items: queried 30; {one}: written 30"
    assert second == f"items: scanned 120; {two}: written 30, filtered 90"


def test_a_projection_brings_only_what_is_read(dynoxide, source, capsys):
    one, _ = two_targets(dynoxide)
    words = to(dynoxide, one, "--columns", "id,day,colour:color")
    assert copied(dynoxide, source, *words) == 0
    assert "projection: sent, colour, day, id" in capsys.readouterr().out
    (item, *_) = dynoxide.dynamodb(WEST).scan(TableName=one)["Items"]
    assert item.keys() == {"id", "day", "color"}


def test_several_workers_query_every_key_once(dynoxide, source, capsys):
    one, _ = two_targets(dynoxide)
    words = to(dynoxide, one, "--filter", "id IN ('a', 'b', 'c', 'd')")
    assert copied(dynoxide, source, "--workers", "2", *words) == 0
    assert len(items_in(dynoxide, one)) == 120
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"items: queried 120; {one}: written 120"
