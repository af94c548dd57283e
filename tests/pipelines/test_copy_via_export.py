"""A copy whose source is the service's own export, and the changes since."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import service_export
from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.export_service import ExportService, export_service
from tests.support.objects import all_items, make_bucket, object_store, s3_words

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

ROOT = Path(__file__).resolve().parents[2]
REGION, FAR = "eu-west-1", "us-west-2"
ITEMS = 40


def make_item(number: int) -> dict[str, Any]:
    return {"id": {"S": f"item-{number}"}, "n": {"N": str(number)}}


def change(key: str, micros: int, n: int | None) -> bytes:
    """A change as an incremental export has it; None deletes."""
    record: dict[str, Any] = {
        "Metadata": {"WriteTimestampMicros": {"N": str(micros)}},
        "Keys": {"id": {"S": key}},
    }
    if n is not None:
        record["NewImage"] = {"id": {"S": key}, "n": {"N": str(n)}}
    return json.dumps(record).encode()


CHANGES = [
    change("item-1", 12, 102),
    change("item-1", 11, 101),
    change("item-2", 13, None),
    change("new", 14, 7),
    change("gone again", 15, 8),
    change("gone again", 16, None),
]


@pytest.fixture
def source(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(service_export, "_LEAST_WINDOW_SECONDS", 2)
    name = make_table(moto, REGION, unique_name(), "id")
    for number in range(ITEMS):
        moto.dynamodb(REGION).put_item(TableName=name, Item=make_item(number))
    moto.dynamodb(REGION).update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    return name


@pytest.fixture
def service(moto: Engine) -> Iterator[ExportService]:
    store = object_store(moto)
    with export_service(moto.endpoint_url(REGION), store, lambda: CHANGES) as service:
        yield service


def words_of(moto: Engine, source: str, url: str, *target: str) -> list[str]:
    words = ["copy", "--source", f"{REGION}/{source}", "--source-endpoint", url]
    words += ["--endpoint", moto.endpoint_url(FAR), "--via-export"]
    words += ["--export-to", f"s3://{make_bucket(moto)}/exports", *target]
    return [*words, *s3_words(moto)]


def test_an_export_is_copied_to_two_regions_and_no_scan_is_made(moto, source, capsys):
    west = make_table(moto, FAR, unique_name(), "id")
    east = make_table(moto, "us-east-1", unique_name(), "id")
    targets = ["--to", f"{FAR}/{west}", "--to", f"us-east-1/{east}"]
    targets += ["--filter", "n < 10", "--columns", "id,n:number"]
    words = words_of(moto, source, moto.endpoint_url(REGION), *targets)
    assert run(words) == 0
    out = capsys.readouterr().out
    assert "at no read units" in out
    assert "export of" in out
    assert "completed" in out
    last = out.splitlines()[-1]
    assert last == (
        f"items: scanned 40; {FAR}: written 40; us-east-1: written 10, filtered 30"
    )
    assert all_items(moto, FAR, west) == all_items(moto, REGION, source)
    assert all_items(moto, "us-east-1", east)["item-3"] == {
        "id": {"S": "item-3"},
        "number": {"N": "3"},
    }


def test_what_has_changed_since_the_export_is_caught_up(moto, source, service, capsys):
    target = make_table(moto, FAR, unique_name(), "id")
    words = words_of(moto, source, service.url, "--catch-up", "--to", f"{FAR}/{target}")
    words.remove("--catch-up")
    words.insert(1, "--catch-up")
    assert run(words) == 0
    found = all_items(moto, FAR, target)
    expected = {f"item-{n}": make_item(n) for n in range(ITEMS) if n != 2}
    expected["item-1"] = {"id": {"S": "item-1"}, "n": {"N": "102"}}
    expected["new"] = {"id": {"S": "new"}, "n": {"N": "7"}}
    assert found == expected
    out = capsys.readouterr().out
    assert "catch up by 1 export(s) of changes" in out
    last = out.splitlines()[-1]
    assert last == f"items: scanned 6; {FAR}: written 4, superseded 2"
    # The changes begin where the full export ended, and no earlier than it was asked.
    full, incremental = service.asked
    window = incremental["IncrementalExportSpecification"]
    assert "ExportType" not in full
    assert window["ExportToTime"] - window["ExportFromTime"] >= 1
    assert window["ExportViewType"] == "NEW_IMAGE"


@pytest.mark.usefixtures("source")
def test_the_example_does_what_it_says(moto, service):
    client = moto.dynamodb(REGION)
    make_table(moto, REGION, "events", "id")
    make_table(moto, FAR, "events", "id")
    client.update_continuous_backups(
        TableName="events",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    for number in range(4):
        day = {"S": f"2013-0{5 if number == 0 else 6}-01"}
        client.put_item(TableName="events", Item={**make_item(number), "day": day})
    object_store(moto).create_bucket(
        Bucket="my-exports",
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    words = ["copy", "--job", str(ROOT / "examples" / "via_export.yaml")]
    words += ["--source-endpoint", service.url, "--endpoint", moto.endpoint_url(FAR)]
    assert run([*words, *s3_words(moto)]) == 0
    # Since then item-1 has lost its day, so that it fails the filter; item-2 is gone.
    assert set(all_items(moto, FAR, "events")) == {"item-3"}


def test_an_item_that_no_longer_passes_is_deleted_from_that_target(
    moto, source, service
):
    target = make_table(moto, FAR, unique_name(), "id")
    words = words_of(moto, source, service.url, "--to", f"{FAR}/{target}")
    place = words.index("--to") + 2
    words[place:place] = ["--filter", "n < 100"]
    words.insert(1, "--catch-up")
    assert run(words) == 0
    found = all_items(moto, FAR, target)
    assert "item-1" not in found
    assert "new" in found


def test_a_table_without_recovery_is_refused_with_the_remedy(moto, source, capsys):
    moto.dynamodb(REGION).update_continuous_backups(
        TableName=source,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    target = make_table(moto, FAR, unique_name(), "id")
    url = moto.endpoint_url(REGION)
    assert run(words_of(moto, source, url, "--to", f"{FAR}/{target}")) == 2
    said = capsys.readouterr().err
    assert "has no point-in-time recovery" in said
    assert f"update-continuous-backups --region {REGION} --table-name {source}" in said


REFUSED = [
    (["--catch-up", "--to", "T", "--mode", "if-absent"], "has no meaning"),
    (["--catch-up", "--to", "T", "--map", "id, n AS m.k"], "changes are not mapped"),
    (["--catch-up", "--to", "T", "--columns", "id,n:m:S"], "are not converted"),
    (["--read-percent", "10", "--to", "T"], "--read-percent: an export spends no"),
    (["--limit", "10", "--to", "T"], "--limit: an export is read whole"),
    (["--export-to", "/tmp", "--to", "T"], "give a place on S3"),
]


@pytest.mark.parametrize("case", REFUSED)
def test_what_an_export_cannot_do_is_refused_before_there_is_one(
    moto, source, service, capsys, case
):
    said, why = case
    target = make_table(moto, FAR, unique_name(), "id")
    said = [f"{FAR}/{target}" if word == "T" else word for word in said]
    words = words_of(moto, source, service.url)
    words[1:1] = said[: said.index("--to")]
    if "--export-to" in said:
        place = words.index("--export-to", 3)
        del words[place : place + 2]
    end = words.index("--")
    words[end:end] = said[said.index("--to") :]
    assert run(words) == 2
    assert why in capsys.readouterr().err
    assert service.asked == []


def test_a_dry_run_exports_nothing(moto, source, service, capsys):
    target = make_table(moto, FAR, unique_name(), "id")
    words = words_of(moto, source, service.url, "--to", f"{FAR}/{target}")
    words.insert(1, "--dry-run")
    assert run(words) == 0
    assert "nothing was exported" in capsys.readouterr().out
    assert service.asked == []


@pytest.mark.parametrize("words", [["--via-export"], ["--catch-up"]])
def test_words_that_go_together_are_said_together(words, capsys):
    said = ["copy", "--source", f"{REGION}/aaa", *words, "--to", f"{FAR}/aaa"]
    assert run(said) == 2
    assert capsys.readouterr().err.count("--via-export") == 1
