"""The layout of DynamoDB's own exports to S3: manifests and data lines, both ways.

::

    AWSDynamoDB/<export id>/manifest-summary.json    + .md5
                            manifest-files.json      + .md5   a JSON line a data file
                            data/<name>.json.gz               {"Item":{…}} a line

ImportTable, Glue's export connector and Athena read it. Fields and names are those of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from transforms.archive.errors import DamagedBackupError, UnreadableBackupError
from transforms.archive.files import exists, join
from transforms.archive.manifest import FileRecord, read_with_md5
from transforms.dynamodb.attribute_values import Wire

__all__ = [
    "EXPORTS",
    "FILES_MANIFEST",
    "SUMMARY_MANIFEST",
    "ExportFile",
    "ExportSummary",
    "export_lines",
    "files_manifest",
    "read_export",
    "summary_manifest",
]

EXPORTS = "AWSDynamoDB"
"""The directory of all exports of one prefix."""

FILES_MANIFEST = "manifest-files.json"
SUMMARY_MANIFEST = "manifest-summary.json"
_FULL_VERSION = "2020-06-30"
_VERSIONS = (_FULL_VERSION, "2023-08-01")
_FORMATS = ("DYNAMODB_JSON", "ION")


class ExportFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of manifest-files.json."""

    item_count: int
    md5_checksum: str
    data_file_s3_key: str = msgspec.field(name="dataFileS3Key")
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What manifest-summary.json says, as far as a reader needs it.

    Attributes:
        kind: full, or the changes between two moments.
        format: of the data lines.
        items: in all files.
        table_arn: of the exported table.
        moments: ISO 8601: of a full export, its moment in both; else from and to.
        files: the data files, with paths that can be opened.
    """

    kind: Literal["full", "incremental"]
    format: Literal["DYNAMODB_JSON", "ION"]
    items: int
    table_arn: str
    moments: tuple[str, str]
    files: tuple[tuple[str, ExportFile], ...]


# --- written --------------------------------------------------------------------------


def export_lines(wires: Sequence[Wire]) -> bytes:
    r"""Returns the data lines of items, each as its bytes came (I4).

    >>> export_lines([b'{"id":{"S":"x"}}'])
    b'{"Item":{"id":{"S":"x"}}}\n'
    """
    if not wires:
        return b""
    lines = b'{"Item":' + b'}\n{"Item":'.join(wires) + b"}\n"
    if lines.count(b"\n") == len(wires):
        return lines
    # Blanks between JSON's tokens may be newlines, which end a line here.
    flat = [msgspec.json.format(bytes(wire), indent=-1) for wire in wires]
    return b'{"Item":' + b'}\n{"Item":'.join(flat) + b"}\n"


def files_manifest(records: Sequence[FileRecord], key_prefix: str) -> bytes:
    """Returns manifest-files.json.

    Args:
        records: the data files.
        key_prefix: of the backup's directory in its bucket, ending in a slash.
    """
    return b"".join(
        msgspec.json.encode(
            ExportFile(
                item_count=each.items,
                md5_checksum=each.md5,
                etag=None,
                data_file_s3_key=key_prefix + each.name,
            )
        )
        + b"\n"
        for each in records
    )


def summary_manifest(
    *,
    directory: str,
    table_arn: str,
    table_id: str,
    started: str,
    ended: str,
    items: int,
) -> bytes:
    """Returns manifest-summary.json of a full backup below ``…/AWSDynamoDB/<id>``."""
    bucket, prefix, export_id = _split_directory(directory)
    summary = {
        "version": _FULL_VERSION,
        "exportArn": f"{table_arn}/export/{export_id}",
        "startTime": started,
        "endTime": ended,
        "tableArn": table_arn,
        "tableId": table_id,
        "exportTime": started,
        "s3Bucket": bucket,
        "s3Prefix": prefix or None,
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": key_prefix(directory) + FILES_MANIFEST,
        "billedSizeBytes": 0,
        "itemCount": items,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    return msgspec.json.encode(summary)


def key_prefix(directory: str) -> str:
    """Returns how S3 keys below a directory begin; its path where it is no bucket.

    >>> key_prefix("s3://bucket/backups/AWSDynamoDB/01-ab")
    'backups/AWSDynamoDB/01-ab/'
    """
    bucket, prefix, export_id = _split_directory(directory)
    root = f"{prefix}/" if prefix else ""
    return f"{root if bucket else ''}{EXPORTS}/{export_id}/"


def _split_directory(directory: str) -> tuple[str, str, str]:
    """Returns bucket, prefix and export id; the bucket is empty for a local path."""
    parts = urlsplit(directory)
    bucket = parts.netloc if parts.scheme else ""
    root, _, export_id = (
        (parts.path if bucket else directory).rstrip("/").rpartition(f"/{EXPORTS}/")
    )
    return bucket, root.strip("/"), export_id


# --- read -----------------------------------------------------------------------------


def read_export(directory: str) -> ExportSummary:
    """Reads the manifests of an export, the service's or ours.

    Raises:
        UnreadableBackupError: an unknown version or format; no manifest.
        DamagedBackupError: a manifest was altered, or an entry is missing.
    """
    path = join(directory, SUMMARY_MANIFEST)
    if not exists(path):
        raise UnreadableBackupError(
            f"{directory} has no {SUMMARY_MANIFEST}: the export failed, is still "
            "running, or is somewhere else"
        )
    said = _decode(path, read_with_md5(directory, SUMMARY_MANIFEST))
    version, form = said.get("version"), said.get("outputFormat")
    if version not in _VERSIONS:
        raise UnreadableBackupError(
            f"{path} has version {version!r}; this beam-dynamodb reads "
            f"{' and '.join(_VERSIONS)}"
        )
    if form not in _FORMATS:
        raise UnreadableBackupError(
            f"{path} has outputFormat {form!r}; it should be {' or '.join(_FORMATS)}"
        )
    files = _read_files(directory)
    listed = sum(each.item_count for _, each in files)
    if listed != said.get("itemCount"):
        raise DamagedBackupError(
            f"{path} counts {said.get('itemCount')} items, the entries of "
            f"{FILES_MANIFEST} {listed}; an entry is missing or was altered"
        )
    incremental = said.get("exportType") == "INCREMENTAL_EXPORT"
    first = "exportFromTime" if incremental else "exportTime"
    last = "exportToTime" if incremental else "exportTime"
    return ExportSummary(
        kind="incremental" if incremental else "full",
        format=form,
        items=listed,
        table_arn=str(said.get("tableArn", "")),
        moments=(str(said.get(first, "")), str(said.get(last, ""))),
        files=tuple(files),
    )


def _read_files(directory: str) -> list[tuple[str, ExportFile]]:
    path = join(directory, FILES_MANIFEST)
    if not exists(path):
        raise DamagedBackupError(f"{path} is missing; the backup is not whole")
    lines = read_with_md5(directory, FILES_MANIFEST).splitlines()
    files = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            file = msgspec.json.decode(line, type=ExportFile)
        except msgspec.DecodeError as error:
            raise DamagedBackupError(f"{path}, line {number}: {error}") from error
        files.append((_data_path(directory, file.data_file_s3_key), file))
    return files


def _data_path(directory: str, key: str) -> str:
    """Returns where a data file is, wherever the export was copied to since.

    Full exports have their files below themselves; incremental ones of a prefix
    share ``AWSDynamoDB/data``.
    """
    below = f"/{directory.rstrip('/').rpartition('/')[2]}/"
    _, found, rest = f"/{key}".rpartition(below)
    if found:
        return join(directory, rest)
    parent = directory.rstrip("/").rpartition("/")[0]
    return join(parent, f"/{key}".rpartition(f"/{EXPORTS}/")[2])


def _decode(path: str, data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise DamagedBackupError(f"{path} is no manifest: {error}") from error
