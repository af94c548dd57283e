"""Exports as a source and as a sink of pipelines of one's own."""

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from tests.support.collect import collect
from transforms import (
    BackupResult,
    Item,
    ReadFromDynamoDBExport,
    UserError,
    WriteToDynamoDBExport,
)
from transforms.archive.errors import DamagedBackupError
from transforms.archive.manifest import read_manifest

ITEMS = [
    Item(json.dumps({"id": {"S": f"{n}"}, "n": {"N": str(n)}}).encode())
    for n in range(50)
]


def write(to: Path, **arguments: Any) -> WriteToDynamoDBExport:
    sink = WriteToDynamoDBExport(str(to), **arguments)
    with beam.Pipeline() as pipeline:
        result = pipeline | beam.Create(ITEMS) | sink
        assert isinstance(result, BackupResult)
        counts = result.manifest | beam.Map(lambda manifest: manifest.items)
        assert_that(counts, equal_to([len(ITEMS)]))
    return sink


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {
            "format": "parquet",
            "schema": "id:string, n:number",
            "partition_by": "half=substr(id, 1, 1)",
        },
        {"format": "parquet", "schema": "id:string", "lossless": True},
    ],
)
def test_what_a_pipeline_writes_another_reads(tmp_path, arguments):
    sink = write(tmp_path, **arguments)
    manifest = read_manifest(sink.directory)
    assert manifest is not None
    assert manifest.items == len(ITEMS)
    found = collect(ReadFromDynamoDBExport(sink.directory))
    assert sorted(item["n"] for item in found) == list(range(len(ITEMS)))
    assert all(item in ITEMS for item in found)


def test_nothing_leaves_before_every_file_was_found_whole(tmp_path):
    sink = write(tmp_path)
    (data,) = Path(sink.directory, "data").iterdir()
    data.write_bytes(data.read_bytes()[:-3] + b"abc")
    with pytest.raises(Exception, match=f"{data.name} has the MD5") as raised:
        collect(ReadFromDynamoDBExport(sink.directory))
    assert "DamagedBackupError" in repr(raised.value) or isinstance(
        raised.value, DamagedBackupError
    )


def test_files_without_a_manifest_are_read_where_that_is_asked_for(tmp_path):
    sink = write(tmp_path)
    for path in Path(sink.directory).glob("*manifest*"):
        path.unlink()
    with pytest.raises(Exception, match="it is no backup, or one that did not finish"):
        collect(ReadFromDynamoDBExport(sink.directory))
    found = collect(ReadFromDynamoDBExport(sink.directory, needs_manifest=False))
    assert len(found) == len(ITEMS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"format": "parquet"}, "needs its columns"),
        ({"lossless": True}, "are for Parquet"),
        ({"format": "parquet", "schema": "id:what"}, "'what' is no type"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, said):
    with pytest.raises(UserError, match=said):
        WriteToDynamoDBExport("anywhere", **arguments)
