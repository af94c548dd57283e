"""The result of a query as people and programs read it.

table     columns with their types, numbers to the right; NULL is NULL
csv       a header, then rows; NULL is nothing, and an empty text is ""
json      an object a line
parquet   one file, columns as DuckDB has them
"""

import base64
import csv
import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.dynamodb.errors import UserError
from transforms.query.statement import ResultColumn

__all__ = ["write_csv", "write_json", "write_parquet", "write_table", "writing"]

_MAX_WIDTH = 60
_RIGHT = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "UBIGINT", "UINTEGER")
_RIGHT_STARTS = ("DECIMAL", "DOUBLE", "FLOAT")

Batches = Iterable[pa.RecordBatch]


@contextmanager
def writing(path: str | None, standard: TextIO) -> Iterator[TextIO]:
    """Opens a text file that is there whole or not at all, or standard output.

    Raises:
        UserError: it cannot be made.
    """
    if path is None:
        yield standard
        return
    with _replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        yield file


@contextmanager
def _replacing(path: str) -> Iterator[Path]:
    """Gives a name beside the path, and moves what was written there onto it."""
    part = Path(f"{path}.part")
    try:
        part.touch(mode=0o600)
    except OSError as error:
        raise UserError(f"--to {path} cannot be written: {error}") from error
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_table(
    columns: Sequence[ResultColumn], batches: Batches, stream: TextIO
) -> int:
    """Draws a table, of which the first batch gives the widths; returns its rows."""
    rows = 0
    widths: list[int] = []
    rights = [_is_right(column.type) for column in columns]
    for batch in _with_first(batches):
        cells = [[_cell(value) for value in row] for row in _rows(batch)]
        if not widths:
            heads = [
                [one.name for one in columns],
                [_short(one.type) for one in columns],
            ]
            widths = _widths([*heads, *cells])
            stream.writelines(_line(head, widths, rights) for head in heads)
            stream.write("  ".join("-" * width for width in widths) + "\n")
        stream.writelines(_line(row, widths, rights) for row in cells)
        rows += len(cells)
    stream.write(f"({rows:,} {'row' if rows == 1 else 'rows'})\n")
    return rows


def _with_first(batches: Batches) -> Iterator[pa.RecordBatch | None]:
    """Yields None for a result without rows, which has a head too."""
    empty = True
    for batch in batches:
        if batch.num_rows:
            empty = False
            yield batch
    if empty:
        yield None


def _rows(batch: pa.RecordBatch | None) -> Iterator[tuple[Any, ...]]:
    if batch is None:
        return iter(())
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _is_right(kind: str) -> bool:
    return kind in _RIGHT or kind.startswith(_RIGHT_STARTS)


def _short(kind: str) -> str:
    return kind if len(kind) <= _MAX_WIDTH else f"{kind[: _MAX_WIDTH - 1]}…"


def _cell(value: Any) -> str:
    text = "NULL" if value is None else _text(value)
    # One row is one line, and does nothing to the terminal.
    shown = "".join(
        letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text
    )
    return shown if len(shown) <= _MAX_WIDTH else f"{shown[: _MAX_WIDTH - 1]}…"


def _widths(rows: Iterable[Sequence[str]]) -> list[int]:
    return [max(map(_columns, cells)) for cells in zip(*rows, strict=True)]


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0
        if unicodedata.combining(letter)
        else 2
        if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )


def _line(cells: Sequence[str], widths: Sequence[int], rights: Sequence[bool]) -> str:
    parts = []
    for cell, width, right in zip(cells, widths, rights, strict=True):
        gap = " " * max(0, width - _columns(cell))
        parts.append(gap + cell if right else cell + gap)
    return "  ".join(parts).rstrip() + "\n"


def write_csv(columns: Sequence[ResultColumn], batches: Batches, stream: TextIO) -> int:
    """Writes CSV (RFC 4180, but for the ends of lines); returns the number of rows."""
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([column.name for column in columns])
    rows = 0
    for batch in batches:
        for row in _rows(batch):
            writer.writerow(["" if each is None else _text(each) for each in row])
            rows += 1
    return rows


def write_json(
    columns: Sequence[ResultColumn], batches: Batches, stream: TextIO
) -> int:
    """Writes an object a line; returns the number of rows.

    Raises:
        UserError: two columns have one name.
    """
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise UserError(
            "two columns of the result have one name, which a JSON object cannot "
            "hold; rename one with AS"
        )
    documents = [column.type == "JSON" for column in columns]
    rows = 0
    for batch in batches:
        for row in _rows(batch):
            fields = (
                f"{json.dumps(name, ensure_ascii=False)}:"
                f"{value if is_json and value is not None else _json(value)}"
                for name, value, is_json in zip(names, row, documents, strict=True)
            )
            stream.write("{" + ",".join(fields) + "}\n")
            rows += 1
    return rows


def write_parquet(schema: pa.Schema, batches: Batches, path: str) -> int:
    """Writes one Parquet file; returns the number of rows.

    Raises:
        UserError: it cannot be made.
    """
    rows = 0
    with _replacing(path) as part, pq.ParquetWriter(part, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


# --- Values ---


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return f"{value:f}"
        case list() | dict() | tuple():
            return _json(value)
        case _:
            return str(value)


def _json(value: Any) -> str:  # noqa: PLR0911 - one line a type
    """Returns a value as JSON; decimals keep their digits."""
    match value:
        case Decimal():
            return f"{value:f}"
        case bytes():
            return json.dumps(_text(value))
        case datetime() | date() | time() | timedelta():
            return json.dumps(str(value))
        case dict():
            pairs = (f"{json.dumps(str(n))}:{_json(each)}" for n, each in value.items())
            return "{" + ",".join(pairs) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_json, value)) + "]"
        case float() if not math.isfinite(value):
            return "null"  # JSON has no such numbers
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)
