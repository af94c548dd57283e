"""The backup, end to end: real tables, the real runner, files read independently."""

import base64
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyarrow import dataset

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.objects import all_items, make_bucket, object_store, s3_words
from transforms.archive.digest import ContentDigest
from transforms.archive.manifest import read_manifest

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

ITEMS = 300


def make_item(number: int) -> dict[str, Any]:
    return {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "colour": {"S": "red" if number % 3 == 0 else "blue"},
        "tags": {"SS": ["x", "y"]},
    }


@pytest.fixture
def source(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, "eu-west-1", unique_name(), "id")
    client = moto.dynamodb("eu-west-1")
    for start in range(0, ITEMS, 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": make_item(number)}}
            for number in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={name: requests})
    return name


def backup_words(engine: Engine, source: str, *words: str) -> list[str]:
    endpoint = engine.endpoint_url("eu-west-1")
    return ["backup", "--source", f"eu-west-1/{source}", "--endpoint", endpoint, *words]


def only_backup(root: Path) -> Path:
    (found,) = (root / "AWSDynamoDB").iterdir()
    return found


def lines_of(backup: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)["Item"]
        for path in sorted((backup / "data").iterdir())
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def test_a_backup_is_in_the_layout_of_the_services_exports(moto, source, capsys):
    assert run(backup_words(moto, source, "--to", "kept", "--file-mb", "1")) == 0
    backup = only_backup(Path("kept"))
    assert {path.name for path in backup.iterdir() if path.is_file()} == {
        "_started",
        "beam-dynamodb-manifest.json",
        "beam-dynamodb-manifest.md5",
        "manifest-files.json",
        "manifest-files.md5",
        "manifest-summary.json",
        "manifest-summary.md5",
    }
    found = {item["id"]["S"]: item for item in lines_of(backup)}
    assert found == {f"item-{n}": make_item(n) for n in range(ITEMS)}
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "items: scanned 300; backup: written 300"


