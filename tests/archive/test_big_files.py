"""Big backups: cut into files and row groups by size, and read part by part."""

import json
import random
from base64 import b64encode
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.collect import collect
from transforms import Item, ReadFromDynamoDBExport
from transforms.archive import parquet_format, write_files
from transforms.archive.manifest import Manifest, read_manifest
from transforms.archive.parquet_format import ParquetFormat
from transforms.archive.parquet_types import parse_schema
from transforms.archive.sources import find_backup
from transforms.archive.write_backup import finish_backup, name_file
from transforms.archive.write_files import BackupSpec

MIB = 1024 * 1024


def test_a_row_group_is_closed_at_128_mb(tmp_path: Path):
    written = ParquetFormat(tmp_path / "x", parse_schema("a:string"), lossless=False)
    size = 390_000
    text = "x" * size
    wires = [json.dumps({"a": {"S": text}}).encode()] * 20
    rows = 400
    for _ in range(rows // len(wires)):
        written.add(wires)
    written.finish()
    metadata = pq.ParquetFile(tmp_path / "x").metadata
    groups = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    assert sum(groups) == rows
    assert 128 * MIB <= groups[0] * size < 128 * MIB + 20 * size
    assert len(groups) == 2


def test_a_file_is_256_mb_where_nothing_else_is_said():
    assert write_files.FILE_BYTES == 256 * MIB
    assert BackupSpec(directory="", head=head("", "parquet")).file_bytes == 256 * MIB


def head(directory: str, form: str, schema: str | None = None) -> Manifest:
    return Manifest(
        format_version=1,
        backup_id=Path(directory).name,
        run_id="run",
        format=form,
        source="eu-west-1/t",
        table={},
        started="",
        ended="",
        items=0,
        digest="0" * 32,
        filter=None,
        columns=None,
        lossless=False,
        schema=schema,
        partition_by=None,
        versions={},
        files=[],
    )


def some_items(count: int) -> list[bytes]:
    noise = random.Random(7)
    return [
        json.dumps(
            {
                "id": {"S": f"{number}"},
                "noise": {"B": b64encode(noise.randbytes(300)).decode()},
            }
        ).encode()
        for number in range(count)
    ]


@pytest.mark.parametrize("form", ["parquet", "dynamodb-json"])
def test_every_part_of_a_big_backup_is_read_once_by_a_worker_of_its_own(
    tmp_path, monkeypatch, form
):
    directory = str(tmp_path / "AWSDynamoDB" / "backup")
    schema = "id:string, noise:binary" if form == "parquet" else None
    spec = BackupSpec(
        directory=directory,
        head=head(directory, form, schema),
        schema=None if schema is None else parse_schema(schema),
    )
    defaults = parquet_format.ParquetFormat.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "row_group_bytes", 20_000)
    wires = some_items(600)
    records = []
    for start in range(0, 600, 200):  # three files, as when each is full
        file = spec.open_file("")
        for at in range(start, start + 200, 20):
            file.add(wires[at : at + 20])
        records.append(name_file(spec, file.finish()))
    finish_backup(spec, records)
    manifest = read_manifest(directory)
    assert manifest is not None
    parts = find_backup(directory).parts
    assert [part.number for part in parts] == list(range(len(parts)))
    if form == "parquet":
        assert {file.row_groups for file in manifest.files} == {3}
        assert len(parts) == 9
        assert {part.row_group for part in parts} == {0, 1, 2}
    else:
        assert len(parts) == len({part.path for part in parts}) == 3
    found = collect(ReadFromDynamoDBExport(directory))
    assert sorted(item["id"] for item in found) == sorted(map(str, range(600)))
    assert all(item in [Item(wire) for wire in wires] for item in found[:20])
