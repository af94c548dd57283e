"""The restore, end to end: backups and exports into real tables."""

import gzip
import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.objects import all_items, make_bucket, object_store, s3_words

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

Item = dict[str, Any]
ITEMS = 60
TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/T"
REGION = "eu-west-1"


def make_item(number: int) -> Item:
    return {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "tags": {"SS": ["x", "y"]},
        "rest": {"M": {"list": {"L": [{"NULL": True}, {"B": b"\x00\x01"}]}}},
    }


def put_items(engine: Engine, name: str, items: list[Item]) -> None:
    client = engine.dynamodb(REGION)
    for start in range(0, len(items), 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": item}} for item in items[start : start + 25]
        ]
        client.batch_write_item(RequestItems={name: requests})


@pytest.fixture
def source(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, REGION, unique_name(), "id")
    put_items(moto, name, [make_item(number) for number in range(ITEMS)])
    return name


@pytest.fixture
def restore(moto: Engine, capsys: Any) -> Callable[..., tuple[int, str]]:
    """Restores, and returns exit code and the last line of the right stream."""

    def call(*words: str, after: tuple[str, ...] = ()) -> tuple[int, str]:
        capsys.readouterr()
        endpoint = moto.endpoint_url(REGION)
        code = run(["restore", "--endpoint", endpoint, *words, *after])
        said = capsys.readouterr()
        return code, (said.err if code > 1 else said.out).splitlines()[-1]

    return call


def backup(engine: Engine, source: str, to: str, *after: str) -> None:
    endpoint = engine.endpoint_url(REGION)
    words = ["--source", f"{REGION}/{source}", "--endpoint", endpoint, "--to", to]
    assert run(["backup", *words, *after]) == 0


def only_backup(root: str) -> Path:
    (found,) = Path(root, "AWSDynamoDB").iterdir()
    return found


# --- our own backups ------------------------------------------------------------------


def test_a_restored_table_is_what_was_backed_up(moto, source, restore):
    backup(moto, source, "kept")
    target = make_table(moto, REGION, unique_name(), "id")
    code, last = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert (code, last) == (0, f"items: scanned 60; {REGION}: written 60")
    assert all_items(moto, REGION, target) == all_items(moto, REGION, source)


def test_a_ledger_is_a_table_beside_the_first_that_is_written(moto, source, restore):
    backup(moto, source, "kept")
    target = make_table(moto, "us-west-2", unique_name(), "id")
    ledger = unique_name()
    words = ["--backup", "kept", "--run-dir", "ran", "--ledger", f"dynamodb:{ledger}"]
    assert restore(*words, "--to", f"us-west-2/{target}")[0] == 0
    assert moto.dynamodb("us-west-2").scan(TableName=ledger)["Count"] > 0


def test_a_backup_on_s3_goes_to_two_regions_each_in_its_own_way(moto, source, restore):
    bucket = make_bucket(moto)
    path = f"s3://{bucket}/below"
    backup(moto, source, path, *s3_words(moto))
    west = make_table(moto, "us-west-2", unique_name(), "id")
    east = make_table(moto, "us-east-1", unique_name(), "id")
    words = ["--backup", path, "--to", f"us-west-2/{west}", "--filter", "n < :n"]
    words[-1] = "n < 10"
    words += ["--columns", "id,n:number", "--to", f"us-east-1/{east}"]
    code, last = restore(*words, after=tuple(s3_words(moto)))
    assert code == 0, last
    assert last == (
        "items: scanned 60; us-west-2: written 10, filtered 50; us-east-1: written 60"
    )
    assert all_items(moto, "us-east-1", east) == all_items(moto, REGION, source)
    assert all_items(moto, "us-west-2", west)["item-3"] == {
        "id": {"S": "item-3"},
        "number": {"N": "3"},
    }


