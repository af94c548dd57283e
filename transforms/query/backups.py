"""Backups as tables: Parquet files, and files of items in DynamoDB JSON.

    FROM 's3://bucket/orders/*.parquet'      FROM 'backup/data/*.json.gz'

JSON lines hold one item each, bare or as the service exports it, {"Item": {…}}.
"""

import gzip
import io
import itertools
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.query.columns import ColumnDecoder, Columns, MisfitPolicy
from transforms.query.inference import infer_schema
from transforms.query.schema import Column, TableSchema
from transforms.query.sql_types import SqlType

__all__ = ["backup_files", "backup_schema", "is_backup_path", "read_backup"]

_PARQUET = (".parquet",)
_JSON = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_LINES = 1_000
_WILDCARDS = frozenset("*?[")


def is_backup_path(text: str) -> bool:
    """True if a name of a query is a path, and not a table's.

    >>> is_backup_path("s3://bucket/orders/*.parquet"), is_backup_path("eu-west-1/a")
    (True, False)
    """
    return "://" in text or text.endswith((*_PARQUET, *_JSON))


def backup_schema(path: str, sample_items: int) -> TableSchema:
    """Returns the columns of a backup: Parquet's own, or inferred from JSON's first.

    Raises:
        UserError: there is no such file, or one of another format.
    """
    filesystem, paths = _find(path)
    if _is_parquet(paths[0]):
        schema = pq.read_schema(paths[0], filesystem=filesystem)
        return TableSchema(tuple(_column_of(each, path) for each in schema))
    items: list[Wire] = []
    for lines in _json_lines(filesystem, paths):
        items += lines
        if len(items) >= sample_items:
            break
    return infer_schema(items[:sample_items])


def backup_files(path: str) -> list[str]:
    """Returns the files that a path with * and ? stands for, each as a path."""
    _, paths = _find(path)
    scheme, separator, _ = path.rpartition("://")
    return [f"{scheme}{separator}{each}" for each in paths]


def read_backup(
    path: str, columns: TableSchema | None, misfits: MisfitPolicy
) -> Iterator[Columns]:
    """Yields a backup's rows.

    Args:
        path: of one file or, with * and ?, of many.
        columns: those to read; None yields one column of NULLs.
        misfits: what becomes of items that do not fit; Parquet's rows always do.

    Raises:
        JobStoppedError: a file is damaged, or an item does not fit.
    """
    filesystem, paths = _find(path)
    if not _is_parquet(paths[0]):
        decoder = columns and ColumnDecoder(path, columns, misfits)
        for items in _json_lines(filesystem, paths):
            yield decoder.decode(items) if decoder else _nulls(len(items))
        return
    wanted = None if columns is None else [one.attribute for one in columns.columns]
    for each in paths:
        with pq.ParquetFile(each, filesystem=filesystem) as file:
            if wanted is None:
                yield _nulls(file.metadata.num_rows)
                continue
            assert columns is not None
            for batch in file.iter_batches(columns=wanted):
                yield _as_columns(batch, columns)


def _nulls(rows: int) -> Columns:
    batch = pa.record_batch([pa.nulls(rows, pa.bool_())], names=["row"])
    return Columns(batch, 0, ())


def _as_columns(batch: pa.RecordBatch, columns: TableSchema) -> Columns:
    arrays = [
        pc.cast(batch.column(one.attribute), one.type.arrow) for one in columns.columns
    ]
    names = [one.name for one in columns.columns]
    return Columns(pa.record_batch(arrays, names=names), 0, ())


# --- Files ---


def _find(path: str) -> tuple[fs.FileSystem, list[str]]:
    """Returns the files of a path, all of one format, in order."""
    try:
        filesystem, plain = _filesystem(path)
        paths = _matching(filesystem, plain)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not paths:
        raise UserError(f"there is no file {path}; give a path, with * for many files")
    bad = [one for one in paths if _is_parquet(one) != _is_parquet(paths[0])]
    if bad or not all(one.endswith((*_PARQUET, *_JSON)) for one in paths):
        raise UserError(
            f"{path} holds files of several formats, or of none that is known; name "
            f"those that end in one of {', '.join((*_PARQUET, *_JSON))}"
        )
    return filesystem, paths


