"""Reads a backup: every file is checked first, then items come out in batches.

    Part --once each--> VerifyFile ----all of them----+
    Part --once each--> ReadItems (waits for that) ---+--> Page --> Item
                        ReadChanges ------------------+--> Change

A part is a file or a row group, so big files go to several workers. Nothing leaves
before the last file was found to be what its manifest says.
"""

import gzip
import hashlib
import io
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, PBegin

from transforms import metrics
from transforms.archive.coders import register_coders
from transforms.archive.errors import DamagedBackupError
from transforms.archive.files import open_file
from transforms.archive.ion_lines import ion_change_of_line, ion_item_of_line
from transforms.archive.item_lines import (
    Change,
    LineError,
    change_of_line,
    emr_item,
    item_of_line,
)
from transforms.archive.parquet_format import items_of_row_group
from transforms.archive.parquet_types import Schema, parse_schema
from transforms.archive.sources import Part
from transforms.dynamodb.attribute_values import Wire
from transforms.items import Item, OpenPages, Origin, Page
from transforms.run_context import RunContext
from transforms.stop import stop_if_asked
from transforms.tally import Tally

__all__ = [
    "CheckParts",
    "ReadBackup",
    "ReadChanges",
    "ReadParts",
    "VerifyParts",
    "verify_part",
]

_CHUNK_BYTES = 1024 * 1024
_PAGE_BYTES = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_T = TypeVar("_T")

register_coders()


# --- transforms -----------------------------------------------------------------------


@dataclass(eq=False)
class VerifyParts(beam.PTransform[PBegin, beam.PCollection[int]]):
    """Checks every file of a backup; the one element is how many there were.

    Raises (in the worker):
        DamagedBackupError: a file is not what its manifest says; names it.
    """

    parts: Sequence[Part]
    run: RunContext | None = field(default=None)

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pbegin: PBegin) -> beam.PCollection[int]:
        """Returns the number of files."""
        verified: beam.PCollection[int] = (
            pbegin
            | "Files" >> beam.Create(list(self.parts)).with_output_types(Part)
            | "Check" >> CheckParts(self.run)
        )
        return verified


@dataclass(eq=False)
class CheckParts(beam.PTransform[beam.PCollection[Part], beam.PCollection[int]]):
    """The same, of parts that are found when the pipeline runs."""

    run: RunContext | None = field(default=None)

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pcoll: beam.PCollection[Part]) -> beam.PCollection[int]:
        """Returns the number of files."""
        verified: beam.PCollection[int] = (
            pcoll
            | "A part a file" >> beam.Filter(_stands_for_its_file)
            | "To every worker" >> beam.Reshuffle()
            | "Check each" >> beam.Map(verify_part, self.run)
            | "All of them" >> beam.CombineGlobally(sum)
        )
        return verified


def _stands_for_its_file(part: Part) -> bool:
    """True of one part of each file; the others are row groups of the same."""
    return not part.row_group


@dataclass(eq=False)
class ReadBackup(beam.PTransform[PBegin, beam.PCollection[Item]]):
    """Reads the items of a full backup.

    Args:
        parts: of `find_backup`.
        verified: of `VerifyParts`; nothing is read before it is there.
        run: the run it belongs to, for progress.
        counts: whether its items are those of the run's account.
    """

    parts: Sequence[Part]
    verified: beam.PCollection[int]
    run: RunContext | None = field(default=None)
    counts: bool = True

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pbegin: PBegin) -> beam.PCollection[Item]:
        """Returns the items."""
        items: beam.PCollection[Item] = (
            pbegin
            | "Parts" >> beam.Create(list(self.parts)).with_output_types(Part)
            | "Read" >> ReadParts(self.verified, self.run, self.counts)
        )
        return items


@dataclass(eq=False)
class ReadParts(beam.PTransform[beam.PCollection[Part], beam.PCollection[Item]]):
    """The same, of parts that are found when the pipeline runs."""

    verified: beam.PCollection[int]
    run: RunContext | None = field(default=None)
    counts: bool = True

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pcoll: beam.PCollection[Part]) -> beam.PCollection[Item]:
        """Returns the items."""
        items: beam.PCollection[Item] = (
            pcoll
            | "To every worker" >> beam.Reshuffle()
            | "Read pages"
            >> beam.ParDo(
                ReadItems(self.run, counts=self.counts), AsSingleton(self.verified)
            )
            | "Open pages" >> beam.ParDo(OpenPages())  # type: ignore[no-untyped-call]
        )
        return items


