"""Hive scripts: the seed's own as it stands, and what is refused by line and word."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from pipelines.flags import build, flags_of
from pipelines.hive.copies import copies_of
from pipelines.hive.parser import parse_script
from pipelines.hive_command import HiveOptions, copy_options
from pipelines.run_options import RunOptions
from tests.support.engines import make_table
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import parse_condition

SEED = Path(__file__).parents[2] / "examples" / "seed.sql"
HANDLER = "'org.apache.hadoop.hive.dynamodb.DynamoDBStorageHandler'"


def table(name: str, columns: str = "id string, n double", **properties: str) -> str:
    said = {"table.name": f"{name}.table", "region": "eu-west-1"} | {
        key.replace("_", "."): value for key, value in properties.items()
    }
    pairs = ", ".join(f"'dynamodb.{key}' = '{value}'" for key, value in said.items())
    return (
        f"CREATE EXTERNAL TABLE {name} ({columns}) STORED BY {HANDLER} "
        f"TBLPROPERTIES ({pairs});\n"
    )


BOTH = table("a") + table("b")


def one_copy(script: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    ((_, words),) = copies_of(parse_script(script), None)
    return words


# --- the seed's script ---


@pytest.fixture
def seed_tables(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The three tables of the seed, with 40 items in the first."""
    monkeypatch.chdir(tmp_path)
    names = [
        ("eu-west-1", "testtable"),
        ("us-east-1", "kgpai.useast.test"),
        ("us-west-2", "kgpai.uswest.test"),
    ]
    for region, name in names:
        make_table(moto, region, name, "uuid_hash", read_units=1_000, write_units=1_000)
    for number in range(40):
        item: Any = {
            "uuid_hash": {"S": f"{number:032x}"},
            "day": {"S": f"2013-0{1 + number % 9}-01"},
            "name": {"S": f"UA {number}"},
            "value": {"N": str(number * 2)},
            "not mapped": {"S": "stays"},
        }
        moto.dynamodb("eu-west-1").put_item(TableName="testtable", Item=item)
    yield names
    for region, name in names:
        moto.dynamodb(region).delete_table(TableName=name)


def all_items(moto: Engine, region: str, name: str) -> list[dict[str, Any]]:
    return list(moto.dynamodb(region).scan(TableName=name)["Items"])


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_the_seeds_script_runs_as_it_stands(moto, seed_tables, capsys):
    endpoint = moto.endpoint_url("eu-west-1")
    assert run(["hive", str(SEED), "--endpoint", endpoint]) == 0
    east = all_items(moto, "us-east-1", "kgpai.useast.test")
    west = all_items(moto, "us-west-2", "kgpai.uswest.test")
    source = all_items(moto, "eu-west-1", "testtable")
    assert len(source) == len(east) == 40  # DROP TABLE has dropped no table
    assert {key for item in east for key in item} == {
        "uuid_hash",
        "day",
        "name",
        "value",
    }
    expected = {i["uuid_hash"]["S"] for i in source if i["day"]["S"] >= "2013-06-01"}
    assert {item["uuid_hash"]["S"] for item in west} == expected
    printed = capsys.readouterr().out
    assert "rate: 10% of 1,000 provisioned RCU" in printed
    assert "rate: 40% of 1,000 provisioned WCU" in printed
    accounts = [line for line in printed.splitlines() if line.startswith("items:")]
    assert accounts[0].startswith("items: scanned 40; uswest: written 16, filtered 24")
    assert "useast: written 40" in accounts[1]
    assert len(accounts) == 2  # the second form scanned once for both


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_a_dry_run_of_the_script_writes_nothing(moto, seed_tables, capsys):
    endpoint = moto.endpoint_url("eu-west-1")
    assert run(["hive", str(SEED), "--endpoint", endpoint, "--dry-run"]) == 0
    assert all_items(moto, "us-east-1", "kgpai.useast.test") == []
    assert capsys.readouterr().out.count("dry run: nothing was written") == 2


# --- what INSERT copies ---


def test_without_a_mapping_the_whole_item_is_copied():
    said, (target,) = one_copy(BOTH + "INSERT OVERWRITE TABLE b SELECT * FROM a;")
    assert said == {"source": "eu-west-1/a.table", "read_percent": "50%"}
    assert target == {"to": "eu-west-1/b.table", "name": "b", "write_percent": "50%"}


