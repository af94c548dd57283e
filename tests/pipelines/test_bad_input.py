"""Bad input ends in exit code 2 and one line that helps, and nothing is written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]


@dataclass
class Tables:
    """A source with one item in eu-west-1, an empty target in us-west-2."""

    engine: Engine
    source: str
    target: str

    def copy(self, *words: str) -> int:
        endpoint = self.engine.endpoint_url("eu-west-1")
        return run(["copy", "--endpoint", endpoint, *words])

    def items(self, region: str, name: str) -> list[dict[str, Any]]:
        return self.engine.dynamodb(region).scan(TableName=name)["Items"]


@pytest.fixture
def tables(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.chdir(tmp_path)
    source = make_table(moto, "eu-west-1", unique_name(), "id", "day:N", read_units=100)
    target = make_table(moto, "us-west-2", unique_name(), "id", "day:N", read_units=50)
    moto.dynamodb("eu-west-1").put_item(
        TableName=source, Item={"id": {"S": "a"}, "day": {"N": "1"}, "n": {"N": "7"}}
    )
    return Tables(moto, source, target)


@pytest.fixture
def refuse(tables: Tables, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a copy that must be refused, and returns the error."""

    def check(*words: str) -> str:
        assert tables.copy(*words) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("beam-dynamodb: error: ")
        assert "Traceback" not in printed.err
        assert tables.items("us-west-2", tables.target) == []
        assert not Path(".beam-dynamodb").exists()
        return printed.err.removeprefix("beam-dynamodb: error: ").rstrip("\n")

    return check


def ends(tables: Tables) -> list[str]:
    return [
        "--source",
        f"eu-west-1/{tables.source}",
        "--to",
        f"us-west-2/{tables.target}",
    ]


def test_a_source_that_is_not_there_is_named_with_its_region(tables, refuse):
    words = ["--source", "us-east-1/nowhere", "--to", f"us-west-2/{tables.target}"]
    assert refuse(*words) == (
        "table 'nowhere' is not in region us-east-1; create it, or correct its name, "
        "region or account"
    )


def test_a_target_that_is_not_there_is_named_with_its_region(tables, refuse):
    words = ["--source", f"eu-west-1/{tables.source}", "--to", "us-west-2/nowhere"]
    assert refuse(*words).startswith("table 'nowhere' is not in region us-west-2;")


def test_a_region_that_does_not_exist_is_corrected(tables, refuse):
    words = ["--source", f"eu-wset-1/{tables.source}", *ends(tables)[2:]]
    assert refuse(*words).startswith(
        f"eu-wset-1/{tables.source}: there is no region 'eu-wset-1'; did you mean "
        "'eu-west-1'?"
    )


def test_keys_that_differ_are_both_shown(tables, refuse):
    other = make_table(tables.engine, "us-west-2", unique_name(), "id:N")
    error = refuse(*ends(tables)[:2], "--to", f"us-west-2/{other}")
    assert error.startswith(
        f"route us-west-2: the keys differ: eu-west-1/{tables.source} gives partition "
        f"key id (S), sort key day (N), and us-west-2/{other} has partition key id "
        "(N), no sort key; create the target"
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("id,n", "route us-west-2: its columns drop 'day', the sort key of"),
        ("id,day:when", "route us-west-2: columns rename 'day', the sort key of"),
    ],
)
def test_columns_that_lose_a_key_are_refused(tables, refuse, columns, message):
    assert refuse(*ends(tables), "--columns", columns).startswith(message)


def test_shared_columns_that_lose_a_key_are_refused(tables, refuse):
    error = refuse("--columns", "id,n", *ends(tables))
    assert error.startswith(
        "route us-west-2: the columns of all routes drop 'day', the sort key of"
    )


@pytest.mark.parametrize("shared", [True, False], ids=["of all targets", "of one"])
def test_a_filter_that_does_not_parse_has_a_caret_under_the_place(
    tables, refuse, shared
):
    words = ["--filter", "n > > 3"]
    error = refuse(*(words + ends(tables) if shared else ends(tables) + words))
    _, expression, caret = error.splitlines()
    assert expression.strip() == "n > > 3"
    assert caret.index("^") == expression.index("> 3")