def test_checksums_and_counts_of_the_manifests_are_those_of_the_files(moto, source):
    assert run(backup_words(moto, source, "--to", "kept")) == 0
    backup = only_backup(Path("kept"))
    for name in ("manifest-summary", "manifest-files", "beam-dynamodb-manifest"):
        data = (backup / f"{name}.json").read_bytes()
        assert (backup / f"{name}.md5").read_text() == md5(data)
    summary = json.loads((backup / "manifest-summary.json").read_bytes())
    assert summary["itemCount"] == ITEMS
    assert summary["version"] == "2020-06-30"
    (line,) = (backup / "manifest-files.json").read_text().splitlines()
    entry = json.loads(line)
    key = f"AWSDynamoDB/{backup.name}/"
    assert entry["dataFileS3Key"].startswith(f"{key}data/")
    data = (backup / entry["dataFileS3Key"].removeprefix(key)).read_bytes()
    assert entry["md5Checksum"] == md5(data)
    assert entry["itemCount"] == ITEMS


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def test_our_manifest_has_the_table_the_filter_and_the_digest(moto, source):
    client = moto.dynamodb("eu-west-1")
    client.tag_resource(
        ResourceArn=client.describe_table(TableName=source)["Table"]["TableArn"],
        Tags=[{"Key": "team", "Value": "orders"}],
    )
    client.update_time_to_live(
        TableName=source,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    words = ["--to", "kept", "--filter", "colour = 'red'"]
    assert run(backup_words(moto, source, *words)) == 0
    manifest = read_manifest(str(only_backup(Path("kept")).absolute()))
    assert manifest is not None
    red = [
        json.dumps(make_item(number)).encode()
        for number in range(ITEMS)
        if number % 3 == 0
    ]
    assert manifest.content == ContentDigest.of(red)
    assert manifest.filter == "colour = 'red'"
    assert manifest.table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert manifest.table["Tags"] == [{"Key": "team", "Value": "orders"}]
    assert manifest.table["TimeToLive"]["AttributeName"] == "expires"


def test_the_service_imports_the_files_of_a_backup(moto, source):
    bucket = make_bucket(moto)
    words = ["--to", f"s3://{bucket}/some/where", *s3_words(moto)]
    assert run(backup_words(moto, source, *words)) == 0
    keys = [
        each["Key"]
        for each in object_store(moto).list_objects(Bucket=bucket)["Contents"]
    ]
    (data,) = (key for key in keys if "/data/" in key)
    assert not [key for key in keys if "_temporary" in key]
    client = moto.dynamodb("eu-west-1")
    target = unique_name()
    started = client.import_table(
        S3BucketSource={
            "S3Bucket": bucket,
            "S3KeyPrefix": data.rpartition("/")[0] + "/",
        },
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters={
            "TableName": target,
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )["ImportTableDescription"]["ImportArn"]
    done = wait_for_import(client, started)
    assert done["ImportStatus"] == "COMPLETED", done
    assert all_items(moto, "eu-west-1", target) == all_items(moto, "eu-west-1", source)


def wait_for_import(client: Any, arn: str) -> Any:
    while True:
        done = client.describe_import(ImportArn=arn)["ImportTableDescription"]
        if done["ImportStatus"] != "IN_PROGRESS":
            return done


def test_an_empty_table_has_a_backup_too(moto, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, "eu-west-1", unique_name(), "id")
    assert run(backup_words(moto, name, "--to", "kept")) == 0
    manifest = read_manifest(str(only_backup(Path("kept")).absolute()))
    assert manifest is not None
    assert manifest.items == 0
    assert [file.items for file in manifest.files] == [0]  # as the service does


def test_an_empty_table_has_a_parquet_backup_without_files(moto, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, "eu-west-1", unique_name(), "id")
    assert run(backup_words(moto, name, "--to", "kept", "--format", "parquet")) == 0
    (backup,) = Path("kept").iterdir()
    manifest = read_manifest(str(backup.absolute()))
    assert manifest is not None
    assert (manifest.items, manifest.files, manifest.schema) == (0, [], "")


def test_a_dry_run_writes_nothing(moto, source, capsys):
    assert run(backup_words(moto, source, "--to", "kept", "--dry-run")) == 0
    assert not Path("kept").exists()
    assert "dry run" in capsys.readouterr().out


def test_a_bucket_that_is_not_there_is_bad_input(moto, source, capsys):
    words = ["--to", "s3://no-such-bucket-here/x", *s3_words(moto)]
    assert run(backup_words(moto, source, *words)) == 2
    assert "there is no such bucket" in capsys.readouterr().err


def test_a_directory_that_cannot_be_made_is_bad_input(moto, source, capsys):
    Path("file").write_text("no directory")
    assert run(backup_words(moto, source, "--to", "file/below")) == 2
    assert "--to: cannot write" in capsys.readouterr().err


# --- Parquet --------------------------------------------------------------------------


def parquet_files(root: str) -> list[str]:
    return [str(path) for path in sorted(Path(root).rglob("data/**/*.parquet"))]


def test_a_parquet_backup_is_queried_and_sums_up(moto, source):
    words = ["--to", "kept", "--format", "parquet"]
    words += ["--partition-by", "part=substr(colour, 1, 2)"]
    assert run(backup_words(moto, source, *words)) == 0
    with duckdb.connect() as connection:
        (found,) = connection.execute(
            "SELECT count(*), sum(n), count(DISTINCT part), min(tags[1]), "
            "typeof(sum(n)) "
            "FROM read_parquet('kept/*/data/**/*.parquet', hive_partitioning=true)"
        ).fetchall()
    assert found == (ITEMS, sum(range(ITEMS)), 2, "x", "DECIMAL(38,0)")
    table = dataset.dataset(parquet_files("kept"), partitioning="hive").to_table()
    assert len(table) == ITEMS
    assert set(table["part"].to_pylist()) == {"re", "bl"}
    assert sum(table["n"].to_pylist()) == sum(range(ITEMS))


def test_duckdb_counts_and_adds_up_what_beams_own_query_does(moto, source, capsys):
    words = ["--to", "kept", "--format", "parquet"]
    assert run(backup_words(moto, source, *words)) == 0
    sums = "SELECT colour, count(*) AS items, sum(n) AS total FROM {} GROUP BY colour"
    capsys.readouterr()
    assert run(["query", sums.format("'kept/*.parquet'"), "--out", "csv"]) == 0
    beams = sorted(capsys.readouterr().out.splitlines()[1:])
    with duckdb.connect() as connection:
        query = sums.format("read_parquet('kept/**/*.parquet')")
        rows = connection.execute(query).fetchall()
    assert sorted(",".join(map(str, row)) for row in rows) == beams
    assert sum(items for _, items, _ in rows) == ITEMS


def test_nested_values_and_numbers_keep_their_types_and_none_is_a_float(moto, source):
    client = moto.dynamodb("eu-west-1")
    deep: Any = {"M": {"on": {"BOOL": True}, "list": {"L": [{"N": "0.1"}]}}}
    for number in range(3):
        item = {"id": {"S": f"deep-{number}"}, "deep": deep, "n": {"N": "0.30"}}
        client.put_item(TableName=source, Item=item)
    words = [
        "--to",
        "kept",
        "--format",
        "parquet",
        "--filter",
        "attribute_exists(deep)",
    ]
    assert run(backup_words(moto, source, *words)) == 0
    with duckdb.connect() as connection:
        rows = connection.execute(
            'SELECT typeof(deep), typeof(n), deep.list[1]::VARCHAR, deep."on" '
            "FROM read_parquet('kept/**/*.parquet')"
        ).fetchall()
    nested = 'STRUCT(list DECIMAL(38,1)[], "on" BOOLEAN)'
    assert rows == [(nested, "DECIMAL(38,1)", "0.1", True)] * 3


def test_a_backup_goes_into_files_of_the_size_that_was_said(moto, source):
    client = moto.dynamodb("eu-west-1")
    for number in range(12):
        item = {"id": {"S": f"big-{number}"}, "text": {"S": "x" * 300_000}}
        client.put_item(TableName=source, Item=item)
    assert run(backup_words(moto, source, "--to", "kept", "--file-mb", "1")) == 0
    backup = only_backup(Path("kept"))
    manifest = read_manifest(str(backup))
    assert manifest is not None
    assert len(manifest.files) >= 3
    assert len(lines_of(backup)) == manifest.items == ITEMS + 12


def test_beside_a_guessed_schema_nothing_is_lost(moto, source):
    client = moto.dynamodb("eu-west-1")
    odd: Any = {"id": {"S": "odd"}, "n": {"N": "1"}, "none": {"NULL": True}}
    client.put_item(TableName=source, Item=odd)
    assert run(backup_words(moto, source, "--to", "kept", "--format", "parquet")) == 0
    table = dataset.dataset(parquet_files("kept")).to_table(columns=["id", "_rest"])
    (rest,) = [row["_rest"] for row in table.to_pylist() if row["id"] == "odd"]
    assert json.loads(rest) == {"none": {"NULL": True}}


def test_items_that_a_written_schema_does_not_fit_are_kept_with_the_reason(
    moto, source, capsys
):
    client = moto.dynamodb("eu-west-1")
    client.put_item(TableName=source, Item={"id": {"S": "odd"}, "n": {"S": "x"}})
    words = ["--to", "kept", "--format", "parquet", "--schema", "id:string, n:number"]
    assert run(backup_words(moto, source, *words, "--run-dir", "ran")) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "items: scanned 301; backup: written 300, rejected 1"
    (kept,) = Path("ran", "rejected", "backup").iterdir()
    rejected = json.loads(gzip.decompress(kept.read_bytes()))
    assert rejected["reason"] == "attribute 'n': a value of type S in a number column"
    assert rejected["item"]["id"] == {"S": "odd"}
    assert run(backup_words(moto, source, *words, "--on-reject", "fail")) == 3
    assert "does not fit the schema" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--schema", "id:string"], "--schema is for Parquet files"),
        (["--lossless"], "--lossless is for Parquet files"),
        (["--format", "parquet", "--schema", "id:what"], "'what' is no type"),
        (["--format", "parquet", "--partition-by", "a(b)"], "give an attribute"),
        (["--format", "avro"], "none of dynamodb-json, parquet"),
    ],
)
def test_words_that_make_no_sense_are_refused(moto, source, capsys, words, said):
    assert run(backup_words(moto, source, "--to", "kept", *words)) == 2
    assert said in capsys.readouterr().err
    assert not Path("kept").exists()