def test_with_a_mapping_the_mapped_columns_are_copied_by_their_places():
    script = (
        table("a", column_mapping="id:Key,n:Number")
        + table("b", "k string, v double", column_mapping="k:pk,v:amount")
        + "INSERT INTO TABLE b SELECT * FROM a"
    )
    assert one_copy(script)[1][0]["columns"] == {"Key": "pk", "Number": "amount"}
    script += ";INSERT INTO TABLE b SELECT n, id FROM a"
    copies = copies_of(parse_script(script), None)
    assert copies[1][1][1][0]["columns"] == {"Number": "pk", "Key": "amount"}


def test_a_map_of_strings_that_is_not_mapped_holds_the_whole_item():
    columns = "id string, item map<string,string>"
    script = (
        table("a", columns, column_mapping="id:id")
        + table("b", columns, column_mapping="id:id")
        + "INSERT OVERWRITE TABLE b SELECT * FROM a"
    )
    assert "columns" not in one_copy(script)[1][0]


@pytest.mark.parametrize(
    ("fraction", "percent"), [(".1000", "10%"), ("0.4", "40%"), ("1.5", "150%")]
)
def test_percents_are_fractions(fraction, percent):
    script = table("a", throughput_read_percent=fraction) + table("b")
    said, _ = one_copy(f"{script}INSERT INTO b SELECT * FROM a")
    assert said["read_percent"] == percent


def test_the_region_may_be_in_the_endpoint_or_given_for_all():
    made = (
        "CREATE EXTERNAL TABLE {0} (id string) STORED BY "
        + HANDLER
        + " TBLPROPERTIES ('dynamodb.table.name' = '{0}.t'{1});"
    )
    endpoint = ", 'dynamodb.endpoint' = 'dynamodb.us-west-2.amazonaws.com'"
    script = made.format("a", endpoint) + made.format("b", "")
    statements = parse_script(f"{script} INSERT INTO b SELECT * FROM a")
    ((_, (said, targets)),) = copies_of(statements, "eu-west-1")
    assert (said["source"], targets[0]["to"]) == ("us-west-2/a.t", "eu-west-1/b.t")


WHERES = {
    "id = 'it\\'s'": {"id": {"S": "it's"}},
    "a.n > 1.5 AND n <> 2": {"n": {"N": "1.51"}},
    "n BETWEEN 1 AND 2 OR id LIKE 'x%'": {"id": {"S": "xy"}},
    "n IS NOT NULL AND id IS NULL": {"n": {"N": "0"}, "id": {"NULL": True}},
    "NOT (n > 5)": {"n": {"N": "5"}},
    "id NOT IN ('a', 'b')": {"id": {"S": "c"}},
    "id LIKE '%ell%'": {"id": {"S": "hello"}},
    "`id` == 'x'": {"id": {"S": "x"}},
}
NEVER = [{}, {"id": {"N": "1"}, "n": {"S": "1"}}]


@pytest.mark.parametrize(("where", "item"), WHERES.items(), ids=list(WHERES))
def test_a_where_becomes_a_condition_that_says_the_same(where, item):
    _, (target,) = one_copy(f"{BOTH}INSERT INTO b SELECT * FROM a WHERE {where};")
    condition = parse_condition(target["filter"])
    assert condition.matches(item)
    assert not any(map(condition.matches, NEVER))


def test_numbers_are_compared_by_all_their_digits():
    _, (target,) = one_copy(f"{BOTH}INSERT INTO b SELECT * FROM a WHERE n = 0.1;")
    condition = parse_condition(target["filter"])
    assert condition.matches({"n": {"N": "0.1"}})
    assert not condition.matches({"n": {"N": str(Decimal("0.10000000000000000001"))}})


# --- what is refused ---