@pytest.mark.parametrize("percent", ["0", "-1", "150.1", "nan", "ten"])
@pytest.mark.parametrize("side", ["--read-percent", "--write-percent"])
def test_a_percentage_out_of_bounds_is_refused(tables, refuse, side, percent):
    assert f"{side}: " in refuse(*ends(tables), side, percent)


def test_a_fraction_that_looks_like_hives_is_asked_about(tables, refuse):
    error = refuse(*ends(tables), "--write-percent", ".1000")
    assert "--write-percent: percentage '.1000' is below 1: did you mean 10 %?" in error


def test_two_routes_to_one_table_are_refused(tables, refuse):
    target = f"us-west-2/{tables.target}"
    arn = f"arn:aws:dynamodb:us-west-2:123456789012:table/{tables.target}"
    words = [*ends(tables), "--name", "one", "--to", arn, "--name", "two"]
    assert refuse(*words) == (
        f"route one and route two both write to {target}; keep one, with a filter "
        "that takes the items of both"
    )


def test_two_routes_of_one_name_are_refused(tables, refuse):
    other = make_table(tables.engine, "us-west-2", unique_name(), "id", "day:N")
    words = [*ends(tables), "--name", "one"]
    words += ["--to", f"us-west-2/{other}", "--name", "one"]
    assert refuse(*words) == (
        "2 routes are named 'one'; give each a name of its own (--name)"
    )


def test_a_copy_of_a_table_onto_itself_is_refused(tables, refuse):
    source = f"eu-west-1/{tables.source}"
    assert refuse("--source", source, "--to", source) == (
        f"route eu-west-1 writes to {source}, which is the source itself; name another "
        "target"
    )


def test_an_index_that_is_not_there_is_refused(tables, refuse):
    assert refuse(*ends(tables), "--index", "by-day") == (
        f"eu-west-1/{tables.source} has no index 'by-day' (it has: none); correct "
        "--index, or leave it out to read the table"
    )


def test_a_misspelt_flag_of_beam_is_refused(tables, refuse):
    assert refuse(*ends(tables), "--", "--runer=DirectRunner") == (
        "after --: --runer is no option of Beam or of a runner it knows; did you mean "
        "--runner?"
    )


def test_a_runner_elsewhere_needs_the_number_of_workers(tables, refuse):
    error = refuse(*ends(tables), "--", "--runner=FlinkRunner")
    assert error.startswith("--workers is missing: each worker takes its share")


def test_a_dry_run_shows_the_plan_and_writes_nothing(tables, capsys):
    words = ["--read-percent", "10", *ends(tables), "--write-units", "5", "--dry-run"]
    assert tables.copy(*words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"read eu-west-1/{tables.source}"
    assert "  keys: partition key id (S), sort key day (N)" in shown
    assert "  rate: 10% of 100 provisioned RCU = 10 units/s" in shown
    assert "  segments: 16, eventually consistent reads" in shown
    assert f"overwrite as us-west-2: us-west-2/{tables.target}" in shown
    assert "  rate: as given = 5 units/s" in shown
    assert shown[-1] == "dry run: nothing was written"
    assert tables.items("us-west-2", tables.target) == []
    assert not Path(".beam-dynamodb").exists()


@pytest.mark.parametrize(
    ("ledger", "error"),
    [
        ("redis:x", "cannot read the ledger 'redis:x'; write sqlite:PATH"),
        ("sqlite:no/such/place", "cannot write the run's ledger"),
        ("dynamodb:x", "table name 'x' is not one DynamoDB allows"),
    ],
    ids=["form", "path", "table"],
)
def test_a_ledger_that_cannot_be_used_is_refused(tables, capsys, ledger, error):
    assert tables.copy(*ends(tables), "--ledger", ledger) == 2
    assert error in capsys.readouterr().err
    assert tables.items("us-west-2", tables.target) == []


def test_a_ledger_of_one_host_is_refused_for_a_clusters_workers(tables, capsys):
    words = [
        "--ledger",
        "sqlite:ledger",
        "--run-dir",
        "s3://bucket/runs",
        "--workers",
        "2",
    ]
    beam = ["--", "--runner=FlinkRunner", "--environment_type=PROCESS"]
    assert tables.copy(*ends(tables), *words, *beam) == 2
    assert "serves the processes of one host" in capsys.readouterr().err
