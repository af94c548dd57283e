"""Data files while they are written: on the worker's disk, then uploaded whole.

open_data_file(…) -> DataFile.add(wires) … -> DataFile.finish() -> FileRecord
"""

import hashlib
import tempfile
import uuid
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from transforms.archive.digest import ContentDigest
from transforms.archive.export_layout import export_lines
from transforms.archive.files import join, upload
from transforms.archive.manifest import DATA, TEMPORARY, FileRecord
from transforms.dynamodb.attribute_values import Wire

__all__ = ["DataFile", "Draft", "JsonFormat", "LocalFormat", "Misfit", "md5_of_file"]

# Level 6 costs twice as much as 1 for a seventh fewer bytes on items of 210 B.
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31  # zlib's word for "with gzip's head and tail"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Misfit:
    """An item that a file's format cannot hold.

    Attributes:
        place: in the batch that was added, from 0.
        reason: names the attribute, never its value.
    """

    place: int
    reason: str


class LocalFormat(Protocol):
    """Writes items to one local file in some format."""

    written_bytes: int
    """What was added so far, uncompressed."""

    waiting_bytes: int
    """What of it is in memory still."""

    row_groups: int
    """Parts of the finished file that can be read by themselves."""

    def add(self, wires: Sequence[Wire]) -> "list[Misfit]":
        """Adds items; returns those that the format cannot hold."""

    def finish(self) -> None:
        """Completes the file and closes it."""

    def abandon(self) -> None:
        """Closes the file as it is."""


class JsonFormat:
    """Gzipped lines, each ``{"Item":…}``: what DynamoDB exports and imports."""

    suffix = ".json.gz"

    def __init__(self, path: Path) -> None:
        self.written_bytes = self.waiting_bytes = 0
        self.row_groups = 1
        self._file = path.open("wb")
        self._gzip = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def add(self, wires: Sequence[Wire]) -> "list[Misfit]":
        """Adds a line an item."""
        lines = export_lines(wires)
        self.written_bytes += len(lines)
        self._file.write(self._gzip.compress(lines))
        return []

    def finish(self) -> None:
        """Writes the gzip's end."""
        self._file.write(self._gzip.flush())
        self._file.close()

    def abandon(self) -> None:
        """Closes the file without its end."""
        self._file.close()


class Draft(msgspec.Struct, frozen=True):
    """A data file that is complete under its temporary name.

    Attributes:
        record: the file as the manifest will have it.
        path: where it is now.
    """

    record: FileRecord
    path: str


class DataFile:
    """One data file of a backup, from its first item to its upload.

    Args:
        directory: of the backup.
        run_id: names its temporary directory.
        folder: below ``data``, as ``month=2013-06``; empty for none.
        suffix: how its name ends.
        make_format: opens the local file.
        name: without the suffix; None for one that no other file has.
    """

    def __init__(
        self,
        directory: str,
        run_id: str,
        *,
        folder: str = "",
        suffix: str,
        make_format: Callable[[Path], LocalFormat],
        name: str | None = None,
    ) -> None:
        name = (name or uuid.uuid4().hex) + suffix
        self._name = "/".join(part for part in (DATA, folder, name) if part)
        self._temporary = join(directory, TEMPORARY, run_id, name)
        self._scratch = tempfile.TemporaryDirectory(prefix="beam-dynamodb-")
        self._local = Path(self._scratch.name, "file")
        self._format = make_format(self._local)
        self._content = ContentDigest()

    @property
    def written_bytes(self) -> int:
        """What was added so far, uncompressed."""
        return self._format.written_bytes

    @property
    def waiting_bytes(self) -> int:
        """What of it is in memory."""
        return self._format.waiting_bytes

    def add(self, wires: Sequence[Wire]) -> list[Misfit]:
        """Adds items; returns those that the format cannot hold."""
        misfits = self._format.add(wires)
        left_out = {misfit.place for misfit in misfits}
        kept = (wire for place, wire in enumerate(wires) if place not in left_out)
        self._content += ContentDigest.of(kept)
        return misfits

    def finish(self) -> Draft:
        """Completes, uploads and records the file.

        Raises:
            FileSystemError: it cannot be uploaded.
        """
        with self._scratch:  # emptied, whatever becomes of the upload
            self._format.finish()
            record = FileRecord(
                name=self._name,
                items=self._content.items,
                bytes=self._local.stat().st_size,
                md5=md5_of_file(self._local),
                digest=self._content.hex,
                row_groups=self._format.row_groups,
            )
            upload(self._local, self._temporary)
        return Draft(record, self._temporary)

    def abandon(self) -> None:
        """Forgets the file; nothing of it was uploaded."""
        self._format.abandon()
        self._scratch.cleanup()


def md5_of_file(path: Path) -> str:
    """Returns a local file's MD5 in base64."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return b64encode(digest.digest()).decode()