@dataclass(eq=False)
class ReadChanges(beam.PTransform[PBegin, beam.PCollection[Change]]):
    """Reads the changes of incremental exports; arguments as `ReadBackup` has them."""

    parts: Sequence[Part]
    verified: beam.PCollection[int]
    run: RunContext | None = field(default=None)

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pbegin: PBegin) -> beam.PCollection[Change]:
        """Returns the changes, several for a key where exports follow each other."""
        changes: beam.PCollection[Change] = (
            pbegin
            | "Parts" >> beam.Create(list(self.parts)).with_output_types(Part)
            | "To every worker" >> beam.Reshuffle()
            | "Read changes"
            >> beam.ParDo(
                ReadChangeLines(self.run), AsSingleton(self.verified)
            ).with_output_types(Change)
        )
        return changes


class ReadItems(beam.DoFn):
    """Reads a part's items, a page of about 1 MB at a time."""

    def __init__(self, run: RunContext | None, *, counts: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run, self._counts = run, counts

    def setup(self) -> None:
        """Opens the counters of this process."""
        self._tally = Tally(self._run)

    def process(self, part: Part, verified: int) -> Iterator[Page]:
        """Yields pages; their origin is the part, and their place in it."""
        del verified  # its being there is what counts
        for number, wires in enumerate(_pages(items_of_part(part))):
            stop_if_asked(self._run)
            if self._counts:
                self._tally.add(metrics.SCANNED, len(wires))
                self._tally.add(metrics.PAGES, 1)
            yield Page(
                wires,  # type: ignore[arg-type]  # bytes serve as slices do
                Origin(part.number, number.to_bytes(8, "big")),
                len(wires),
                len(wires),
                size_bytes=sum(map(len, wires)),
            )
        self._tally.flush()


class ReadChangeLines(beam.DoFn):
    """Reads a part's changes."""

    def __init__(self, run: RunContext | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run = run

    def setup(self) -> None:
        """Opens the counters of this process."""
        self._tally = Tally(self._run)

    def process(self, part: Part, verified: int) -> Iterator[Change]:
        """Yields changes."""
        del verified
        count = 0
        for change in changes_of_part(part):
            stop_if_asked(self._run)
            count += 1
            yield change
        self._tally.add(metrics.SCANNED, count)
        self._tally.flush()


def _pages(items: Iterator[Wire]) -> Iterator[list[Wire]]:
    page: list[Wire] = []
    size = 0
    for item in items:
        page.append(item)
        size += len(item)
        if size >= _PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


# --- files ----------------------------------------------------------------------------


def verify_part(part: Part, run: RunContext | None = None) -> int:
    """Reads a whole file to see that it is what it should be; returns 1.

    By its MD5 where one is noted; else by reading every line of it, which finds what
    was cut off or does not parse.

    Raises:
        DamagedBackupError: it is not; names the file.
        StoppedError: somebody stopped the run.
    """
    if part.md5 is None:
        lines = changes_of_part(part) if part.changes else items_of_part(part)
        deque(lines, maxlen=0)
        return 1
    digest = hashlib.md5(usedforsecurity=False)
    with open_file(part.path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            stop_if_asked(run)
            digest.update(chunk)
    found = b64encode(digest.digest()).decode()
    if found != part.md5:
        raise DamagedBackupError(
            f"{part.path} has the MD5 {found}, its manifest says {part.md5}: it was "
            "altered or cut off; nothing was restored. Restore the file from another "
            "copy of the backup"
        )
    return 1


def items_of_part(part: Part) -> Iterator[Wire]:
    """Yields a part's items as wire bytes.

    Raises:
        DamagedBackupError: a line is no item, or the file ends early; names both.
    """
    if part.format == "parquet":
        yield from _rows(part)
        return
    decode: Callable[[bytes], Wire] = {
        "json": item_of_line,
        "ion": ion_item_of_line,
        "emr": emr_item,
    }[part.format]
    yield from _decode_lines(part, decode)


def changes_of_part(part: Part) -> Iterator[Change]:
    """Yields a part's changes; raises as `items_of_part`."""
    decode = ion_change_of_line if part.format == "ion" else change_of_line
    return _decode_lines(part, decode)


def _rows(part: Part) -> Iterator[Wire]:
    try:
        schema = parse_schema(part.schema) if part.schema else Schema(())
        with open_file(part.path) as file:
            yield from items_of_row_group(file, part.row_group, schema)
    except (pa.ArrowException, OSError) as error:
        raise DamagedBackupError(f"{part.path} is damaged: {error}") from error


def _decode_lines(part: Part, decode: Callable[[bytes], _T]) -> Iterator[_T]:
    number = 0
    try:
        with open_file(part.path) as file:
            for line in _lines(file):
                number += 1
                if not line.isspace():
                    yield decode(line)
    except LineError as error:
        raise DamagedBackupError(f"{part.path}, line {number}: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedBackupError(
            f"{part.path} is cut off or altered after line {number} ({error})"
        ) from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yields lines, of a gzip file or of a plain one."""
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if magic == _GZIP_MAGIC:
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from io.BufferedReader(unpacked, _CHUNK_BYTES)
    else:
        yield from file
