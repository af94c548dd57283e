"""Exports and backups for pipelines of one's own: a source and a sink of items.

ReadFromDynamoDBExport(path)  path --manifests--> parts --all checked--> Item
WriteToDynamoDBExport(to)     Item --> files --> manifests, ours last
"""

import platform
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PBegin

from transforms.archive.digest import ContentDigest
from transforms.archive.export_layout import EXPORTS
from transforms.archive.files import join
from transforms.archive.manifest import FORMAT_VERSION, Manifest
from transforms.archive.parquet_types import Schema, parse_schema
from transforms.archive.partitions import parse_partition_by
from transforms.archive.read_backup import CheckParts, ReadParts
from transforms.archive.sources import Part, find_backup, find_data_files
from transforms.archive.write_backup import BackupResult, WriteBackup
from transforms.archive.write_files import FILE_BYTES, BackupFormat, BackupSpec
from transforms.dynamodb.errors import UserError
from transforms.items import Item
from transforms.receipts import OnReject
from transforms.run_context import RunContext
from transforms.throttle.clock import SystemClock
from transforms.timestamps import iso_utc

__all__ = [
    "ReadFromDynamoDBExport",
    "WriteToDynamoDBExport",
    "begin_manifest",
    "new_directory",
]


@dataclass(eq=False, kw_only=True)
class ReadFromDynamoDBExport(beam.PTransform[PBegin, beam.PCollection[Item]]):
    """Reads the items of an export or a backup, without a read unit of the table's.

    Manifests and the checksum of every file are verified before the first item leaves.
    Nothing is looked at before the pipeline runs.

    Args:
        path: on any Beam file system, the only positional argument: a full export of
            the service's (DynamoDB JSON or Ion), a backup of ours, an export of the
            EMR connector's, or a directory with a single one of them in it.
        needs_manifest: False takes every data file below `path`, though no manifest
            vouches for them.
        run: the run it belongs to, for progress.

    Raises (in the worker):
        UnreadableBackupError: there is no such thing at `path`, or an incremental one.
        DamagedBackupError: a file is not what its manifest says; names it.
    """

    path: str = field(kw_only=False)
    needs_manifest: bool = True
    run: RunContext | None = None

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pbegin: PBegin) -> beam.PCollection[Item]:
        """Returns the items of the export."""
        parts = (
            pbegin
            | "Export" >> beam.Create([self.path])
            | "Find its files"
            >> beam.FlatMap(
                full_parts, needs_manifest=self.needs_manifest
            ).with_output_types(Part)
        )
        verified = parts | "Check every file" >> CheckParts(self.run)
        items: beam.PCollection[Item] = parts | "Read" >> ReadParts(verified, self.run)
        return items

    def with_schema(
        self, schema: Any, misfits: Literal["error", "null"] = "error"
    ) -> "beam.PTransform[PBegin, beam.PCollection[Any]]":
        """Returns the same items as beam Rows; see `ReadFromDynamoDB.with_schema`.

        Raises:
            UserError: the schema cannot be read.
        """
        # Queries stand above archives; this one line looks up, when it is asked to.
        typed_scan = import_module("transforms.query.typed_scan")
        rows: beam.PTransform[PBegin, beam.PCollection[Any]]
        rows = typed_scan.ReadExportRows(self, schema, misfits)
        return rows


def full_parts(path: str, *, needs_manifest: bool) -> Iterator[Part]:
    """Yields the parts of a full export.

    Raises:
        UserError: it holds changes, which are no items by themselves.
    """
    found = find_backup(path) if needs_manifest else find_data_files(path)
    if found.kind != "full":
        raise UserError(
            f"{path} is an incremental export, which holds changes alone; name the "
            "full one before it, or apply it by beam-dynamodb restore --changes"
        )
    yield from found.parts


