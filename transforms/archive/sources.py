"""Finds out what a path holds: a backup of ours, the service's export, or EMR's.

    find_backup(path) -> Backup: its parts, what they should be, and the table's keys

Everything is checked that can be seen without reading data: manifests and their MD5s,
that each file is there, that there is no other, and sizes where they are known.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from transforms.archive.errors import DamagedBackupError, UnreadableBackupError
from transforms.archive.export_layout import (
    SUMMARY_MANIFEST,
    read_export,
)
from transforms.archive.files import join, list_files, read_bytes
from transforms.archive.ion_lines import check_ion_installed
from transforms.archive.manifest import DATA, MANIFEST, Manifest, read_manifest

__all__ = ["Backup", "Part", "find_backup", "find_data_files"]

EMR_MANIFEST = "manifest"
_EMR_VERSION = 3

PartFormat = Literal["json", "ion", "emr", "parquet"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker reads in one go: a file, or some row groups of one.

    Attributes:
        path: of the file.
        format: of its items.
        number: within the backup, from 0; stands for the segment in origins.
        changes: whether its lines are changes rather than items.
        md5: base64, of the whole file; None if nobody noted it.
        items: in the whole file; None if nobody noted it.
        row_group: of a Parquet file; None for the whole file.
        schema: of a Parquet file, as it is written.
    """

    path: str
    format: PartFormat
    number: int
    changes: bool = False
    md5: str | None = None
    items: int | None = None
    row_group: int | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that looks whole.

    Attributes:
        path: its directory.
        what: in words, for the plan.
        kind: full, or the changes between two moments.
        parts: what to read.
        items: in all; None if nobody noted it.
        manifest: ours; None for another's export.
        moments: ISO 8601: of a full export, the moment in both; else from and to. None
            where they are not known.
    """

    path: str
    what: str
    kind: Literal["full", "incremental"]
    parts: tuple[Part, ...]
    items: int | None
    manifest: Manifest | None = None
    moments: tuple[str, str] | None = None

    @property
    def size(self) -> str:
        """How much there is, in words."""
        files = len({part.path for part in self.parts})
        items = "" if self.items is None else f", {self.items:,} items"
        return f"{files:,} files{items}"


def find_backup(path: str) -> Backup:
    """Reads the manifests at a path, or of the one backup below it.

    Raises:
        UnreadableBackupError: there is none, several, or one that was not finished.
        DamagedBackupError: it is not what its manifests say.
        FileSystemError: the files cannot be seen.
    """
    path = path.rstrip("/")
    files = list_files(path)
    names = {posixpath.relpath(each, path): size for each, size in files.items()}
    if MANIFEST in names:
        return _ours(path, names)
    if SUMMARY_MANIFEST in names:
        return _service_export(path, names)
    if EMR_MANIFEST in names:
        return _emr_export(path, names)
    inner = sorted(
        {
            posixpath.dirname(name)
            for name in names
            if posixpath.basename(name) in (MANIFEST, SUMMARY_MANIFEST)
        }
    )
    if len(inner) == 1:
        return find_backup(join(path, inner[0]))
    if inner:
        raise UnreadableBackupError(
            f"{path} holds {len(inner)} backups; name one: {', '.join(inner)}"
        )
    raise UnreadableBackupError(
        f"{path} has no manifest ({len(names)} files): it is no backup, or one that "
        "did not finish; make it again"
    )


def find_data_files(path: str) -> Backup:
    """Takes every data file of an export that has no manifest, unchecked.

    Raises:
        UnreadableBackupError: there is none.
    """
    path = path.rstrip("/")
    found = sorted(each for each in list_files(path) if f"/{DATA}/" in each)
    if not found:
        raise UnreadableBackupError(f"{path} has no data files")
    parts = tuple(
        Part(path=each, format="json", number=number)
        for number, each in enumerate(found)
    )
    return Backup(path, "data files without a manifest", "full", parts, None)


def _ours(path: str, names: Mapping[str, int]) -> Backup:
    manifest = read_manifest(path)
    assert manifest is not None  # it is listed
    listed = {file.name: file.bytes for file in manifest.files}
    _check_names(path, listed, names, MANIFEST)
    for name, size in listed.items():
        if names[name] != size:
            raise DamagedBackupError(
                f"{join(path, name)} has {names[name]:,} bytes, its manifest says "
                f"{size:,}: it was cut off or altered"
            )
    parts: list[Part] = []
    for file in manifest.files:
        groups = range(file.row_groups) if manifest.format == "parquet" else [None]
        parts += [
            Part(
                path=join(path, file.name),
                format="parquet" if manifest.format == "parquet" else "json",
                number=len(parts) + at,
                md5=file.md5,
                items=file.items,
                row_group=group,
                schema=manifest.schema,
            )
            for at, group in enumerate(groups)
        ]
    return Backup(
        path=path,
        what=f"{manifest.format} backup of {manifest.source}, {manifest.started}",
        kind="full",
        parts=tuple(parts),
        items=manifest.items,
        manifest=manifest,
        moments=(manifest.started, manifest.started),
    )


def _service_export(path: str, names: Mapping[str, int]) -> Backup:
    export = read_export(path)
    if export.format == "ION":
        check_ion_installed()
    _check_there([data_path for data_path, _ in export.files])
    if export.kind == "full":
        listed = {posixpath.relpath(each, path): 0 for each, _ in export.files}
        _check_names(path, listed, names, "manifest-files.json")
    parts = tuple(
        Part(
            path=data_path,
            format="ion" if export.format == "ION" else "json",
            number=number,
            changes=export.kind == "incremental",
            md5=file.md5_checksum,
            items=file.item_count,
        )
        for number, (data_path, file) in enumerate(export.files)
    )
    what = f"{export.kind} export of {export.table_arn} in {export.format}"
    return Backup(path, what, export.kind, parts, export.items, None, export.moments)


def _check_there(paths: Sequence[str]) -> None:
    """Lists each directory once: incremental exports share one with many others."""
    directories = {posixpath.dirname(path) for path in paths}
    there = {path for directory in directories for path in list_files(directory)}
    for path in paths:
        if path not in there:
            raise DamagedBackupError(f"{path} is in the manifest but not there")


def _check_names(
    path: str, listed: Mapping[str, int], names: Mapping[str, int], manifest: str
) -> None:
    found = {name for name in names if name.startswith(f"{DATA}/")}
    for name in sorted(listed.keys() - found):
        raise DamagedBackupError(
            f"{join(path, name)} is missing, and {manifest} lists it"
        )
    for name in sorted(found - listed.keys()):
        raise DamagedBackupError(
            f"{join(path, name)} has no entry in {manifest}: the manifest was altered, "
            "or the file is another backup's; restore the one or move the other away"
        )


def _emr_export(path: str, names: Mapping[str, int]) -> Backup:
    where = join(path, EMR_MANIFEST)
    try:
        said = msgspec.json.decode(read_bytes(where), type=dict[str, Any])
        version, entries = said.get("version"), said.get("entries")
        urls = [str(entry["url"]) for entry in entries or ()]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UnreadableBackupError(
            f"{where} is no manifest of the EMR connector: {error}"
        ) from error
    if version != _EMR_VERSION:
        raise UnreadableBackupError(
            f"{where} has version {version!r}; this beam-dynamodb reads {_EMR_VERSION}"
        )
    parts = []
    for number, url in enumerate(urls):
        # The export may have been copied elsewhere since: its files stay together.
        name = posixpath.basename(url)
        if name not in names:
            raise DamagedBackupError(
                f"{join(path, name)} is missing, and {where} lists it"
            )
        parts.append(Part(path=join(path, name), format="emr", number=number))
    what = f"export of the EMR connector {said.get('name', '')}".rstrip()
    return Backup(path, what, "full", tuple(parts), None)
