"""INSERT INTO … SELECT: a copy where it is one, else a query's rows as items."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from pipelines.flags import build, flags_of
from pipelines.query_insert import copy_options
from pipelines.query_options import QueryOptions
from pipelines.run_options import RunOptions
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.query.inserts import Copied, Insert, copied, parse_inserts
from transforms.query.plan import QueryRequest, check_query
from transforms.query.reading import Reading
from transforms.query.row_items import item_of_row
from transforms.query.schema import parse_schema
from transforms.query.statement import parse_query

SCHEMA = parse_schema("id VARCHAR, n DOUBLE, moment VARCHAR FROM day")


@pytest.fixture
def orders(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table of twenty orders of two customers."""
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, "eu-west-1", unique_name("orders"), "id")
    for number in range(20):
        item: Any = {
            "id": {"S": f"{number:02}"},
            "customer": {"S": f"c{number % 2}"},
            "total": {"N": str(number)},
            "tags": {"SS": ["x", "y"]},
        }
        moto.dynamodb("eu-west-1").put_item(TableName=name, Item=item)
    return name


def query(moto: Engine, sql: str, *words: str) -> int:
    return run(["query", sql, "--endpoint", moto.endpoint_url("eu-west-1"), *words])


def items(moto: Engine, region: str, name: str) -> dict[str, Any]:
    found = moto.dynamodb(region).scan(TableName=name)["Items"]
    return {str(item["id"]["S"]): item for item in found}


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_one_scan_fills_two_tables_with_whole_items_and_columns(moto, orders, capsys):
    west = make_table(moto, "us-west-2", unique_name(), "id")
    east = make_table(moto, "us-east-1", unique_name(), "id")
    sql = (
        f'FROM "eu-west-1/{orders}" INSERT INTO "us-west-2/{west}" SELECT * '
        f"WHERE total >= 15 "
        f'INSERT INTO "us-east-1/{east}" SELECT id, total AS amount'
    )
    assert query(moto, sql) == 0
    source = items(moto, "eu-west-1", orders)
    late = {key: item for key, item in source.items() if int(item["total"]["N"]) >= 15}
    assert items(moto, "us-west-2", west) == late
    assert items(moto, "us-east-1", east) == {
        key: {"id": item["id"], "amount": item["total"]} for key, item in source.items()
    }
    assert capsys.readouterr().out.splitlines()[-1].startswith("items: scanned 20;")


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_aggregates_become_items(moto, orders, capsys):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    sql = (
        "SELECT customer AS id, count(*) AS orders, avg(total) AS mean, "
        f'max(nullif(total, 19)) AS "most" FROM "eu-west-1/{orders}" GROUP BY customer'
    )
    words = ["--out", "dynamodb", "--to", f"us-west-2/{target}"]
    assert query(moto, sql, *words) == 0
    assert items(moto, "us-west-2", target) == {
        "c0": {
            "id": {"S": "c0"},
            "orders": {"N": "10"},
            "mean": {"N": "9"},
            "most": {"N": "18"},
        },
        "c1": {
            "id": {"S": "c1"},
            "orders": {"N": "10"},
            "mean": {"N": "10"},
            "most": {"N": "17"},
        },
    }
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"rows: {target}: written 2, superseded 0, rejected 0"


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_a_dry_run_and_bad_targets_write_nothing(moto, orders, capsys):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    select = f'SELECT upper(id) AS id FROM "eu-west-1/{orders}"'
    insert = f'INSERT INTO "us-west-2/{target}"'
    assert query(moto, f"{insert} {select}", "--dry-run") == 0
    assert "dry run: nothing was written" in capsys.readouterr().out
    assert query(moto, f"{insert} {select.replace('AS id', 'AS key')}") == 2
    assert "have no column 'id', which is its key" in capsys.readouterr().err
    assert query(moto, f'INSERT INTO "us-west-2/nobody.has.it" {select}') == 2
    assert "is not in region us-west-2" in capsys.readouterr().err
    assert items(moto, "us-west-2", target) == {}


COPIES = {
    "SELECT * FROM a": Copied(None, None),
    "SELECT id, moment AS x FROM a": Copied({"id": "id", "day": "x"}, None),
    "SELECT * FROM a WHERE n > 1": Copied(None, "n > 1"),
    "SELECT * FROM a WHERE moment IN ('x', 'y')": Copied(None, "day IN ('x', 'y')"),
}


@pytest.mark.parametrize(("select", "expected"), COPIES.items(), ids=list(COPIES))
def test_a_select_of_columns_and_conditions_is_a_copy(select, expected):
    assert copied(select, SCHEMA) == expected


@pytest.mark.parametrize(
    "select",
    [
        "SELECT upper(id) FROM a",
        "SELECT DISTINCT id FROM a",
        "SELECT id FROM a LIMIT 5",
        "SELECT id, id AS again FROM a",
        "SELECT *, id FROM a",
        "SELECT id FROM a WHERE length(id) = 2",
        "SELECT a.id FROM a JOIN b ON a.id = b.id",
        "SELECT count(*) FROM a",
    ],
)
def test_any_other_select_is_no_copy(select):
    assert copied(select, SCHEMA) is None


def test_a_query_is_no_insert_and_values_are_refused():
    assert parse_inserts("FROM a SELECT id") == ()
    assert parse_inserts("SELECT 1") == ()
    with pytest.raises(UserError, match="INSERT INTO"):
        parse_inserts('INSERT INTO "us-west-2/t" (id) SELECT 1')


def test_what_dynamodb_cannot_hold_stops_with_its_column():
    with pytest.raises(JobStoppedError, match="'mean'"):
        item_of_row(["id", "mean"], ["x", float("nan")])


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_every_option_of_the_run_reaches_the_copy(moto, orders):
    said = {
        "runner_profile": "flink",
        "workers": 3,
        "run_dir": "s3://bucket/run",
        "ledger": "dynamodb:runs",
        "pause_file": "/tmp/pause",
        "rate_schedule": "08:00-20:00=10%; Europe/Berlin",
        "transport": "botocore",
        "deadline": 60,
        "dry_run": True,
        "debug": True,
    }
    assert set(said) == set(flags_of(RunOptions))
    endpoint = moto.endpoint_url("eu-west-1")
    select = f'SELECT * FROM "eu-west-1/{orders}"'
    options = build(QueryOptions, {"sql": select, "endpoint": endpoint} | said)
    request = QueryRequest(
        statement=parse_query(select), tables=(), inline=options.inline
    )
    insert = Insert("us-west-2/late", select)
    plan = check_query(request, Reading())
    copied_by = copy_options(options, [(insert, plan)], [Copied(None, None)])
    for name in said:
        assert getattr(copied_by, name) == getattr(options, name), name