@dataclass(eq=False, kw_only=True)
class WriteToDynamoDBExport(beam.PTransform[beam.PCollection[Item], BackupResult]):
    """Writes items as the service exports them, or as Parquet, with a manifest last.

    Args:
        to: where; the backup gets a new directory in it. The only positional argument.
        format: "dynamodb-json", which ImportTable, Glue and Athena read, or "parquet".
        schema: Parquet's columns, as ``"id:string, price:decimal(12,2)"``.
        partition_by: Parquet's directories, as ``"month=substr(day, 1, 7)"``.
        lossless: Parquet: adds the column ``_item``, each item in DynamoDB JSON.
        file_bytes: a file is closed when it holds this much, uncompressed.
        on_reject: what becomes of an item that does not fit the schema.
        source: what the manifest says the items are from.
        run: the run it belongs to, for progress.

    Attributes:
        directory: of this backup.

    Raises:
        UserError: arguments that do not go together; a schema that does not parse.
    """

    to: str = field(kw_only=False)
    format: BackupFormat = "dynamodb-json"
    schema: str | None = None
    partition_by: str | None = None
    lossless: bool = False
    file_bytes: int = FILE_BYTES
    on_reject: OnReject = "fail"
    source: str = "a pipeline"
    run: RunContext | None = None

    def __post_init__(self) -> None:
        """Refuses what has no meaning for the format."""
        super().__init__()
        is_parquet = self.format == "parquet"
        if is_parquet and self.schema is None:
            raise UserError(
                'format="parquet" needs its columns; give schema="id:string"'
            )
        if not is_parquet and (self.schema or self.partition_by or self.lossless):
            raise UserError(
                "schema, partition_by and lossless are for Parquet; give "
                'format="parquet" too'
            )
        self._schema = parse_schema(self.schema) if self.schema else None
        self._partition_by = (
            parse_partition_by(self.partition_by) if self.partition_by else None
        )
        self.directory = new_directory(self.to, self.format)

    def expand(self, pcoll: beam.PCollection[Item]) -> BackupResult:
        """Returns the manifest, and the rejected items if they are collected."""
        spec = BackupSpec(
            directory=self.directory,
            head=begin_manifest(
                self.directory,
                run_id=self.run.run_id if self.run else "",
                source=self.source,
                table={},
                schema=self._schema,
                partition_by=self.partition_by,
                lossless=self.lossless,
            ),
            schema=self._schema,
            partition_by=self._partition_by,
            file_bytes=self.file_bytes,
        )
        result: BackupResult = pcoll | WriteBackup(
            spec=spec, on_reject=self.on_reject, run=self.run
        )
        return result


def new_directory(to: str, backup_format: BackupFormat) -> str:
    """Returns where a backup that begins now goes, below `to`."""
    backup_id = _make_backup_id(SystemClock().wall(), random.SystemRandom())
    base = to if "://" in to else str(Path(to).absolute())
    if backup_format == "dynamodb-json":
        return join(base, EXPORTS, backup_id)
    return join(base, backup_id)


def _make_backup_id(wall_seconds: float, rng: random.Random) -> str:
    """Returns a name of the service's form: milliseconds, then eight hex digits.

    >>> _make_backup_id(1795493700.5, random.Random(1))[:15]
    '01795493700500-'
    """
    return f"{int(wall_seconds * 1000):014d}-{rng.getrandbits(32):08x}"


def begin_manifest(
    directory: str,
    *,
    run_id: str,
    source: str,
    table: dict[str, Any],
    schema: Schema | None,
    partition_by: str | None = None,
    lossless: bool = False,
    filter: str | None = None,  # noqa: A002  # the word that users say
    columns: Mapping[str, str] | None = None,
) -> Manifest:
    """Returns a backup's manifest so far: no file, no item, no end."""
    return Manifest(
        format_version=FORMAT_VERSION,
        backup_id=directory.rpartition("/")[2],
        run_id=run_id,
        format="dynamodb-json" if schema is None else "parquet",
        source=source,
        table=table,
        started=iso_utc(SystemClock().wall()),
        ended="",
        items=0,
        digest=ContentDigest().hex,
        filter=filter,
        columns=None if columns is None else dict(columns),
        lossless=lossless or schema is None,
        schema=None if schema is None else str(schema),
        partition_by=partition_by,
        versions={
            "beam-dynamodb": version("beam-dynamodb"),
            "apache-beam": beam.__version__,
            "pyarrow": pa.__version__,
            "python": platform.python_version(),
        },
        files=[],
    )