def _filesystem(path: str) -> tuple[fs.FileSystem, str]:
    if path.startswith("s3://"):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get(
            "AWS_ENDPOINT_URL"
        )
        # pyarrow knows the regions and credentials of boto3, but not its endpoints.
        return fs.S3FileSystem(endpoint_override=endpoint), path.removeprefix("s3://")
    if "://" in path:
        filesystem, plain = fs.FileSystem.from_uri(path)
        return filesystem, plain
    return fs.LocalFileSystem(), str(Path(path).absolute())


def _matching(filesystem: fs.FileSystem, path: str) -> list[str]:
    if not _WILDCARDS & set(path):
        found = [filesystem.get_file_info(path)]
    else:
        parts = path.split("/")
        fixed = next(i for i, part in enumerate(parts) if _WILDCARDS & set(part))
        folder = "/".join(parts[:fixed])
        selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
        found = filesystem.get_file_info(selector)
    return sorted(
        info.path
        for info in found
        if info.type == fs.FileType.File
        and (info.path == path or fnmatchcase(info.path, path))
    )


def _is_parquet(path: str) -> bool:
    return path.endswith(_PARQUET)


def _json_lines(filesystem: fs.FileSystem, paths: list[str]) -> Iterator[list[Wire]]:
    """Yields items by the thousand."""
    for path in paths:
        with filesystem.open_input_stream(path, compression=None) as raw:
            stream: Any = gzip.GzipFile(fileobj=raw) if path.endswith(".gz") else raw
            stream = io.BufferedReader(stream)
            try:
                while lines := list(itertools.islice(stream, _LINES)):
                    yield [_item(line) for line in lines if line.strip()]
            except (OSError, EOFError, msgspec.DecodeError) as error:
                raise JobStoppedError(
                    f"{path} is damaged, or holds no items: {error}"
                ) from error


class _Line(msgspec.Struct):
    Item: msgspec.Raw = msgspec.Raw()


_LINE = msgspec.json.Decoder(_Line)


def _item(line: bytes) -> Wire:
    wrapped = _LINE.decode(line).Item
    # An item may have an attribute of that name: its value has a type's name in it.
    if wrapped and not _is_value(wrapped):
        return wrapped
    return line


def _is_value(raw: msgspec.Raw) -> bool:
    names = set(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    return len(names) == 1 and names < _TAGS


_TAGS = {"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"}


# --- Parquet's types ---


def _column_of(found: pa.Field, path: str) -> Column:
    sql_type = _type_of(found.type)
    if sql_type is None:
        raise UserError(
            f"column {found.name!r} of {path} is of type {found.type}, which queries "
            "do not know; give --schema with the columns to read"
        )
    return Column(found.name, sql_type, found.name, sql_type.tags)


def _type_of(kind: pa.DataType) -> SqlType | None:  # noqa: PLR0911 - one line a type
    if pa.types.is_integer(kind):
        return SqlType("BIGINT")
    if pa.types.is_floating(kind):
        return SqlType("DOUBLE")
    if pa.types.is_decimal128(kind):
        return SqlType("DECIMAL", kind.precision, kind.scale)
    if pa.types.is_boolean(kind):
        return SqlType("BOOLEAN")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return SqlType("BLOB")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        member = _type_of(kind.value_type)
        return member and SqlType("LIST", members=(member,))
    if pa.types.is_map(kind) and pa.types.is_string(kind.key_type):
        value = _type_of(kind.item_type)
        return value and SqlType("MAP", members=(value,))
    if pa.types.is_struct(kind):
        members = tuple(filter(None, (_type_of(field.type) for field in kind)))
        names = tuple(field.name for field in kind)
        whole = len(members) == len(names)
        return SqlType("STRUCT", members=members, names=names) if whole else None
    if pa.types.is_string(kind) or pa.types.is_temporal(kind):
        return SqlType("VARCHAR")
    return SqlType("VARCHAR") if pa.types.is_large_string(kind) else None