REFUSED = {
    "join": ("INSERT INTO b SELECT * FROM a JOIN b", "line 3: 'JOIN'"),
    "group": ("INSERT INTO b\nSELECT id, n FROM a\nGROUP BY id", "line 5: 'GROUP'"),
    "order": ("FROM a INSERT INTO b SELECT * WHERE n > 1 ORDER BY n", "'ORDER'"),
    "function": ("INSERT INTO b SELECT upper(id), n FROM a", "line 3: '\\('"),
    "distinct": ("INSERT INTO b SELECT DISTINCT id FROM a", "'DISTINCT'"),
    "subquery": ("INSERT INTO b SELECT * FROM (SELECT 1)", "line 3: '\\('"),
    "select": ("SELECT * FROM a", "line 3: 'SELECT'"),
    "set": ("SET hive.execution.engine=mr", "line 3: 'SET'"),
    "managed table": ("CREATE TABLE c (id string)", "line 3: 'TABLE'"),
    "other storage": (
        "CREATE EXTERNAL TABLE c (id string) STORED BY 'x.HBaseStorageHandler'",
        "line 3: 'x.HBaseStorageHandler'",
    ),
    "directory": ("INSERT OVERWRITE DIRECTORY 's3://x' SELECT * FROM a", "'DIRECTORY'"),
    "unknown table": ("INSERT INTO b SELECT * FROM aa", "no table aa"),
    "unknown column": ("INSERT INTO b SELECT idd, n FROM a", "no column 'idd'"),
    "unknown column in WHERE": (
        "INSERT INTO b SELECT * FROM a WHERE idd = 'x'",
        "line 3: there is no column 'idd'; did you mean 'id'",
    ),
    "too few columns": ("INSERT INTO b SELECT id FROM a", "has 2; select as many"),
    "a condition that is none": (
        "INSERT INTO b SELECT * FROM a WHERE length(id) = 3",
        "no condition of DynamoDB's",
    ),
    "a type that clashes": (
        "INSERT INTO b SELECT * FROM a WHERE n = 'x'",
        "no condition of DynamoDB's",
    ),
    "a table twice": (table("a"), "made above"),
    "unknown property": (table("c", tabel_name="x"), "is not known; did you mean"),
    "bad percent": (table("c", throughput_read_percent="ten"), "give a fraction"),
    "column not mapped": (table("c", column_mapping="id:id"), "'n' is not in"),
    "mapping of no column": (
        table("c", column_mapping="idd:id"),
        "has no column 'idd'",
    ),
    "an open quote": ("INSERT INTO b SELECT * FROM a WHERE id = 'x", "does not end"),
    "two statements in one": ("DROP TABLE a DROP TABLE b", "'DROP'.*ends in ;"),
}


@pytest.mark.parametrize(("statement", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_supported_is_refused_by_line_and_word(statement, message):
    with pytest.raises(UserError, match=message):
        copies_of(parse_script(BOTH + statement), None)


def test_a_script_is_checked_to_its_end_before_anything_runs(tmp_path, capsys):
    script = tmp_path / "s.sql"
    script.write_text(f"{BOTH}INSERT INTO b SELECT * FROM a; SELECT 1 FROM a")
    assert run(["hive", str(script)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "line 3: 'SELECT'" in printed.err


def test_a_script_without_an_insert_has_nothing_to_run(tmp_path, capsys):
    script = tmp_path / "s.sql"
    script.write_text(BOTH)
    assert run(["hive", str(script)]) == 2
    assert "no INSERT" in capsys.readouterr().err


def test_every_option_of_the_run_reaches_each_copy():
    said = {
        "runner_profile": "flink",
        "workers": 3,
        "ledger": "dynamodb:runs",
        "pause_file": "/tmp/pause",
        "rate_schedule": "08:00-20:00=10%; Europe/Berlin",
        "transport": "botocore",
        "deadline": 60,
        "dry_run": True,
        "debug": True,
    }
    assert {*said, "run_dir"} == set(flags_of(RunOptions))
    others = {"on_reject": "fail", "yes": True, "endpoint": "http://localhost:1"}
    options = build(HiveOptions, {"file": "s.sql"} | said | others)
    copied = copy_options(options, one_copy(BOTH + "INSERT INTO b SELECT * FROM a"), 0)
    for name in (*said, *others):
        assert getattr(copied, name) == getattr(options, name), name


@pytest.mark.parametrize(
    ("run_dir", "number", "expected"),
    [
        ("runs", 0, "runs"),
        ("runs", 2, "runs/insert-2"),
        ("s3://bucket/runs/7/", 2, "s3://bucket/runs/7/insert-2"),
        (None, 2, None),
    ],
)
def test_each_of_several_inserts_has_a_run_directory_of_its_own(
    run_dir, number, expected
):
    options = HiveOptions(file="s.sql", run_dir=run_dir)
    words = one_copy(BOTH + "INSERT INTO b SELECT * FROM a")
    assert copy_options(options, words, number).run_dir == expected