def test_a_table_is_made_as_it_was(moto, restore, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = moto.dynamodb(REGION)
    name, target = unique_name(), unique_name()
    client.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "day", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "team", "Value": "orders"}],
    )
    client.update_time_to_live(
        TableName=name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    backup(moto, name, "kept")
    words = ["--backup", "kept", "--create-table", "--to", f"{REGION}/{target}"]
    code, last = restore(*words)
    assert code == 0, last
    made = client.describe_table(TableName=target)["Table"]
    assert made["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert made["GlobalSecondaryIndexes"][0]["IndexName"] == "by-day"
    ttl = client.describe_time_to_live(TableName=target)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "expires"
    tags = client.list_tags_of_resource(ResourceArn=made["TableArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "orders"}]
    code, error = restore(*words)
    assert code == 2
    assert "exists; leave out --create-table" in error


def test_a_target_with_another_key_is_refused(moto, source, restore):
    backup(moto, source, "kept")
    target = make_table(moto, REGION, unique_name(), "id", "n:N")
    code, error = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert code == 2
    assert "the keys differ" in error


PARQUET = {
    "guessed": ["--numbers", "decimal"],
    "strings": ["--numbers", "string"],
    "lossless": ["--lossless"],
    "partitioned": ["--partition-by", "substr(id, 1, 6)", "--file-mb", "1"],
}


@pytest.mark.parametrize("form", PARQUET.values(), ids=PARQUET)
def test_a_table_comes_back_from_parquet(moto, source, restore, form):
    put_items(moto, source, ODD)
    backup(moto, source, "kept", "--format", "parquet", *form)
    target = make_table(moto, REGION, unique_name(), "id")
    code, last = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert (code, last) == (0, f"items: scanned 63; {REGION}: written 63")
    assert all_items(moto, REGION, target) == all_items(moto, REGION, source)


ODD = [
    {"id": {"S": "odd-1"}, "n": {"S": "text, not a number"}, "new": {"NULL": True}},
    {"id": {"S": "odd-2"}, "n": {"N": "-1E-130"}, "rest": {"M": {}}},
    {"id": {"S": "odd-3"}, "n": {"N": "9" * 38}, "rest": {"L": [{"BOOL": False}]}},
]


def test_a_damaged_parquet_file_is_found_before_anything_is_written(
    moto, source, restore
):
    backup(moto, source, "kept", "--format", "parquet")
    (path,) = Path("kept").iterdir()
    flip_a_byte(path)
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert code == 2
    assert ".parquet has the MD5" in error
    assert all_items(moto, REGION, target) == {}


# --- damage: found before anything is written, and named ------------------------------


def data_file(root: str) -> Path:
    (found,) = (only_backup(root) / "data").iterdir()
    return found


def drop_entry(path: Path) -> None:
    manifest = path / "beam-dynamodb-manifest.json"
    said = json.loads(manifest.read_bytes())
    said["files"] = []
    rewrite(manifest, said)


def rewrite(manifest: Path, said: Any) -> None:
    data = json.dumps(said).encode()
    manifest.write_bytes(data)
    digest = hashlib.md5(data).digest()
    manifest.with_suffix(".md5").write_text(b64encode(digest).decode())


def flip_a_byte(path: Path) -> None:
    (file,) = (path / "data").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut_off(path: Path) -> None:
    (file,) = (path / "data").iterdir()
    file.write_bytes(file.read_bytes()[:-9])


def next_version(path: Path) -> None:
    manifest = path / "beam-dynamodb-manifest.json"
    said = json.loads(manifest.read_bytes())
    said["format_version"] = 99
    rewrite(manifest, said)


def alter_manifest(path: Path) -> None:
    manifest = path / "beam-dynamodb-manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"table.", b"tuble."))


DAMAGE = {
    "an altered file": (flip_a_byte, "it was altered or cut off; nothing was restored"),
    "a truncated file": (cut_off, "it was cut off or altered"),
    "a missing file": (
        lambda path: next((path / "data").iterdir()).unlink(),
        "is missing, and",
    ),
    "a missing entry": (drop_entry, "an entry is missing"),
    "another version": (next_version, "has format version 99"),
    "an altered manifest": (alter_manifest, "it was altered or cut off"),
    "no manifest": (
        lambda path: (path / "beam-dynamodb-manifest.json").unlink(),
        None,
    ),
    "a file of nobody's": (
        lambda path: (path / "data" / "extra.json.gz").write_bytes(b"x"),
        "has no entry in",
    ),
}


@pytest.mark.parametrize(
    ("damage", "said"),
    [pytest.param(*case, id=name) for name, case in DAMAGE.items() if case[1]],
)
def test_damage_is_found_before_anything_is_written(
    moto, source, restore, damage, said
):
    backup(moto, source, "kept")
    damage(only_backup("kept"))
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert code == 2, error
    assert said in error
    assert "kept" in error
    assert all_items(moto, REGION, target) == {}


def test_a_crash_between_data_and_manifest_leaves_no_backup(moto, source, restore):
    backup(moto, source, "kept")
    for path in only_backup("kept").glob("*manifest*"):
        path.unlink()
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert code == 2
    assert "it is no backup, or one that did not finish" in error


def test_one_of_several_backups_must_be_named(moto, source, restore):
    backup(moto, source, "kept")
    backup(moto, source, "kept")
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", "kept", "--to", f"{REGION}/{target}")
    assert code == 2
    assert "holds 2 backups; name one: AWSDynamoDB/" in error
    one = min(Path("kept", "AWSDynamoDB").iterdir())
    assert restore("--backup", str(one), "--to", f"{REGION}/{target}")[0] == 0


# --- the service's exports ------------------------------------------------------------


def test_an_export_of_the_service_without_manifest_is_read_where_asked_for(
    moto, source, restore
):
    bucket = make_bucket(moto)
    client = moto.dynamodb(REGION)
    client.update_continuous_backups(
        TableName=source,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    arn = client.describe_table(TableName=source)["Table"]["TableArn"]
    client.export_table_to_point_in_time(
        TableArn=arn, S3Bucket=bucket, S3Prefix="ex", ExportFormat="DYNAMODB_JSON"
    )
    while not object_store(moto).list_objects(Bucket=bucket).get("Contents"):
        pass  # moto writes one object, in a thread
    target = make_table(moto, REGION, unique_name(), "id")
    words = ["--backup", f"s3://{bucket}/ex", "--to", f"{REGION}/{target}"]
    after = tuple(s3_words(moto))
    assert restore(*words, after=after)[0] == 2
    code, last = restore(*words, "--no-manifest", after=after)
    assert (code, last) == (0, f"items: scanned 60; {REGION}: written 60")
    assert all_items(moto, REGION, target) == all_items(moto, REGION, source)


def write_export(
    root: Path,
    export_id: str,
    files: dict[str, list[bytes]],
    *,
    form: str = "DYNAMODB_JSON",
    moments: tuple[str, ...] = ("2026-11-01T00:00:00.000Z",),
) -> Path:
    """Writes an export as AWS documents its layout: full, or between two moments."""
    directory = root / "AWSDynamoDB" / export_id
    incremental = len(moments) == 2
    data = directory.parent / "data" if incremental else directory / "data"
    for each in (directory, data):
        each.mkdir(parents=True, exist_ok=True)
    (directory / "_started").write_bytes(b"")
    entries = []
    for name, lines in files.items():
        packed = gzip.compress(b"".join(line + b"\n" for line in lines))
        (data / name).write_bytes(packed)
        entries.append(
            {
                "itemCount": len(lines),
                "md5Checksum": b64encode(hashlib.md5(packed).digest()).decode(),
                "etag": "af83d6f217c19b8b0fff8023d8ca4716-1",
                "dataFileS3Key": f"pre/fix/{(data / name).relative_to(root)}",
            }
        )
    summary = {
        "version": "2023-08-01" if incremental else "2020-06-30",
        "exportArn": f"{TABLE_ARN}/export/{export_id}",
        "tableArn": TABLE_ARN,
        "itemCount": sum(map(len, files.values())),
        "outputFormat": form,
        "exportType": "INCREMENTAL_EXPORT" if incremental else "FULL_EXPORT",
    }
    if incremental:
        summary |= {
            "exportFromTime": moments[0],
            "exportToTime": moments[1],
            "outputView": "NEW_AND_OLD_IMAGES",
        }
    else:
        summary |= {"exportTime": moments[0]}
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    for name, content in (
        ("manifest-files", text),
        ("manifest-summary", json.dumps(summary)),
    ):
        (directory / f"{name}.json").write_text(content)
        digest = b64encode(hashlib.md5(content.encode()).digest()).decode()
        (directory / f"{name}.md5").write_text(digest)
    return directory


def change_line(
    key: str, micros: int, image: Item | None, *, old: bool = True
) -> bytes:
    keys = {"id": {"S": key}}
    record: Item = {
        "Metadata": {"WriteTimestampMicros": {"N": str(micros)}},
        "Keys": keys,
    }
    if old:
        record["OldImage"] = keys | {"n": {"N": "0"}}
    if image is not None:
        record["NewImage"] = image
    return json.dumps(record).encode()


def item_line(item: Item) -> bytes:
    def base64(raw: bytes) -> str:
        return b64encode(raw).decode()

    return json.dumps({"Item": item}, default=base64).encode()


NEWER = {"id": {"S": "item-1"}, "n": {"N": "1001"}}
NEWEST = {"id": {"S": "item-1"}, "n": {"N": "1002"}}
ADDED = {"id": {"S": "new"}, "n": {"N": "7"}}


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """A full export of five items, and the changes of two days after it."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "exports"
    lines = [item_line(make_item(number)) for number in range(5)]
    full = write_export(
        root,
        "01-full",
        {"a.json.gz": lines[:3], "b.json.gz": lines[3:], "c.json.gz": []},
    )
    first = write_export(
        root,
        "02-inc",
        {
            "d.json.gz": [
                change_line("item-1", 10, NEWER),
                change_line("item-2", 11, None),
            ]
        },
        moments=("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z"),
    )
    second = write_export(
        root,
        "03-inc",
        {
            "e.json.gz": [change_line("item-1", 20, NEWEST)],
            "f.json.gz": [
                change_line("new", 21, ADDED, old=False),
                change_line("item-3", 22, None, old=False),
            ],
        },
        moments=("2026-11-02T00:00:00.000Z", "2026-11-03T00:00:00.000Z"),
    )
    return full, first, second


def test_incremental_exports_are_applied_newest_wins_and_deletes_too(
    moto, exports, restore
):
    full, first, second = exports
    target = make_table(moto, REGION, unique_name(), "id")
    words = ["--backup", str(full), "--changes", f"{second},{first}"]
    code, last = restore(*words, "--to", f"{REGION}/{target}")
    assert code == 0, last
    assert last == f"items: scanned 10; {REGION}: written 9, superseded 1"
    assert all_items(moto, REGION, target) == {
        "item-0": make_item(0),
        "item-1": NEWEST,
        "item-4": make_item(4),
        "new": ADDED,
    }


def test_changes_alone_are_applied_to_what_is_there(moto, exports, restore):
    _, first, _ = exports
    target = make_table(moto, REGION, unique_name(), "id")
    put_items(moto, target, [make_item(number) for number in range(3)])
    code, last = restore("--changes", str(first), "--to", f"{REGION}/{target}")
    assert (code, last) == (0, f"items: scanned 2; {REGION}: written 2")
    assert all_items(moto, REGION, target) == {
        "item-0": make_item(0),
        "item-1": NEWER,
    }


def test_an_item_that_no_longer_passes_a_filter_is_deleted(moto, exports, restore):
    full, first, second = exports
    target = make_table(moto, REGION, unique_name(), "id")
    words = ["--backup", str(full), "--changes", f"{first},{second}"]
    words += ["--to", f"{REGION}/{target}", "--filter", "n < 1000"]
    code, last = restore(*words)
    assert code == 0, last
    assert set(all_items(moto, REGION, target)) == {"item-0", "item-4", "new"}


def test_a_gap_between_exports_is_refused(moto, exports, restore):
    full, _, second = exports
    target = make_table(moto, REGION, unique_name(), "id")
    words = ["--backup", str(full), "--changes", str(second)]
    code, error = restore(*words, "--to", f"{REGION}/{target}")
    assert code == 2
    assert "the changes between are missing" in error


def test_an_incremental_export_is_no_base(moto, exports, restore):
    _, first, _ = exports
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", str(first), "--to", f"{REGION}/{target}")
    assert code == 2
    assert "holds changes alone" in error


def test_an_entry_that_is_missing_from_the_services_manifest_is_found(
    moto, exports, restore
):
    full, _, _ = exports
    manifest = full / "manifest-files.json"
    kept = manifest.read_text().splitlines(keepends=True)[1:]
    manifest.write_text("".join(kept))
    digest = hashlib.md5(manifest.read_bytes()).digest()
    (full / "manifest-files.md5").write_text(b64encode(digest).decode())
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", str(full), "--to", f"{REGION}/{target}")
    assert code == 2
    assert "an entry is missing or was altered" in error


def test_a_line_that_is_no_item_is_named(moto, tmp_path, monkeypatch, restore):
    monkeypatch.chdir(tmp_path)
    lines = [item_line(make_item(0)), b'{"item": {}}']
    full = write_export(tmp_path / "x", "01", {"a.json.gz": lines})
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", str(full), "--to", f"{REGION}/{target}")
    assert code == 2
    assert "a.json.gz, line 2: not" in error


ION_ITEMS = [
    (
        b'$ion_1_0 {Item:{id:"item-1",Authors:$dynamodb_SS::["A","B"],Id:103.,'
        b"InPublication:false,PageCount:6d2,blob:{{AAE=}},"
        b"bs:$dynamodb_BS::[{{AAE=}}],ns:$dynamodb_NS::[1.,2.5],none:null,"
        b'list:[1.5,"x",{deep:true}],empty:{}}}'
    ),
    b'$ion_1_0 {Item:{id:"item-2"}}',
]
ION_CHANGES = [
    (
        b'$ion_1_0 {Record:{Keys:{id:"item-2"},Metadata:{WriteTimestampMicros:'
        b'1684374845117899.},OldImage:{id:"item-2"}}}'
    ),
    (
        b'$ion_1_0 {Record:{Keys:{id:"item-3"},Metadata:{WriteTimestampMicros:'
        b'1684374845117900.},NewImage:{id:"item-3",n:2d3}}}'
    ),
]


def test_exports_in_ion_are_read(moto, tmp_path, monkeypatch, restore):
    monkeypatch.chdir(tmp_path)
    full = write_export(tmp_path, "01", {"a.ion.gz": ION_ITEMS}, form="ION")
    after = write_export(
        tmp_path,
        "02",
        {"b.ion.gz": ION_CHANGES},
        form="ION",
        moments=("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z"),
    )
    target = make_table(moto, REGION, unique_name(), "id")
    words = ["--backup", str(full), "--changes", str(after)]
    code, last = restore(*words, "--to", f"{REGION}/{target}")
    assert code == 0, last
    found = all_items(moto, REGION, target)
    assert found["item-1"] == {
        "id": {"S": "item-1"},
        "Authors": {"SS": ["A", "B"]},
        "Id": {"N": "103"},
        "InPublication": {"BOOL": False},
        "PageCount": {"N": "600"},
        "blob": {"B": b"\x00\x01"},
        "bs": {"BS": [b"\x00\x01"]},
        "ns": {"NS": ["1", "2.5"]},
        "none": {"NULL": True},
        "list": {"L": [{"N": "1.5"}, {"S": "x"}, {"M": {"deep": {"BOOL": True}}}]},
        "empty": {"M": {}},
    }
    assert found["item-3"] == {"id": {"S": "item-3"}, "n": {"N": "2000"}}
    assert set(found) == {"item-1", "item-3"}


# --- the old connector's files --------------------------------------------------------


def write_emr_export(root: Path, version: int = 3) -> Path:
    directory = root / "emr"
    directory.mkdir()
    lines = [
        b'{"id":{"s":"1"},"n":{"n":"5"},"f":{"bOOL":true},"l":{"l":[{"nULLValue":true}]}}',
        b'{"id":{"s":"2"},"ss":{"sS":["a"]},"m":{"m":{"k":{"ns":["1","2"]}}}}',
        b'{"id":{"S":"3"},"b":{"b":"AAE="},"x":{"null":true}}',
    ]
    (directory / "part-1").write_bytes(b"\n".join(lines[:2]) + b"\n")
    (directory / "part-2").write_bytes(gzip.compress(lines[2] + b"\n"))
    entries = [
        {"url": f"s3://old/place/{name}", "mandatory": True}
        for name in ("part-1", "part-2")
    ]
    manifest = {"name": "DynamoDB-export", "version": version, "entries": entries}
    (directory / "manifest").write_text(json.dumps(manifest))
    (directory / "_SUCCESS").write_bytes(b"")
    return directory


def test_files_of_the_emr_connector_are_read(moto, tmp_path, monkeypatch, restore):
    monkeypatch.chdir(tmp_path)
    export = write_emr_export(tmp_path)
    target = make_table(moto, REGION, unique_name(), "id")
    code, last = restore("--backup", str(export), "--to", f"{REGION}/{target}")
    assert (code, last) == (0, f"items: scanned 3; {REGION}: written 3")
    assert all_items(moto, REGION, target) == {
        "1": {
            "id": {"S": "1"},
            "n": {"N": "5"},
            "f": {"BOOL": True},
            "l": {"L": [{"NULL": True}]},
        },
        "2": {
            "id": {"S": "2"},
            "ss": {"SS": ["a"]},
            "m": {"M": {"k": {"NS": ["1", "2"]}}},
        },
        "3": {"id": {"S": "3"}, "b": {"B": b"\x00\x01"}, "x": {"NULL": True}},
    }


def test_another_version_of_the_connectors_manifest_is_refused(
    moto, tmp_path, monkeypatch, restore
):
    monkeypatch.chdir(tmp_path)
    export = write_emr_export(tmp_path, version=4)
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", str(export), "--to", f"{REGION}/{target}")
    assert code == 2
    assert "has version 4" in error


UNPACKABLE = {
    "truncated": lambda data: data[:-9],
    "altered": lambda data: data[:10] + b"\xff" + data[11:],
    "another checksum": lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],
}


@pytest.mark.parametrize("how", UNPACKABLE)
def test_a_damaged_file_of_the_connector_is_found_before_anything_is_written(
    moto, tmp_path, monkeypatch, restore, how
):
    monkeypatch.chdir(tmp_path)
    export = write_emr_export(tmp_path)
    packed = export / "part-2"
    packed.write_bytes(UNPACKABLE[how](packed.read_bytes()))
    target = make_table(moto, REGION, unique_name(), "id")
    code, error = restore("--backup", str(export), "--to", f"{REGION}/{target}")
    assert code == 2
    assert "part-2 is cut off or altered" in error
    assert all_items(moto, REGION, target) == {}
