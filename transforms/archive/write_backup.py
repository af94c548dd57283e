"""Writes a collection of items as a backup: data files, then one manifest.

    Item --batches--> WriteFiles (a bundle fills its own files) --> Draft
         --once each--> NameFile (temporary name -> own name)   --> FileRecord
         --all of them--> FinishBackup (manifests, ours last)   --> Manifest

Items are not shuffled, only the records of files are. A bundle that fails leaves files
under temporary names alone, a run that fails leaves no manifest: neither looks whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import apache_beam as beam
import msgspec
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms import metrics
from transforms.archive.coders import register_coders
from transforms.archive.data_files import DataFile, Draft, JsonFormat, LocalFormat
from transforms.archive.digest import ContentDigest
from transforms.archive.export_layout import (
    FILES_MANIFEST,
    SUMMARY_MANIFEST,
    files_manifest,
    key_prefix,
    summary_manifest,
)
from transforms.archive.files import delete_files, join, list_files, move
from transforms.archive.manifest import (
    MANIFEST,
    TEMPORARY,
    FileRecord,
    Manifest,
    write_with_md5,
)
from transforms.archive.parquet_format import ParquetFormat
from transforms.archive.parquet_types import Schema
from transforms.archive.partitions import PartitionBy
from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.errors import JobStoppedError
from transforms.items import Item, ItemBatch
from transforms.receipts import OnReject, RejectedItem
from transforms.run_context import RunContext
from transforms.tally import Tally
from transforms.throttle.clock import SystemClock
from transforms.timestamps import iso_utc

__all__ = [
    "BACKUP",
    "FILE_BYTES",
    "BackupFormat",
    "BackupResult",
    "BackupSpec",
    "WriteBackup",
]

BACKUP = "backup"
"""The route's name in counters and in the account."""

FILE_BYTES = 256 * 1024 * 1024
"""A data file is closed when it holds this much, before compression."""

_REJECTED: Final = "rejected"
# In one worker, over all open files.
_MOST_WAITING_BYTES = 256 * 1024 * 1024
_MOST_OPEN_FILES = 256

BackupFormat: TypeAlias = Literal["dynamodb-json", "parquet"]

register_coders()


@dataclass(frozen=True, kw_only=True)
class BackupSpec:
    """What a backup is to be; travels to the workers.

    Attributes:
        directory: of this backup alone, on any Beam file system.
        head: its manifest so far: without files, items, digest and end.
        table_arn, table_id: of the source, for the service's summary.
        schema: Parquet's columns; None for the service's format.
        partition_by: how Parquet files are put into directories.
        file_bytes: a file is closed when it holds this much, uncompressed.
    """

    directory: str
    head: Manifest
    table_arn: str = ""
    table_id: str = ""
    schema: Schema | None = None
    partition_by: PartitionBy | None = None
    file_bytes: int = FILE_BYTES

    def open_file(self, folder: str) -> DataFile:
        """Opens a new data file.

        Args:
            folder: the partition's directory; empty for none.
        """
        make_format: Callable[[Path], LocalFormat] = JsonFormat
        suffix = JsonFormat.suffix
        if self.schema is not None:
            suffix = ParquetFormat.suffix
            make_format = partial(
                ParquetFormat, schema=self.schema, lossless=self.head.lossless
            )
        return DataFile(
            self.directory,
            self.head.run_id,
            folder=folder,
            suffix=suffix,
            make_format=make_format,
        )


class BackupResult(NamedTuple):
    """The outputs of `WriteBackup`.

    Attributes:
        manifest: the one manifest, when all is written.
        rejected: items that the format cannot hold; None under on_reject="fail".
    """

    manifest: beam.PCollection[Manifest]
    rejected: beam.PCollection[RejectedItem] | None


@dataclass(eq=False, kw_only=True)
class WriteBackup(beam.PTransform[beam.PCollection[Item], BackupResult]):
    """Writes items to files, and a manifest when every item is in one.

    Args:
        spec: where, in which format.
        on_reject: what becomes of an item that does not fit the format.
        run: the run it belongs to, for progress.
    """

    spec: BackupSpec
    on_reject: OnReject = "fail"
    run: RunContext | None = field(default=None)

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pcoll: beam.PCollection[Item]) -> BackupResult:
        """Returns the manifest, and the rejected items if they are collected."""
        outputs = pcoll | "Write files" >> beam.ParDo(
            WriteFiles(self.spec, self.on_reject, self.run)
        ).with_outputs(_REJECTED, main="files")
        records: beam.PCollection[FileRecord] = (
            outputs.files
            | "Once each" >> beam.Reshuffle()
            | "Give files their names" >> beam.Map(partial(name_file, self.spec))
        )
        manifest: beam.PCollection[Manifest] = (
            pcoll.pipeline
            | "Once at the end" >> beam.Create([None])
            | "Write the manifest"
            >> beam.Map(
                partial(_finish, self.spec), records=beam.pvalue.AsList(records)
            ).with_output_types(Manifest)
        )
        if self.on_reject == "fail":
            return BackupResult(manifest, None)
        rejected = outputs[_REJECTED]
        rejected.element_type = RejectedItem
        return BackupResult(manifest, rejected)


