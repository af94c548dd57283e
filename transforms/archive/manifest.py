"""Our manifest: what a backup holds, written last, so that it stands for "whole".

It stands beside the service's own manifests, or alone beside Parquet files, and tells
what those cannot: how to make the table again, which items were chosen, and a digest
of them all, by which a backup can be compared with a table.
"""

from typing import Any

import msgspec

from transforms.archive.digest import ContentDigest
from transforms.archive.errors import DamagedBackupError, UnreadableBackupError
from transforms.archive.files import exists, join, md5_base64, read_bytes, write_bytes

__all__ = [
    "DATA",
    "FORMAT_VERSION",
    "MANIFEST",
    "STARTED",
    "TEMPORARY",
    "FileRecord",
    "Manifest",
    "read_manifest",
    "write_with_md5",
]

FORMAT_VERSION = 1
MANIFEST = "beam-dynamodb-manifest.json"
DATA = "data"
TEMPORARY = "_temporary"
STARTED = "_started"
_MD5 = ".md5"
# The service writes the first, and its documentation speaks of the second.
_CHECKSUMS = (_MD5, ".checksum")


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One data file, complete.

    Attributes:
        name: below the backup's directory, as ``data/ab12.json.gz``.
        items: in it.
        bytes: its size.
        md5: base64, of the file as it is stored.
        digest: content digest of its items, 32 hexadecimal digits.
        row_groups: of a Parquet file, which can be read by different workers.
    """

    name: str
    items: int
    bytes: int
    md5: str
    digest: str
    row_groups: int = 1

    @property
    def content(self) -> ContentDigest:
        """The digest of its items."""
        return ContentDigest.parse(self.items, self.digest)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A finished backup.

    Attributes:
        format_version: of this file; readers know theirs.
        backup_id: names the backup's directory.
        run_id: of the run that made it.
        format: "dynamodb-json" or "parquet".
        source: the table as it is displayed.
        table: what CreateTable needs to make it again, with TTL and tags.
        started, ended: when, ISO 8601 in UTC.
        items: in all files.
        digest: content digest of all items.
        filter, columns: which items and attributes; None for all.
        lossless: whether the files hold each item in DynamoDB JSON.
        schema: Parquet's columns, as ``--schema`` has them; None otherwise. With a
            column ``_rest`` if it was guessed.
        partition_by: how files are put into directories; None otherwise.
        versions: of this package, Beam, pyarrow and Python.
        files: the data files, by name.
    """

    format_version: int
    backup_id: str
    run_id: str
    format: str
    source: str
    table: dict[str, Any]
    started: str
    ended: str
    items: int
    digest: str
    filter: str | None
    columns: dict[str, str] | None
    lossless: bool
    schema: str | None
    partition_by: str | None
    versions: dict[str, str]
    files: list[FileRecord]

    @property
    def content(self) -> ContentDigest:
        """The digest of all items."""
        return ContentDigest.parse(self.items, self.digest)


def write_with_md5(directory: str, name: str, data: bytes) -> None:
    """Writes a manifest after the file with its MD5: the one that counts comes last.

    Raises:
        FileSystemError: they cannot be written.
    """
    stem = name.removesuffix(".json")
    write_bytes(join(directory, stem + _MD5), md5_base64(data).encode())
    write_bytes(join(directory, name), data)


def read_with_md5(directory: str, name: str) -> bytes:
    """Returns a manifest that is what its MD5 file says; without one, as it is.

    Raises:
        DamagedBackupError: it is not.
        FileSystemError: it cannot be read.
    """
    path = join(directory, name)
    data = read_bytes(path)
    for suffix in _CHECKSUMS:
        digest = join(directory, name.removesuffix(".json") + suffix)
        if exists(digest) and read_bytes(digest).decode().strip() != md5_base64(data):
            raise DamagedBackupError(
                f"{path} is not what {digest} says: it was altered or cut off; restore "
                "it from another copy of the backup"
            )
    return data


def read_manifest(directory: str) -> Manifest | None:
    """Reads our manifest; None where a backup has none, as the service's own exports.

    Raises:
        UnreadableBackupError: it is of a version that is not known here.
        DamagedBackupError: it is not what was written, or does not add up.
    """
    path = join(directory, MANIFEST)
    if not exists(path):
        return None
    data = read_with_md5(directory, MANIFEST)
    try:
        version = msgspec.json.decode(data).get("format_version")
        if version != FORMAT_VERSION:
            raise UnreadableBackupError(
                f"{path} has format version {version!r}, this beam-dynamodb reads "
                f"{FORMAT_VERSION}; use the one that made it"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, AttributeError) as error:
        raise DamagedBackupError(f"{path} is no manifest: {error}") from error
    _check_sums(path, manifest)
    return manifest


def _check_sums(path: str, manifest: Manifest) -> None:
    total = sum((each.content for each in manifest.files), ContentDigest())
    if total != manifest.content:
        raise DamagedBackupError(
            f"{path}: its files have {total.items:,} items and digest {total.hex}, the "
            f"whole {manifest.items:,} and {manifest.digest}; an entry is missing"
        )
