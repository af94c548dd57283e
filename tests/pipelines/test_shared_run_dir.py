"""A run directory on an object store keeps what was rejected, for all workers."""

from pathlib import Path

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


def test_workers_elsewhere_need_a_place_that_they_share(words, capsys):
    elsewhere = ["--workers", "2", "--", "--runner=FlinkRunner"]
    elsewhere += ["--environment_type=EXTERNAL", "--environment_config=localhost:1"]
    place = words.index("--to")
    cluster = [*words[:place], *elsewhere[:2], *words[place:], *elsewhere[2:]]
    assert run(cluster) == 2
    assert "--run-dir is missing" in capsys.readouterr().err
