"""Items in Parquet files, and back: columns by a schema, row groups of about 128 MB.

    wire items -> one record batch a page -> (128 MB) -> a row group -> … -> a file
    a row group -> wire items: `_item` as it is, else the columns and `_rest`

Two columns are ours. ``_item`` holds the item in DynamoDB JSON where losslessness is
asked for. ``_rest`` holds, as a JSON object, the attributes that a guessed schema has
no column for, or whose value does not fit it, or is NULL.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.archive.data_files import Misfit
from transforms.archive.parquet_types import MisfitError, Schema
from transforms.dynamodb.attribute_values import Wire, parse_item

__all__ = ["ITEM_COLUMN", "REST_COLUMN", "ParquetFormat", "items_of_row_group"]

ITEM_COLUMN = "_item"
REST_COLUMN = "_rest"

_ROW_GROUP_BYTES = 128 * 1024 * 1024
_CODEC = "zstd"
_CODEC_LEVEL = 3
_READ_ROWS = 2_000


class ParquetFormat:
    """Writes items to one Parquet file.

    Args:
        path: of the local file.
        schema: its columns.
        lossless: adds the column `_item`.
        row_group_bytes: a row group is closed at this much, uncompressed.
    """

    suffix = ".parquet"

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        lossless: bool,
        row_group_bytes: int = _ROW_GROUP_BYTES,
    ) -> None:
        self.written_bytes = self.waiting_bytes = self.row_groups = 0
        self._columns = Columns(schema, lossless=lossless)
        self._row_group_bytes = row_group_bytes
        self._waiting: list[Any] = []
        self._writer = pq.ParquetWriter(
            str(path),
            self._columns.arrow_schema,
            compression=_CODEC,
            compression_level=_CODEC_LEVEL,
            write_page_checksum=True,
        )

    def add(self, wires: Sequence[Wire]) -> list[Misfit]:
        """Adds a row an item; returns those that the schema does not fit."""
        batch, misfits = self._columns.batch_of(wires)
        self._waiting.append(batch)
        self.waiting_bytes += batch.nbytes
        self.written_bytes += batch.nbytes
        if self.waiting_bytes >= self._row_group_bytes:
            self._write_row_group()
        return misfits

    def finish(self) -> None:
        """Writes the last row group and the footer."""
        self._write_row_group()
        self._writer.close()

    def abandon(self) -> None:
        """Closes the file, whatever is in it."""
        self._writer.close()

    def _write_row_group(self) -> None:
        table = pa.Table.from_batches(self._waiting, self._columns.arrow_schema)
        if len(table):
            self._writer.write_table(table, row_group_size=len(table))
            self.row_groups += 1
        self._waiting, self.waiting_bytes = [], 0


class Columns:
    """Turns batches of wire items into record batches."""

    def __init__(self, schema: Schema, *, lossless: bool) -> None:
        self._keeps_rest = not schema.is_complete
        self._lossless = lossless
        self._encoders = {
            name: each.encoder(tells_null=self._keeps_rest)
            for name, each in schema.columns
        }
        fields = [(name, each.arrow) for name, each in schema.columns]
        if self._keeps_rest:
            fields.append((REST_COLUMN, pa.string()))
        if lossless:
            fields.append((ITEM_COLUMN, pa.string()))
        self.arrow_schema = pa.schema(fields)

    def batch_of(self, wires: Sequence[Wire]) -> tuple[Any, list[Misfit]]:
        """Returns the rows of the items that fit, and those that do not."""
        rows: dict[str, list[Any]] = {name: [] for name in self.arrow_schema.names}
        misfits: list[Misfit] = []
        for place, wire in enumerate(wires):
            try:
                row = self._row(wire)
            except MisfitError as error:
                misfits.append(Misfit(place, str(error)))
                continue
            for name, column in rows.items():
                column.append(row.get(name))
        arrays = [
            pa.array(rows[field.name], type=field.type) for field in self.arrow_schema
        ]
        return pa.record_batch(arrays, schema=self.arrow_schema), misfits

    def _row(self, wire: Wire) -> dict[str, Any]:
        row: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in parse_item(wire).items():
            encode = self._encoders.get(name)
            if encode is None:
                rest[name] = value
                continue
            if "NULL" in value:
                rest[name] = value
                continue
            try:
                row[name] = encode(value)
            except (MisfitError, ValueError) as error:
                if not self._keeps_rest:
                    raise MisfitError(f"attribute {name!r}: {error}") from error
                rest[name] = value
        if rest and self._keeps_rest:
            row[REST_COLUMN] = msgspec.json.encode(rest).decode()
        if self._lossless:
            row[ITEM_COLUMN] = bytes(wire).decode()
        return row


def items_of_row_group(
    file: BinaryIO, row_group: int | None, schema: Schema
) -> Iterator[Wire]:
    """Yields the items of a row group, or of a whole file, as wire bytes.

    Args:
        file: of Parquet, seekable.
        row_group: which, from 0; None for all.
        schema: with which it was written.

    Raises:
        pyarrow.ArrowInvalid: it is no Parquet file, or a damaged one.
    """
    parquet = pq.ParquetFile(file)
    names = parquet.schema_arrow.names
    lossless = ITEM_COLUMN in names
    batches = parquet.iter_batches(
        batch_size=_READ_ROWS,
        row_groups=None if row_group is None else [row_group],
        columns=[ITEM_COLUMN] if lossless else names,
    )
    for batch in batches:
        if lossless:
            for text in batch.column(0).to_pylist():
                yield text.encode()
        else:
            yield from map(_item_maker(schema), batch.to_pylist())


def _item_maker(schema: Schema) -> Any:
    columns = schema.columns

    def make(row: dict[str, Any]) -> bytes:
        item = {
            name: each.decode(row[name])
            for name, each in columns
            if row[name] is not None
        }
        if rest := row.get(REST_COLUMN):
            item |= msgspec.json.decode(rest)
        return msgspec.json.encode(item)

    return make
