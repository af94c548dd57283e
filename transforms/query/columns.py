"""Wire items to Arrow columns: the hot path of a query.

    item slices --one decode, only the columns' attributes--> structs --> Arrow arrays
                                                          `--> what does not fit

A page is decoded at once, into structs that have one field a column and in it one
field for each DynamoDB type that the column takes: attributes and types that nobody
asked for are skipped in C. Only where such a field is empty is it looked at why: the
attribute is not there, is NULL, or does not fit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Literal, TypeAlias, get_args

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.errors import JobStoppedError
from transforms.query.schema import Column, TableSchema
from transforms.query.sql_types import Tag
from transforms.query.values import Converter, MisfitValueError, converter_of

__all__ = ["MISFIT_POLICIES", "ColumnDecoder", "Columns", "MisfitPolicy"]

MisfitPolicy: TypeAlias = Literal["error", "null", "aside"]
MISFIT_POLICIES: tuple[MisfitPolicy, ...] = ("error", "null", "aside")
"""What becomes of an item with a value that its column cannot hold: the query stops,
the value is NULL, or the item is left out and kept aside."""

_ALL_TAGS: tuple[str, ...] = get_args(Tag)
_SCALARS = frozenset({"S", "N", "BOOL"})
_ARROW_OF_TAG = {"S": pa.string(), "N": pa.string(), "BOOL": pa.bool_()}


@dataclass(frozen=True, slots=True)
class Columns:
    """Items as columns, and the account of them: rows + aside = items.

    Attributes:
        batch: the rows, in the order of the items.
        misfits: values that did not fit, at the items in `batch` or `aside`.
        aside: the items left out, as they came.
    """

    batch: pa.RecordBatch
    misfits: int
    aside: tuple[Wire, ...]


class ColumnDecoder:
    """Makes columns of wire items, by one schema. Made in the worker: it has C parts.

    Args:
        table: names the table in errors.
        schema: the columns to make.
        misfits: what becomes of what does not fit.
    """

    def __init__(
        self, table: str, schema: TableSchema, misfits: MisfitPolicy = "error"
    ) -> None:
        self._table = table
        self._policy = misfits
        kinds = [_value_struct(column) for column in schema.columns]
        self._readers = [
            _reader_of(column, place, kind())
            for place, (column, kind) in enumerate(
                zip(schema.columns, kinds, strict=True)
            )
        ]
        self._columns = schema.columns
        self._decode = _page_decoder(schema.columns, kinds)
        self.arrow_schema = pa.schema(
            [(column.name, column.type.arrow) for column in schema.columns]
        )

    def decode(self, wires: Sequence[Wire]) -> Columns:
        """Returns the items as columns.

        Raises:
            JobStoppedError: the bytes are no items, or one does not fit and the
                policy is "error"; names the column and the types, shows no value.
        """
        items = self._structs(wires)
        arrays, bad = [], _BadPlaces()
        for column, reader in zip(self._columns, self._readers, strict=True):
            array, places = reader(items)
            if places:
                self._note(column, places, bad)
            arrays.append(array)
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.arrow_schema)
        if self._policy != "aside" or not bad.places:
            return Columns(batch, bad.values, ())
        left_out = tuple(bytes(wires[place]) for place in sorted(bad.places))
        keep = [place not in bad.places for place in range(len(wires))]
        return Columns(batch.filter(pa.array(keep)), bad.values, left_out)

    def _structs(self, wires: Sequence[Wire]) -> list[Any]:
        try:
            return self._decode(b"[" + b",".join(wires) + b"]")
        except msgspec.DecodeError as error:
            raise JobStoppedError(
                f"an item of {self._table} is not DynamoDB JSON ({error}); check what "
                "answers at the endpoint, or where the backup is from"
            ) from error

    def _note(self, column: Column, places: Sequence[int], bad: "_BadPlaces") -> None:
        if self._policy == "error":
            raise JobStoppedError(
                f"an item of {self._table} does not fit the schema: attribute "
                f"{column.attribute!r} is not {_wanted(column)}; correct the schema, "
                "or choose --misfits null or aside"
            )
        bad.values += len(places)
        bad.places.update(places)


def _wanted(column: Column) -> str:
    tags = " or ".join(column.tags) or "of any type"
    return f"{tags} that {column.type} can hold"


@dataclass(slots=True)
class _BadPlaces:
    """Which items of a page did not fit, and how many of their values."""

    values: int = 0
    places: set[int] = field(default_factory=set)


# --- From structs to arrays -------------------------------------------------------

_Reader: TypeAlias = Callable[[list[Any]], tuple[pa.Array, Sequence[int]]]
"""Makes one column of the page's structs; returns it and the places of misfits."""


def _page_decoder(
    columns: Sequence[Column], kinds: Sequence[type[msgspec.Struct]]
) -> Callable[[bytes], list[Any]]:
    """Returns the decoder of a JSON array of items into structs of a0, a1 ….

    An attribute that is not there has a default: one empty value, so that readers
    need not ask first.
    """
    fields = [f"a{place}" for place in range(len(columns))]
    page_item = msgspec.defstruct(
        "PageItem",
        [(name, kind, kind()) for name, kind in zip(fields, kinds, strict=True)],
        rename={f: column.attribute for f, column in zip(fields, columns, strict=True)},
        gc=False,
    )
    return msgspec.json.Decoder(list[page_item]).decode  # type: ignore[valid-type]


