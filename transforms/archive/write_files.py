"""Fills data files with batches of items: one bundle, its own files.

batch --> open files --full--> Draft (complete, under a temporary name)
                       all closed --> one group: the pages in them and the files

Under a ledger a group is one row, so that whoever goes on with the run reads none of
its pages again. A page is in one group alone, so all files are closed together there;
without partitions one file is a group.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

import apache_beam as beam
import msgspec
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms import metrics
from transforms.accounts import book_of
from transforms.archive.data_files import DataFile, Draft, JsonFormat, LocalFormat
from transforms.archive.manifest import Manifest
from transforms.archive.parquet_format import ParquetFormat
from transforms.archive.parquet_types import Schema
from transforms.archive.partitions import PartitionBy
from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.errors import JobStoppedError
from transforms.items import Item, ItemBatch, Origin
from transforms.ledger.location import open_store
from transforms.ledger.page_book import PageBook
from transforms.ledger.page_groups import GroupWriter
from transforms.ledger.patience import patiently
from transforms.receipts import OnReject, RejectedItem
from transforms.rejected_files import RejectedFiles
from transforms.run_context import RunContext
from transforms.tally import Tally

__all__ = [
    "BACKUP",
    "FILE_BYTES",
    "REJECTED",
    "BackupFormat",
    "BackupSpec",
    "WriteFiles",
    "is_resumable",
]

BACKUP = "backup"
"""The route's name in counters and in the account."""

FILE_BYTES = 256 * 1024 * 1024
"""A data file is closed when it holds this much, before compression."""

REJECTED: Final = "rejected"
"""Tag of the second output."""

# In one worker, over all open files.
_MOST_WAITING_BYTES = 256 * 1024 * 1024
_MOST_OPEN_FILES = 256
# A group is committed when its files hold this many times FILE_BYTES: so many small
# files does a partitioned backup have at the most.
_GROUP_FILES = 4
# Its row has some bytes a page, and the ledger takes 350,000.
_MOST_PAGES = 5_000

BackupFormat: TypeAlias = Literal["dynamodb-json", "parquet"]


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

    def open_file(self, folder: str, name: str | None = None) -> DataFile:
        """Opens a new data file.

        Args:
            folder: the partition's directory; empty for none.
            name: of the file; None for one that no other has.
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
            name=name,
        )


def is_resumable(run: RunContext | None) -> bool:
    """True if the run's groups are kept, so that it can be gone on with."""
    return bool(run and run.ledger and run.accounted and run.by_file)


_Tagged: TypeAlias = beam.pvalue.TaggedOutput[Literal["rejected"], RejectedItem]
_Written: TypeAlias = Draft | _Tagged


