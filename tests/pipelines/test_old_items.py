"""Old items and old tables: backed up, verified, and only then deleted."""

import gzip
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from pipelines.old_items import old_tables
from tests.support.engines import make_table, unique_name
from tests.support.objects import all_items
from transforms.archive import delete_backed_up, write_backup
from transforms.dynamodb import exact_deletes
from transforms.dynamodb.errors import UserError

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
Item = dict[str, Any]


def day(age: int) -> str:
    return f"{datetime.now(tz=timezone.utc) - timedelta(days=age):%Y-%m-%d}"


def make_item(age: int) -> Item:
    return {
        "id": {"S": f"item-{age}"},
        "day": {"S": day(age)},
        "tags": {"SS": ["x", "y"]},
        "version": {"N": "1"},
    }


@pytest.fixture
def source(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Items of the last 120 days, every tenth."""
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, REGION, unique_name(), "id")
    for age in range(0, 130, 10):
        moto.dynamodb(REGION).put_item(TableName=name, Item=make_item(age))
    return name


@pytest.fixture
def back_up(moto: Engine, capsys: Any) -> Callable[..., tuple[int, list[str]]]:
    def call(source: str, *words: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        head = ["backup", "--source", f"{REGION}/{source}", "--to", "kept"]
        head += ["--endpoint", moto.endpoint_url(REGION), "--read-units", "unlimited"]
        code = run([*head, *words])
        said = capsys.readouterr()
        return code, (said.err if code > 1 else said.out).splitlines()

    return call


OLD = ("--older-than", "90d", "--by", "day")
DELETE = (*OLD, "--delete-after-verify", "--delete-units", "unlimited", "--yes")
OLD_IDS = {"item-100", "item-110", "item-120"}


def ids(engine: Engine, name: str) -> set[str]:
    return set(all_items(engine, REGION, name))


def test_old_items_are_backed_up_and_nothing_is_deleted_unasked(moto, source, back_up):
    code, said = back_up(source, *OLD)
    assert (code, said[-1]) == (0, "items: scanned 13; backup: written 3, filtered 10")
    assert len(ids(moto, source)) == 13


def test_old_items_are_deleted_once_the_backup_was_read_back(moto, source, back_up):
    code, said = back_up(source, *DELETE)
    assert (code, said[-1]) == (0, "items: scanned 3; delete: written 3")
    assert any(line.startswith("verified: 3 items read back") for line in said)
    assert ids(moto, source) == {f"item-{age}" for age in range(0, 100, 10)}


@pytest.mark.parametrize(
    ("form", "times"), [("seconds", 1), ("milliseconds", 1000)], ids=["s", "ms"]
)
def test_times_may_be_numbers(moto, source, back_up, form, times):
    name = make_table(moto, REGION, unique_name(), "id")
    now = int(datetime.now(tz=timezone.utc).timestamp())
    for age in (10, 100):
        at = str((now - age * 86_400) * times)
        item: Item = {"id": {"S": f"item-{age}"}, "at": {"N": at}}
        moto.dynamodb(REGION).put_item(TableName=name, Item=item)
    words = ["--older-than", "90d", "--by", "at", "--time-format", form]
    _, said = back_up(name, *words)
    assert said[-1] == "items: scanned 2; backup: written 1, filtered 1"


def changing(moto: Engine, name: str, change: Item, monkeypatch: pytest.MonkeyPatch):
    """Writes an item after the backup and before the deletes."""
    finish = write_backup.finish_backup

    def finish_then_change(*words: Any) -> Any:
        manifest = finish(*words)
        moto.dynamodb(REGION).put_item(TableName=name, Item=change)
        return manifest

    monkeypatch.setattr(write_backup, "finish_backup", finish_then_change)


def test_an_item_that_changed_since_the_backup_is_kept(
    moto, source, back_up, monkeypatch
):
    changed = make_item(110) | {"new": {"S": "attribute"}}
    changing(moto, source, changed, monkeypatch)
    code, said = back_up(source, *DELETE)
    assert (code, said[-1]) == (0, "items: scanned 3; delete: written 2, skipped 1")
    assert all_items(moto, REGION, source)["item-110"] == changed


def changing_between(moto, name, change, monkeypatch):
    """Writes an item between its second reading and its delete."""
    make = exact_deletes.delete_if_same

    def change_then_make(*words: Any) -> bytes:
        moto.dynamodb(REGION).put_item(TableName=name, Item=change)
        return make(*words)

    monkeypatch.setattr(delete_backed_up, "delete_if_same", change_then_make)


@pytest.mark.parametrize("words", [(), ("--version-attribute", "version")], ids=str)
def test_an_item_that_changes_before_its_delete_is_kept(
    moto, source, back_up, monkeypatch, words
):
    changed = make_item(110) | {"version": {"N": "2"}}
    changing_between(moto, source, changed, monkeypatch)
    code, said = back_up(source, *DELETE, "--filter", "id = 'item-110'", *words)
    assert (code, said[-1]) == (0, "items: scanned 1; delete: skipped 1")
    assert all_items(moto, REGION, source)["item-110"] == changed


def test_an_item_too_large_for_a_condition_is_kept_and_reported(moto, source, back_up):
    wide = make_item(100) | {f"a{number}": {"S": "x"} for number in range(200)}
    moto.dynamodb(REGION).put_item(TableName=source, Item=wide)
    code, said = back_up(source, *DELETE, "--run-dir", "ran")
    assert (code, said[-1]) == (1, "items: scanned 3; delete: written 2, rejected 1")
    assert "item-100" in ids(moto, source)
    (kept,) = Path("ran/verify/rejected").iterdir()
    reason = json.loads(gzip.decompress(kept.read_bytes()))["reason"]
    assert "more attributes than a condition can compare" in reason
    code, said = back_up(source, *DELETE, "--version-attribute", "version")
    assert (code, said[-1]) == (0, "items: scanned 1; delete: written 1")
    assert "item-100" not in ids(moto, source)


def test_nothing_is_deleted_when_the_backup_reads_back_as_something_else(
    moto, source, back_up, monkeypatch
):
    finish = write_backup.finish_backup

    def lose_an_item(spec: Any, records: Any) -> Any:
        manifest = finish(spec, records)
        (file,) = Path(spec.directory, "data").iterdir()
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        file.write_bytes(gzip.compress(b"".join(lines[1:])))
        return manifest

    monkeypatch.setattr(write_backup, "finish_backup", lose_an_item)
    code, said = back_up(source, *DELETE)
    assert code in (2, 3)
    assert "it was cut off or altered" in said[-1]
    assert len(ids(moto, source)) == 13


def test_a_parquet_backup_that_rounds_does_not_pass_for_a_delete(moto, source, back_up):
    client = moto.dynamodb(REGION)
    exact = make_item(100) | {"n": {"N": "0.1234567890123456789"}}
    client.put_item(TableName=source, Item=exact)
    words = ("--format", "parquet", "--numbers", "double")
    code, said = back_up(source, *DELETE, *words)
    assert code == 3
    assert "nothing was deleted" in said[-1]
    assert len(ids(moto, source)) == 13
    assert back_up(source, *DELETE, "--format", "parquet")[0] == 0
    assert len(ids(moto, source)) == 10


def test_where_nobody_can_type_the_name_yes_must_be_said(moto, source, back_up):
    code, said = back_up(source, *DELETE[:-1])
    assert code == 2
    assert "say --yes" in said[-1]
    assert not Path("kept").exists()


@pytest.mark.parametrize("right", [False, True], ids=["wrong", "right"])
def test_the_name_is_typed_before_anything_is_done(
    moto, source, back_up, monkeypatch, right
):
    name = f"{REGION}/{source}" if right else "something"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: name)
    assert back_up(source, *DELETE[:-1])[0] == (0 if right else 2)
    assert len(ids(moto, source)) == (10 if right else 13)


# --- tables of a series ---------------------------------------------------------------


@pytest.fixture
def series(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two months long gone, one that is not, and one of another name."""
    monkeypatch.chdir(tmp_path)
    prefix = unique_name("events").replace(".", "_")
    future = f"{datetime.now(tz=timezone.utc).year + 1}_01"
    for name in ("2019_11", "2019_12", future, "2019_13"):
        make_table(moto, REGION, f"{prefix}_{name}", "id")
    for month in ("2019_11", "2019_12"):
        moto.dynamodb(REGION).put_item(
            TableName=f"{prefix}_{month}", Item={"id": {"S": month}}
        )
    return prefix


def tables_of(engine: Engine, prefix: str) -> list[str]:
    pages = engine.dynamodb(REGION).get_paginator("list_tables").paginate()
    names = [name for page in pages for name in page["TableNames"]]
    return [name for name in names if name.startswith(prefix)]


DROP = ("--older-than", "90d", "--drop-after-verify", "--yes")


def test_old_tables_are_dropped_once_their_backups_were_read_back(
    moto, series, back_up
):
    code, said = back_up(f"{series}_%Y_%m", *DROP)
    assert code == 0
    assert f"{REGION}/{series}_2019_11 is deleted" in said
    assert len(tables_of(moto, series)) == 2
    assert len(list(Path("kept/AWSDynamoDB").iterdir())) == 2


def test_a_table_that_was_written_since_is_not_dropped(
    moto, series, back_up, monkeypatch
):
    late = {"id": {"S": "late"}}
    changing(moto, f"{series}_2019_11", late, monkeypatch)
    code, said = back_up(f"{series}_%Y_%m", *DROP)
    assert code == 3
    assert "the table has 2 items" in said[-1]
    assert len(tables_of(moto, series)) == 4


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("e_%Y_%m", ["e_2026_06", "e_2026_07"]),
        ("e_%Y", ["e_2025"]),
        ("e%Y%m%d", ["e20260825"]),
    ],
)
def test_a_table_is_old_when_its_whole_period_is(pattern, found):
    names = ["e_2026_07", "e_2026_06", "e_2026_08", "e_2025", "e_2026", "e_2026_6"]
    names += ["e20260825", "e20260826", "orders"]
    cutoff = datetime(2026, 8, 26, tzinfo=timezone.utc)
    assert [name for name, _ in old_tables(names, pattern, cutoff)] == found


@pytest.mark.parametrize("pattern", ["e_%m", "e_%Y_%H", "e_%Y_%d"])
def test_a_pattern_without_a_period_is_refused(pattern):
    with pytest.raises(UserError, match="the table pattern"):
        old_tables([], pattern, datetime.now(tz=timezone.utc))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--older-than", "90d"), "go together"),
        (("--older-than", "soon", "--by", "day"), "give days, as 90d"),
        ((*DELETE, "--columns", "id"), "--columns changes items"),
        ((*DELETE, "--drop-after-verify"), "exclude each other"),
        (("--drop-after-verify", "--filter", "n = 1"), "deletes the whole table"),
    ],
)
def test_words_that_would_delete_too_much_are_refused(
    moto, source, back_up, words, said
):
    code, error = back_up(source, *words)
    assert code == 2
    assert said in error[-1]
    assert not Path("kept").exists()