_Tagged: TypeAlias = beam.pvalue.TaggedOutput[Literal["rejected"], RejectedItem]
_Written: TypeAlias = Draft | _Tagged


class WriteFiles(beam.DoFn):
    """Fills data files with a bundle's items; a file never outlives its bundle.

    One file a partition is open. When they hold too much together the fullest is
    finished, so many partitions make more files, not more memory.
    """

    def __init__(
        self, spec: BackupSpec, on_reject: OnReject, run: RunContext | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._spec, self._on_reject, self._run = spec, on_reject, run
        self._open: dict[str, DataFile] = {}

    def setup(self) -> None:
        """Opens the counters of this process."""
        self._tally = Tally(self._run)

    def start_bundle(self) -> None:
        """Forgets the files of a bundle that failed."""
        self.teardown()

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(self, batch: ItemBatch) -> Iterator[_Written]:
        """Adds a batch to the open files; yields a file once it is full."""
        by = self._spec.partition_by
        if by is None:
            yield from self._add("", batch.wires)
        else:
            for folder, places in by.divide(batch.wires).items():
                yield from self._add(folder, [batch.wires[place] for place in places])
        while fullest := self._too_much():
            yield self._finish_file(fullest)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Completes the open files."""
        for folder in list(self._open):
            yield GlobalWindows.windowed_value(self._finish_file(folder))
        self._tally.flush()

    def teardown(self) -> None:
        """Drops what is not complete."""
        for file in self._open.values():
            file.abandon()
        self._open = {}

    def infer_output_type(self, _input_type: object) -> type[Draft]:
        """Drafts on the main output."""
        return Draft

    def _add(self, folder: str, wires: Sequence[Wire]) -> Iterator[_Written]:
        if folder not in self._open:
            self._open[folder] = self._spec.open_file(folder)
        file = self._open[folder]
        for misfit in file.add(wires):
            yield self._rejected(bytes(wires[misfit.place]), misfit.reason)
        if file.written_bytes >= self._spec.file_bytes:
            yield self._finish_file(folder)

    def _too_much(self) -> str | None:
        """Returns the folder of the fullest file if it should be finished."""
        waiting = sum(file.waiting_bytes for file in self._open.values())
        if waiting <= _MOST_WAITING_BYTES and len(self._open) <= _MOST_OPEN_FILES:
            return None
        return max(self._open, key=lambda folder: self._open[folder].waiting_bytes)

    def _finish_file(self, folder: str) -> Draft:
        draft = self._open.pop(folder).finish()
        self._tally.add(metrics.WRITTEN, draft.record.items, BACKUP)
        self._tally.add(metrics.FILES_WRITTEN, 1)
        self._tally.add(metrics.BYTES_WRITTEN, draft.record.bytes)
        self._tally.flush()
        return draft

    def _rejected(self, wire: bytes, reason: str) -> _Tagged:
        if self._on_reject == "fail":
            raise JobStoppedError(
                f"an item does not fit the schema: {reason}; correct the schema, or "
                'collect such items with on_reject="collect"'
            )
        self._tally.add(metrics.REJECTED, 1, BACKUP)
        item = RejectedItem(BACKUP, reason, 1, Item(wire))
        return beam.pvalue.TaggedOutput(_REJECTED, item)


def name_file(spec: BackupSpec, draft: Draft) -> FileRecord:
    """Gives a complete file its own name; does nothing the second time."""
    move(draft.path, join(spec.directory, draft.record.name))
    return draft.record


def _finish(spec: BackupSpec, _: None, *, records: Sequence[FileRecord]) -> Manifest:
    return finish_backup(spec, records)


def finish_backup(spec: BackupSpec, records: Iterable[FileRecord]) -> Manifest:
    """Writes the manifests, ours last, and removes what failed bundles left."""
    files = sorted(records, key=lambda record: record.name)
    if not files and spec.schema is None:
        # As the service does; and an empty manifest-files.json is none that Beam can
        # write to S3.
        files = [name_file(spec, spec.open_file("").finish())]
    content = sum((record.content for record in files), ContentDigest())
    manifest = msgspec.structs.replace(
        spec.head,
        ended=iso_utc(SystemClock().wall()),
        items=content.items,
        digest=content.hex,
        files=files,
    )
    directory = spec.directory
    if manifest.format == "dynamodb-json":
        listed = files_manifest(files, key_prefix(directory))
        write_with_md5(directory, FILES_MANIFEST, listed)
        summary = summary_manifest(
            directory=directory,
            table_arn=spec.table_arn,
            table_id=spec.table_id,
            started=manifest.started,
            ended=manifest.ended,
            items=manifest.items,
        )
        write_with_md5(directory, SUMMARY_MANIFEST, summary)
    delete_files(list(list_files(join(directory, TEMPORARY))))
    write_with_md5(directory, MANIFEST, msgspec.json.encode(manifest))
    return manifest