class WriteFiles(beam.DoFn):
    """Fills data files with a bundle's items; a file never outlives its bundle.

    One file a partition is open. When they hold too much together the fullest is
    finished, so many partitions make more files, not more memory.

    Args:
        spec: the files.
        on_reject: what becomes of an item that does not fit.
        run: the run it belongs to.
        rejected_directory: where such items are kept, by page, and then they are no
            output; None yields them.
    """

    def __init__(
        self,
        spec: BackupSpec,
        on_reject: OnReject,
        run: RunContext | None,
        rejected_directory: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._spec, self._on_reject, self._run = spec, on_reject, run
        self._rejected_directory = rejected_directory
        self._open: dict[str, DataFile] = {}

    def setup(self) -> None:
        """Opens the counters of this process, and the ledger's groups."""
        self._tally = Tally(self._run)
        kept_in = self._rejected_directory
        self._rejected_files = kept_in and RejectedFiles(kept_in, BACKUP)
        self._groups: GroupWriter | None = None
        run = self._run
        if run is not None and run.ledger is not None and is_resumable(run):
            self._groups = GroupWriter(open_store(run.ledger), run.run_id, run.epoch)

    def start_bundle(self) -> None:
        """Forgets the files and pages of a bundle that failed."""
        self.teardown()
        self._group: _Group | None = None
        if self._groups is not None:
            book = book_of(self._run)
            assert book is not None  # the run is accounted for
            book.cut()
            self._group = _Group(book, self._groups)

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(self, batch: ItemBatch) -> Iterator[_Written]:
        """Adds a batch to the open files; yields a file once it is full."""
        by_page = self._group is not None or self._rejected_files
        for page in batch.split_runs() if by_page else [batch]:
            yield from self._add_page(page)
        while fullest := self._too_much():
            yield self._finish_file(fullest)
        if self._group is not None and self._is_group_full(self._group):
            yield from self._finish_group(self._group)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Completes the open files."""
        for draft in self._finish_files():
            yield GlobalWindows.windowed_value(draft)
        if self._group is not None:
            self._group.commit()
        self._tally.flush()

    def teardown(self) -> None:
        """Drops what is not complete."""
        for file in self._open.values():
            file.abandon()
        self._open = {}

    def infer_output_type(self, _input_type: object) -> type[Draft]:
        """Drafts on the main output."""
        return Draft

    def _add_page(self, page: ItemBatch) -> Iterator[_Written]:
        rejected: list[RejectedItem] = []
        by = self._spec.partition_by
        if by is None:
            rejected += self._add("", page.wires)
        else:
            for folder, places in by.divide(page.wires).items():
                rejected += self._add(folder, [page.wires[place] for place in places])
        origin = page.runs[0][0] if page.runs else None
        if rejected:
            yield from self._keep(origin, rejected)
        if self._group is not None:
            self._group.add(origin, len(page), len(rejected))
        for folder in [
            folder
            for folder, file in self._open.items()
            if file.written_bytes >= self._spec.file_bytes
        ]:
            yield self._finish_file(folder)

    def _add(self, folder: str, wires: Sequence[Wire]) -> list[RejectedItem]:
        """Adds items to a folder's file; returns those that do not fit."""
        if folder not in self._open:
            self._open[folder] = self._spec.open_file(folder)
        return [
            self._rejected(bytes(wires[misfit.place]), misfit.reason)
            for misfit in self._open[folder].add(wires)
        ]

    def _too_much(self) -> str | None:
        """Returns the folder of the fullest file if it should be finished."""
        waiting = sum(file.waiting_bytes for file in self._open.values())
        if waiting <= _MOST_WAITING_BYTES and len(self._open) <= _MOST_OPEN_FILES:
            return None
        return max(self._open, key=lambda folder: self._open[folder].waiting_bytes)

    def _is_group_full(self, group: "_Group") -> bool:
        """True where nothing is open, or what is open must not wait any longer."""
        if not self._open:
            return bool(group.drafts)
        most = _GROUP_FILES * self._spec.file_bytes
        return group.written_bytes >= most or len(group.pages) >= _MOST_PAGES

    def _finish_group(self, group: "_Group") -> Iterator[Draft]:
        yield from self._finish_files()
        group.commit()

    def _finish_files(self) -> Iterator[Draft]:
        for folder in list(self._open):
            yield self._finish_file(folder)

    def _finish_file(self, folder: str) -> Draft:
        file = self._open.pop(folder)
        draft = file.finish()
        self._tally.add(metrics.WRITTEN, draft.record.items, BACKUP)
        self._tally.add(metrics.FILES_WRITTEN, 1)
        self._tally.add(metrics.BYTES_WRITTEN, draft.record.bytes)
        self._tally.flush()
        if self._group is not None:
            self._group.drafts.append(draft)
            self._group.written_bytes += file.written_bytes
        return draft

    def _keep(
        self, origin: Origin | None, rejected: Sequence[RejectedItem]
    ) -> Iterator[_Tagged]:
        self._tally.add(metrics.REJECTED, len(rejected), BACKUP)
        if self._rejected_files:  # before the page is settled
            self._rejected_files.keep(origin, rejected)
            return
        for each in rejected:
            yield beam.pvalue.TaggedOutput(REJECTED, each)

    def _rejected(self, wire: bytes, reason: str) -> RejectedItem:
        if self._on_reject == "fail":
            raise JobStoppedError(
                f"an item does not fit the schema: {reason}; correct the schema, or "
                'collect such items with on_reject="collect"'
            )
        return RejectedItem(BACKUP, reason, 1, Item(wire))


class _Group:
    """Pages and files of a bundle that are not committed yet."""

    def __init__(self, book: PageBook, writer: GroupWriter) -> None:
        self._book, self._writer = book, writer
        self._begin()

    def _begin(self) -> None:
        self.drafts: list[Draft] = []
        self.written_bytes = 0
        self.pages: defaultdict[Origin, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, origin: Origin | None, items: int, rejected: int) -> None:
        """Notes that a page's items are in the open files, but for the rejected."""
        if origin is None:
            raise JobStoppedError(
                "an item of no page came to a backup that is kept by page; give a run "
                "without receipts"
            )
        counts = self.pages[origin]
        counts[0] += items
        counts[1] += rejected

    def commit(self) -> None:
        """Settles the pages, now that all their files are complete."""
        for origin, (items, rejected) in self.pages.items():
            counts = {
                metrics.WRITTEN.name_of(BACKUP): items - rejected,
                metrics.REJECTED.name_of(BACKUP): rejected,
            }
            self._book.settle(origin.segment, origin.page, BACKUP, items, counts)
        spans = self._book.cut()
        if spans or self.drafts:
            content = msgspec.json.encode(self.drafts)
            patiently(lambda: self._writer.write(spans, content))
        self._begin()
