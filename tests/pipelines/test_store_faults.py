"""Backups to a store that refuses: busy, forbidden, in another region."""

from collections.abc import Iterator
from itertools import product, repeat
from pathlib import Path
from typing import Any

import pytest
from apache_beam.utils import retry

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_store import (
    FaultyStore,
    faulty_store,
    is_list,
    is_read,
    is_write,
)
from tests.support.objects import make_bucket, object_store
from transforms.archive import files

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
ALWAYS = 10**6
ITEM = {"id": {"S": "x"}}


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own tries hide ours
    monkeypatch.setattr(retry.Clock, "sleep", lambda *_: None)  # Beam's: 5 s and more


@pytest.fixture
def bucket(moto: Engine) -> str:
    return make_bucket(moto)


def back_up(moto: Engine, store: FaultyStore, bucket: str) -> int:
    name = make_table(moto, REGION, unique_name(), "id")
    moto.dynamodb(REGION).put_item(TableName=name, Item=ITEM)
    words = ["backup", "--source", f"{REGION}/{name}", "--to", f"s3://{bucket}/b"]
    words += [
        "--endpoint",
        moto.endpoint_url(REGION),
        "--",
        f"--s3_region_name={REGION}",
    ]
    return run([*words, f"--s3_endpoint_url={store.url}"])


def keys(moto: Engine, bucket: str) -> list[str]:
    found = object_store(moto).list_objects_v2(Bucket=bucket).get("Contents", [])
    return [each["Key"] for each in found]


def test_an_upload_is_tried_again_while_the_store_says_slow_down(moto, bucket):
    with faulty_store(moto.endpoint_url(REGION), 503, "SlowDown", 3) as store:
        assert back_up(moto, store, bucket) == 0
    assert store.refused == 3
    assert any(
        key.endswith("beam-dynamodb-manifest.json") for key in keys(moto, bucket)
    )


REFUSALS = {
    "forbidden": (403, "AccessDenied", "no permission; on S3 the role needs s3:GetO"),
    "redirected": (301, "PermanentRedirect", "the bucket is in another region; name"),
    "other region": (
        *(400, "AuthorizationHeaderMalformed"),
        "the bucket is in another region; name it after --",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_store_that_does_not_take_it_is_told_first(moto, bucket, capsys, refusal):
    status, code, said = REFUSALS[refusal]
    with faulty_store(moto.endpoint_url(REGION), status, code, ALWAYS) as store:
        assert back_up(moto, store, bucket) == 2
    assert said in capsys.readouterr().err
    assert keys(moto, bucket) == []


def test_a_store_that_stays_busy_fails_the_job_and_is_asked_a_bounded_number_of_times(
    moto, bucket, capsys, monkeypatch
):
    no_waits(monkeypatch)
    with faulty_store(moto.endpoint_url(REGION), 503, "SlowDown", ALWAYS) as store:
        assert back_up(moto, store, bucket) == 3
    assert store.refused == 12
    assert "the store stayed busy for 12 tries" in capsys.readouterr().err
    assert keys(moto, bucket) == []


def is_data_upload(method: str, path: str) -> bool:
    return is_write(method, path) and "/_temporary/" in path


def test_a_backup_whose_upload_fails_looks_whole_to_nobody(moto, bucket, capsys):
    url = moto.endpoint_url(REGION)
    with faulty_store(url, 403, "AccessDenied", ALWAYS, is_data_upload) as store:
        assert back_up(moto, store, bucket) == 3
    assert "no permission" in capsys.readouterr().err
    (left,) = keys(moto, bucket)
    assert left.endswith("/_started")
    target = make_table(moto, REGION, unique_name(), "id")
    with faulty_store(url, 500, "", 0) as healthy:
        assert restore(moto, healthy, f"s3://{bucket}/b", target) == 2
    assert "has no manifest" in capsys.readouterr().err


# --- restore --------------------------------------------------------------------------


def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(*_: object, **__: object) -> Iterator[float]:
        return repeat(0.0)

    monkeypatch.setattr(files, "full_jitter", at_once)


@pytest.fixture
def backup(moto: Engine, bucket: str) -> str:
    with faulty_store(moto.endpoint_url(REGION), 500, "", 0) as healthy:
        assert back_up(moto, healthy, bucket) == 0
    return f"s3://{bucket}/b"


@pytest.fixture
def target(moto: Engine) -> str:
    return make_table(moto, REGION, unique_name(), "id")


def restore(moto: Engine, store: FaultyStore, backup: str, target: str) -> int:
    words = ["restore", "--backup", backup, "--to", f"{REGION}/{target}"]
    words += ["--endpoint", moto.endpoint_url(REGION), "--write-units", "unlimited"]
    words += ["--", f"--s3_region_name={REGION}", f"--s3_endpoint_url={store.url}"]
    return run(words)


def items(moto: Engine, table: str) -> list[Any]:
    found: list[Any] = moto.dynamodb(REGION).scan(TableName=table)["Items"]
    return found


def is_data(method: str, path: str) -> bool:
    """Reads of data files: made by the workers alone, after all manifests."""
    return is_read(method, path) and "/data/" in path


KINDS = {"lists": is_list, "reads": is_read, "data": is_data}


@pytest.mark.parametrize("kind", KINDS)
def test_a_restore_goes_on_while_the_store_says_slow_down(
    moto, backup, target, monkeypatch, kind
):
    no_waits(monkeypatch)
    url = moto.endpoint_url(REGION)
    with faulty_store(url, 503, "SlowDown", 20, KINDS[kind]) as store:
        assert restore(moto, store, backup, target) == 0
    assert store.refused == 20
    assert items(moto, target) == [ITEM]


@pytest.mark.parametrize("case", [*product(REFUSALS, ["lists", "reads"])], ids=" ".join)
def test_a_store_that_does_not_show_a_backup_is_bad_input(
    moto, backup, target, capsys, case
):
    refusal, kind = case
    status, code, said = REFUSALS[refusal]
    url = moto.endpoint_url(REGION)
    with faulty_store(url, status, code, ALWAYS, KINDS[kind]) as store:
        assert restore(moto, store, backup, target) == 2
    assert said in capsys.readouterr().err
    assert store.refused <= 4  # it is not asked again and again
    assert items(moto, target) == []


def test_a_data_file_that_is_refused_stops_the_restore_before_anything_is_written(
    moto, backup, target, capsys
):
    status, code, said = REFUSALS["forbidden"]
    url = moto.endpoint_url(REGION)
    with faulty_store(url, status, code, ALWAYS, is_data) as store:
        assert restore(moto, store, backup, target) == 3
    error = capsys.readouterr().err
    assert said in error
    assert "/data/" in error
    assert items(moto, target) == []


def test_a_busy_store_is_not_taken_for_a_damaged_file(
    moto, backup, target, capsys, monkeypatch
):
    no_waits(monkeypatch)
    url = moto.endpoint_url(REGION)
    with faulty_store(url, 503, "SlowDown", ALWAYS, is_data) as store:
        assert restore(moto, store, backup, target) == 3
    error = capsys.readouterr().err
    assert "the store stayed busy for 12 tries" in error
    assert "altered" not in error
    assert items(moto, target) == []
