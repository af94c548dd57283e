"""A run directory on an object store keeps what was rejected, for all workers."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from tests.support.engines import make_table, unique_name
from tests.support.objects import make_bucket, object_store, s3_words

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

# What moto takes in one item, in bytes; the service takes 409,600.
MOTO_ITEM_BYTES = 405_000


@pytest.fixture
def words(moto, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = make_table(moto, "eu-west-1", unique_name(), "id")
    target = make_table(moto, "us-west-2", unique_name(), "id")
    large = {"id": {"S": "a"}, "data": {"S": "x" * (MOTO_ITEM_BYTES - 100)}}
    moto.dynamodb("eu-west-1").put_item(TableName=source, Item=large)
    words = ["copy", "--source", f"eu-west-1/{source}"]
    words += ["--endpoint", moto.endpoint_url("eu-west-1")]
    words += ["--columns", f"id,data:{'d' * 200}"]
    return [*words, "--to", f"us-west-2/{target}", "--name", "west"]


def test_rejected_items_are_kept_on_the_object_store(moto, words, capsys):
    bucket = make_bucket(moto)
    shared = f"s3://{bucket}/runs/7"
    place = words.index("--to")
    words = [*words[:place], "--run-dir", shared, *words[place:], *s3_words(moto)]
    assert run(words) == 1
    assert f"kept in {shared}/rejected" in capsys.readouterr().out
    (kept,) = object_store(moto).list_objects_v2(Bucket=bucket)["Contents"]
    assert kept["Key"].startswith("runs/7/rejected/west/")
    (local,) = Path(".beam-dynamodb/runs").iterdir()
    assert not (local / "rejected").exists()


def test_a_place_that_no_file_system_is_for_is_refused(words, capsys):
    assert run([*words[:1], "--run-dir", "floppy://a", *words[1:]]) == 2
    assert "no file system" in capsys.readouterr().err


def kept_keys(moto: Any, bucket: str) -> list[str]:
    """Keys below runs/7, and nothing on this machine's disk."""
    for local in Path(".beam-dynamodb/runs").iterdir():
        assert not list(local.rglob("*.gz"))
    found = object_store(moto).list_objects_v2(Bucket=bucket, Prefix="runs/7/")
    return [each["Key"] for each in found["Contents"]]


def test_what_a_restore_rejects_is_kept_there_too(moto, words, capsys):
    bucket = make_bucket(moto)
    source = words[words.index("--source") + 1]
    endpoint = ["--endpoint", moto.endpoint_url("eu-west-1")]
    assert run(["backup", "--source", source, *endpoint, "--to", "kept"]) == 0
    shared = ["--run-dir", f"s3://{bucket}/runs/7"]
    columns = ["--columns", f"id,data:{'d' * 200}"]
    target = words[words.index("--to") :]
    restore = ["restore", "--backup", "kept", *endpoint, *shared, *columns, *target]
    assert run([*restore, *s3_words(moto)]) == 1
    assert f"kept in s3://{bucket}/runs/7/rejected" in capsys.readouterr().out
    (key,) = kept_keys(moto, bucket)
    assert key.startswith("runs/7/rejected/west-0-")


def test_what_fits_no_column_of_a_backup_is_kept_there_too(moto, words):
    bucket = make_bucket(moto)
    source = words[words.index("--source") + 1]
    backup = [
        "backup",
        "--source",
        source,
        "--endpoint",
        moto.endpoint_url("eu-west-1"),
    ]
    backup += ["--to", "kept", "--format", "parquet", "--schema", "id:string,data:bool"]
    backup += ["--run-dir", f"s3://{bucket}/runs/7", *s3_words(moto)]
    assert run(backup) == 1
    (key,) = kept_keys(moto, bucket)
    assert key.startswith("runs/7/rejected/backup")


def test_what_an_insert_rejects_is_kept_there_too(moto, words, capsys):
    bucket = make_bucket(moto)
    source = words[words.index("--source") + 1]
    target = words[words.index("--to") + 1]
    large = "SELECT max(id) AS id, repeat('x', 450000) AS data"
    insert = ["query", f'INSERT INTO "{target}" {large} FROM "{source}"']
    insert += ["--endpoint", moto.endpoint_url("eu-west-1")]
    insert += ["--run-dir", f"s3://{bucket}/runs/7", *s3_words(moto)]
    assert run(insert) == 1, capsys.readouterr()
    assert f"kept in s3://{bucket}/runs/7/rejected" in capsys.readouterr().out
    (key,) = kept_keys(moto, bucket)
    assert key.startswith("runs/7/rejected/")


ELSEWHERE = ["--runner=FlinkRunner", "--environment_type=EXTERNAL"]


@pytest.mark.parametrize("command", ["copy", "backup", "deletes", "restore", "insert"])
def test_workers_elsewhere_need_a_place_that_they_share(words, capsys, command):
    source = words[words.index("--source") + 1]
    endpoint = words[words.index("--endpoint") : words.index("--endpoint") + 2]
    target = words[words.index("--to") :]
    archive = ["backup", "--source", source, "--to", "kept"]
    insert = f'INSERT INTO "{target[1]}" SELECT max(id) AS id FROM "{source}"'
    said = {
        "copy": ["copy", "--source", source, "--workers", "2", *target],
        "backup": archive,
        "deletes": [*archive, "--on-reject", "fail", "--delete-after-verify", "--yes"],
        "restore": ["restore", "--backup", "kept", "--workers", "2", *target],
        "insert": ["query", insert],
    }[command]
    if command == "restore":
        assert run([*archive, *endpoint]) == 0
    workers = [] if "--workers" in said else ["--workers", "2"]
    place = said.index("--to") if command in ("copy", "restore") else len(said)
    said[place:place] = [*endpoint, *workers]
    elsewhere = [*ELSEWHERE, "--environment_config=localhost:1"]
    assert run([*said, "--", *elsewhere]) == 2
    assert "--run-dir is missing" in capsys.readouterr().err
