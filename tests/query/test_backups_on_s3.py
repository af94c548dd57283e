"""Backups on a real S3 server as tables of a query, beside a live table."""

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.s3_server import S3Server

pytestmark = [pytest.mark.s3, pytest.mark.emulator]

REGION = "eu-west-1"
BUCKET = "query-backups"
SCHEMA = ["--schema", "id VARCHAR, colour VARCHAR, n BIGINT"]
FORMATS = {
    "parquet --lossless": "*.parquet",
    "dynamodb-json": "*.json.gz",
}


@pytest.fixture
def birds(
    moto: Engine,
    s3_server: S3Server,
    engine_credentials,
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A table of forty items, of which the backups below are made."""
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, REGION, unique_name("birds"), "id")
    for number in range(40):
        moto.dynamodb(REGION).put_item(
            TableName=name,
            Item={
                "id": {"S": f"{number:02}"},
                "colour": {"S": "red" if number % 4 == 0 else "blue"},
                "n": {"N": str(number)},
            },
        )
    # moto takes any keys; S3 must find its own where boto3 looks for them.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    for variable, value in s3_server.credentials().items():
        monkeypatch.setenv(variable, value)
    client = s3_server.client()
    if BUCKET not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=BUCKET)
    return name


@pytest.mark.parametrize("form", FORMATS)
def test_a_backup_on_s3_is_joined_with_a_live_table(
    moto, s3_server, birds, capsys, form
):
    place, files = f"s3://{BUCKET}/{birds}/{form[:4]}", FORMATS[form]
    endpoint = ["--endpoint", moto.endpoint_url(REGION)]
    source = ["--source", f"{REGION}/{birds}", *endpoint, "--to", place]
    assert run(["backup", *source, "--format", *form.split(), *s3_server.words()]) == 0
    # What has changed since: the live table alone knows.
    moto.dynamodb(REGION).put_item(
        TableName=birds,
        Item={"id": {"S": "08"}, "colour": {"S": "green"}, "n": {"N": "8"}},
    )
    sql = (
        "SELECT old.id, old.colour AS was, new.colour AS is_now "
        f"FROM '{place}/{files}' AS old JOIN birds AS new USING (id) "
        "WHERE old.colour <> new.colour AND old.n BETWEEN 4 AND 30"
    )
    live = ["--table", f"birds={REGION}/{birds}", *endpoint, *SCHEMA, "--out", "csv"]
    capsys.readouterr()
    for flags in ([], ["--runner=DirectRunner", *s3_server.words()[1:]]):
        assert run(["query", sql, *live, *(["--", *flags] if flags else [])]) == 0
        assert capsys.readouterr().out == "id,was,is_now\n08,red,green\n"
    count = f"SELECT count(*) AS n FROM '{place}/{files}' WHERE colour = 'red'"
    assert run(["query", count, "--out", "csv"]) == 0
    assert capsys.readouterr().out == "n\n10\n"


@pytest.mark.usefixtures("birds")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        (f"s3://{BUCKET}/nobody/*.parquet", "there is no file"),
        ("s3://nobody-has-this/x/*.parquet", "nobody-has-this"),
    ],
)
def test_a_bucket_that_is_not_there_and_no_files_are_said(capsys, place, message):
    assert run(["query", f"SELECT * FROM '{place}'"]) == 2
    assert message in capsys.readouterr().err
