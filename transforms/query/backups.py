"""Backups as tables: Parquet files, and files of items in DynamoDB JSON.

    FROM 's3://bucket/orders/*.parquet'      FROM 'backup/data/*.json.gz'

JSON lines hold one item each, bare or as the service exports it, {"Item": {…}}.
"""

import gzip
import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.archive.errors import FileSystemError
from transforms.archive.files import exists, list_files, open_file
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
        JobStoppedError: the first file is damaged.
    """
    paths = backup_files(path)
    if _is_parquet(paths[0]):
        with _open_parquet(paths[0]) as file:
            return TableSchema(
                tuple(_column_of(one, path) for one in file.schema_arrow)
            )
    items: list[Wire] = []
    for lines in _json_lines(paths):
        items += lines
        if len(items) >= sample_items:
            break
    return infer_schema(items[:sample_items])


def backup_files(path: str) -> list[str]:
    """Returns the files that a path with * and ? stands for, in order.

    They are of one format. Names are looked up as Beam does: with its flags, else by
    boto3's configuration. A * stands for folders too.

    Raises:
        UserError: there is none, or they are of several formats.
    """
    place = path if "://" in path else str(Path(path).absolute())
    try:
        paths = _matching(place)
    except FileSystemError as error:
        raise UserError(str(error)) from error
    if not paths:
        raise UserError(f"there is no file {path}; give a path, with * for many files")
    bad = [one for one in paths if _is_parquet(one) != _is_parquet(paths[0])]
    if bad or not all(one.endswith((*_PARQUET, *_JSON)) for one in paths):
        raise UserError(
            f"{path} holds files of several formats, or of none that is known; name "
            f"those that end in one of {', '.join((*_PARQUET, *_JSON))}"
        )
    return paths


def read_backup(
    path: str, columns: TableSchema | None, misfits: MisfitPolicy
) -> Iterator[Columns]:
    """Yields a backup's rows.

    Args:
        path: of one file or, with * and ?, of many.
        columns: those to read; None yields one column of NULLs. One that a Parquet
            file does not have is NULL.
        misfits: what becomes of items that do not fit; Parquet's rows always do.

    Raises:
        JobStoppedError: a file is damaged, or an item does not fit.
    """
    paths = backup_files(path)
    if not _is_parquet(paths[0]):
        decoder = columns and ColumnDecoder(path, columns, misfits)
        for items in _json_lines(paths):
            yield decoder.decode(items) if decoder else _nulls(len(items))
        return
    for each in paths:
        with _open_parquet(each) as file:
            if columns is None:
                yield _nulls(file.metadata.num_rows)
                continue
            there = set(file.schema_arrow.names)
            wanted = [one.attribute for one in columns.columns]
            for batch in file.iter_batches(columns=[x for x in wanted if x in there]):
                yield _as_columns(batch, columns, each)


def _nulls(rows: int) -> Columns:
    batch = pa.record_batch([pa.nulls(rows, pa.bool_())], names=["row"])
    return Columns(batch, 0, ())


def _as_columns(batch: pa.RecordBatch, columns: TableSchema, path: str) -> Columns:
    arrays = [_array(batch, one, path) for one in columns.columns]
    names = [one.name for one in columns.columns]
    return Columns(pa.record_batch(arrays, names=names), 0, ())


def _array(batch: pa.RecordBatch, column: Column, path: str) -> pa.Array:
    if batch.schema.get_field_index(column.attribute) < 0:
        return pa.nulls(batch.num_rows, column.type.arrow)
    found = batch.column(column.attribute)
    try:
        return pc.cast(found, column.type.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise JobStoppedError(
            f"column {column.attribute!r} of {path} is {found.type}, of which a value "
            f"is no {column.type}; give it another type by --schema"
        ) from error


# --- Files ---


def _matching(path: str) -> list[str]:
    if not _WILDCARDS & set(path):
        return [path] if exists(path) else []
    parts = path.split("/")
    fixed = next(i for i, part in enumerate(parts) if _WILDCARDS & set(part))
    found = list_files("/".join(parts[:fixed]))
    return sorted(one for one in found if fnmatchcase(one, path))


def _is_parquet(path: str) -> bool:
    return path.endswith(_PARQUET)


@contextmanager
def _open_parquet(path: str) -> Iterator[pq.ParquetFile]:
    with open_file(path) as raw:
        try:
            with pq.ParquetFile(raw) as file:
                yield file
        except (pa.ArrowInvalid, OSError) as error:
            raise JobStoppedError(
                f"{path} is damaged, or no Parquet: {error}"
            ) from error


def _json_lines(paths: list[str]) -> Iterator[list[Wire]]:
    """Yields items by the thousand."""
    for path in paths:
        with open_file(path) as raw:
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


def _type_of(  # noqa: C901, PLR0911 - one line a type
    kind: pa.DataType,
) -> SqlType | None:
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
    if pa.types.is_date(kind):
        return SqlType("DATE")
    if pa.types.is_timestamp(kind):
        return SqlType("TIMESTAMP")
    if pa.types.is_string(kind) or pa.types.is_temporal(kind):
        return SqlType("VARCHAR")
    return SqlType("VARCHAR") if pa.types.is_large_string(kind) else None