def _value_struct(column: Column) -> type[msgspec.Struct]:
    """Returns the struct of one AttributeValue: the types that fit, and all others.

    The others are taken as slices, so that a misfit can be told from nothing.
    """
    fields: list[tuple[str, Any, Any]] = []
    for tag in (*_ALL_TAGS, "NULL"):
        if tag in column.tags and tag in _SCALARS:
            content: Any = bool if tag == "BOOL" else str
            fields.append((tag, content | None, None))
        else:
            fields.append((tag, msgspec.Raw, msgspec.Raw()))
    return msgspec.defstruct("PageValue", fields, frozen=True, gc=False)


def _reader_of(column: Column, place: int, absent: msgspec.Struct) -> _Reader:
    first = column.tags[0] if column.tags else "M"
    if column.type.kind == "VARCHAR" and column.tags in (("S",), ("N",)):
        return _fast_reader(column, place, absent, first, lambda array: array)
    if column.type.kind == "BOOLEAN":
        return _fast_reader(column, place, absent, first, lambda array: array)
    if column.type.kind in ("DATE", "TIMESTAMP") and column.tags == ("S",):
        convert = _as_days if column.type.kind == "DATE" else _as_moments
        return _fast_reader(column, place, absent, first, convert)
    if first == "N" and column.type.kind != "TIMESTAMP":
        return _fast_reader(
            column, place, absent, first, partial(_cast, column.type.arrow)
        )
    return _slow_reader(column, place)


_DAY_LETTERS = 10  # Arrow reads other forms of a day too


def _as_days(array: pa.Array) -> pa.Array:
    letters = pc.min_max(pc.utf8_length(array)).as_py()
    if {letters["min"], letters["max"]} - {_DAY_LETTERS, None}:
        raise pa.ArrowInvalid("some text is no day")
    return pc.cast(array, pa.date32())


def _as_moments(array: pa.Array) -> pa.Array:
    """Without a zone anywhere, or with one everywhere; else each is looked at."""
    try:
        return pc.cast(array, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return pc.cast(pc.cast(array, pa.timestamp("us", "UTC")), pa.timestamp("us"))


def _cast(arrow_type: pa.DataType, array: pa.Array) -> pa.Array:
    return pc.cast(array, arrow_type)


def _fast_reader(
    column: Column,
    place: int,
    absent: msgspec.Struct,
    tag: str,
    convert: Callable[[pa.Array], pa.Array],
) -> _Reader:
    """A column of one scalar type: taken and converted without looking at a value."""
    take = attrgetter(f"a{place}.{tag}")
    value_of = attrgetter(f"a{place}")
    arrow_type = _ARROW_OF_TAG[tag]
    carefully = _slow_reader(column, place)

    def read(items: list[Any]) -> tuple[pa.Array, Sequence[int]]:
        array = pa.array(list(map(take, items)), arrow_type)
        try:
            converted = convert(array)
        except pa.ArrowInvalid:
            # Some number does not convert as its text stands, such as 1E+5 or, for
            # good, 1.5 to BIGINT.
            return carefully(items)
        if not array.null_count:
            return converted, ()
        return converted, _odd_places(items, value_of, absent, array)

    return read


def _odd_places(
    items: list[Any],
    value_of: Callable[[Any], Any],
    absent: msgspec.Struct,
    array: pa.Array,
) -> list[int]:
    """Returns where an attribute is there, and neither NULL nor of the right type."""
    nulls = pc.indices_nonzero(pc.is_null(array)).to_pylist()
    return [
        place
        for place in nulls
        if (value := value_of(items[place])) is not absent and _has_content(value)
    ]


def _has_content(value: Any) -> bool:
    return not value.NULL and any(getattr(value, tag) for tag in _ALL_TAGS)


def _slow_reader(column: Column, place: int) -> _Reader:
    """A column of lists, maps, binary, several types: value by value."""
    convert = converter_of(column.type)
    value_of = attrgetter(f"a{place}")
    tags = column.tags or _ALL_TAGS
    arrow_type = column.type.arrow

    def read(items: list[Any]) -> tuple[pa.Array, Sequence[int]]:
        values, odd = [], []
        for index, item in enumerate(items):
            try:
                values.append(_value(value_of(item), tags, convert))
            except ValueError:  # noqa: PERF203 - each value fits or does not
                values.append(None)
                odd.append(index)
        return pa.array(values, arrow_type), odd

    return read


def _value(value: Any, tags: Sequence[str], convert: Converter) -> Any:
    for tag in tags:
        content = getattr(value, tag)
        if isinstance(content, msgspec.Raw):
            if content:
                return convert(tag, msgspec.json.decode(content))
        elif content is not None:
            return convert(tag, content)
    if _has_content(value):
        raise MisfitValueError
    return None
