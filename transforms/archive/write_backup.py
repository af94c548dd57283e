"""Writes a collection of items as a backup: data files, then one manifest.

    Item --batches--> WriteFiles (a bundle fills its own files) --> Draft
         --once each--> NameFile (temporary name -> own name)   --> FileRecord
         --all of them--> FinishBackup (manifests, ours last)   --> Manifest

Items are not shuffled, only the records of files are. A bundle that fails leaves files
under temporary names alone, a run that fails leaves no manifest: neither looks whole.
With a ledger the files that count are those that it has, see `write_files`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import AsSingleton
from apache_beam.transforms.combiners import Count

from transforms.archive.coders import register_coders
from transforms.archive.data_files import Draft
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
from transforms.archive.write_files import (
    REJECTED,
    BackupSpec,
    WriteFiles,
    is_resumable,
)
from transforms.dynamodb.errors import JobStoppedError
from transforms.items import Item
from transforms.ledger.errors import LedgerError
from transforms.ledger.location import open_store
from transforms.ledger.page_groups import seal_groups
from transforms.ledger.patience import patiently
from transforms.ledger.receipts import read_segments
from transforms.receipts import OnReject, RejectedItem
from transforms.run_context import RunContext
from transforms.throttle.clock import SystemClock
from transforms.timestamps import iso_utc

__all__ = ["BackupResult", "WriteBackup", "finish_backup", "name_file"]

# Of the file without items: an attempt that comes later writes the same.
_EMPTY: Final = "empty"

register_coders()


class BackupResult(NamedTuple):
    """The outputs of `WriteBackup`.

    Attributes:
        manifest: the one manifest, when all is written.
        rejected: items that the format cannot hold; None under on_reject="fail", or
            where a directory keeps them.
    """

    manifest: beam.PCollection[Manifest]
    rejected: beam.PCollection[RejectedItem] | None


@dataclass(eq=False, kw_only=True)
class WriteBackup(beam.PTransform[beam.PCollection[Item], BackupResult]):
    """Writes items to files, and a manifest when every item is in one.

    Args:
        spec: where, in which format.
        on_reject: what becomes of an item that does not fit the format.
        run: the run it belongs to, for progress; where it is accounted for by file,
            what is complete is kept in its ledger.
        rejected_directory: where rejected items are kept, instead of as an output.
    """

    spec: BackupSpec
    on_reject: OnReject = "fail"
    run: RunContext | None = field(default=None)
    rejected_directory: str | None = None

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pcoll: beam.PCollection[Item]) -> BackupResult:
        """Returns the manifest, and the rejected items if they are collected."""
        outputs = pcoll | "Write files" >> beam.ParDo(
            WriteFiles(self.spec, self.on_reject, self.run, self.rejected_directory)
        ).with_outputs(REJECTED, main="files")
        drafts: beam.PCollection[Draft] = outputs.files
        if self.run is not None and is_resumable(self.run):
            written = drafts | "All are written" >> Count.Globally()
            drafts = (
                pcoll.pipeline
                | "Once all are" >> beam.Create([None])
                | "Those that count"
                >> beam.FlatMap(
                    _committed_drafts, self.run, AsSingleton(written)
                ).with_output_types(Draft)
            )
        records: beam.PCollection[FileRecord] = (
            drafts
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
        if self.on_reject == "fail" or self.rejected_directory:
            return BackupResult(manifest, None)
        rejected = outputs[REJECTED]
        rejected.element_type = RejectedItem
        return BackupResult(manifest, rejected)


def _committed_drafts(_: None, run: RunContext, written: int) -> Iterator[Draft]:
    """Yields the files that count, when every page of the scan is in one."""
    del written  # its being there is what counts
    assert run.ledger is not None  # by_file says so
    store = open_store(run.ledger)
    segments = patiently(lambda: read_segments(store, run.run_id))
    assert segments is not None  # the scan has noted it
    try:
        groups = patiently(lambda: seal_groups(store, run.run_id, segments))
    except LedgerError as error:
        raise JobStoppedError(
            f"{error}: go on with beam-dynamodb backup --resume {run.run_id}"
        ) from error
    for group in groups:
        yield from msgspec.json.decode(group.content, type=list[Draft])


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
        files = [name_file(spec, spec.open_file("", name=_EMPTY).finish())]
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
