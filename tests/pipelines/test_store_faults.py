"""Backups to a store that refuses: busy, forbidden, in another region."""

from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_store import FaultyStore, faulty_store
from tests.support.objects import make_bucket, object_store

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
ALWAYS = 10**6


@pytest.fixture
def bucket(moto: Engine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own tries hide ours
    return make_bucket(moto)


def back_up(moto: Engine, store: FaultyStore, bucket: str) -> int:
    name = make_table(moto, REGION, unique_name(), "id")
    moto.dynamodb(REGION).put_item(TableName=name, Item={"id": {"S": "x"}})
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
    403: ("AccessDenied", "no permission; on S3 the role needs s3:GetObject"),
    301: ("PermanentRedirect", "the bucket is in another region; name it after --"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_store_that_does_not_take_it_is_told_first(moto, bucket, capsys, status):
    code, said = REFUSALS[status]
    with faulty_store(moto.endpoint_url(REGION), status, code, ALWAYS) as store:
        assert back_up(moto, store, bucket) == 2
    assert said in capsys.readouterr().err
    assert keys(moto, bucket) == []
