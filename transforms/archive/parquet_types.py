"""Parquet's columns: their types as people write them, and DynamoDB values in them.

    id: string, price: decimal(12,2), seen: set<string>, address: struct<zip:string>

==================  =============================  ==================================
as written          DynamoDB                       Arrow, so Parquet
==================  =============================  ==================================
string              S                              string
decimal(p,s)        N, exact                       decimal128(p, s), p up to 38
number              N, any                         string, as DynamoDB spells it
double              N, rounded: only if asked for  float64
bool, binary        BOOL, B                        bool, binary
list<T>, set<T>     L; SS, NS or BS by T           list<T>
struct<name:T,…>    M                              struct; a name that is absent is null
json                anything                       string: the value in DynamoDB JSON
==================  =============================  ==================================

NULL is stored as null, as an absent attribute is.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NoReturn

import msgspec
import pyarrow as pa

from transforms.dynamodb.attribute_values import encode_value
from transforms.dynamodb.decimal_numbers import (
    NUMBER_CONTEXT,
    number_text,
    parse_number,
)
from transforms.dynamodb.errors import UserError

__all__ = ["ColumnType", "MisfitError", "Schema", "parse_schema", "shortest_number"]

Kind = Literal[
    "string", "decimal", "number", "double", "bool", "binary", "list", "set",
    "struct", "json",
]  # fmt: skip

_PLAIN_KINDS = ("string", "number", "double", "bool", "binary", "json")
_SET_TAGS = {"string": "SS", "decimal": "NS", "number": "NS", "binary": "BS"}
_MOST_DIGITS = 38
_SIGNS = "<>(),:"
_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|[A-Za-z0-9_.@$-]+|[<>(),:])')


Encoder = Callable[[dict[str, Any]], Any]
"""From an AttributeValue to what Arrow takes; raises MisfitError."""


class MisfitError(ValueError):
    """A value does not fit its column; the text names types, never the value."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column, or of what is in one.

    Attributes:
        kind: see the table above.
        precision, scale: of a decimal.
        element: of a list or set.
        fields: of a struct, by name.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0
    element: "ColumnType | None" = None
    fields: tuple[tuple[str, "ColumnType"], ...] = ()

    def __str__(self) -> str:
        """As it is written."""
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.element is not None:
            return f"{self.kind}<{self.element}>"
        if self.kind == "struct":
            return f"struct<{','.join(f'{_quoted(n)}:{t}' for n, t in self.fields)}>"
        return self.kind

    @property
    def arrow(self) -> Any:
        """The Arrow type."""
        if self.kind == "decimal":
            return pa.decimal128(self.precision, self.scale)
        if self.element is not None:
            return pa.list_(self.element.arrow)
        if self.kind == "struct":
            return pa.struct([(name, each.arrow) for name, each in self.fields])
        plain = {"bool": pa.bool_(), "binary": pa.binary(), "double": pa.float64()}
        return plain.get(self.kind, pa.string())

    def encoder(self, *, tells_null: bool = False) -> Encoder:
        """Returns a function from an AttributeValue to what Arrow takes.

        It raises MisfitError where the value does not fit.

        Args:
            tells_null: refuses NULL where it would read back as an absent name.
        """
        return _encoder(self, tells_null)

    def decode(self, value: Any) -> dict[str, Any]:
        """Returns the AttributeValue of what Arrow gave, which must not be None."""
        return _decode(self, value)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a backup.

    Attributes:
        columns: name to type, in order.
        is_complete: whether an attribute without a column is left out on purpose, as
            where somebody wrote the schema; else it goes to the column `_rest`.
    """

    columns: tuple[tuple[str, ColumnType], ...]
    is_complete: bool = True

    def __str__(self) -> str:
        """As it is written; reads back."""
        return ", ".join(f"{_quoted(name)}:{each}" for name, each in self.columns)


def parse_schema(text: str) -> Schema:
    """Reads a schema: ``name: type`` with commas between.

    >>> str(parse_schema("id:string, price: decimal(12,2), tags: set<string>"))
    'id:string, price:decimal(12,2), tags:set<string>'

    Raises:
        UserError: names the place, what was found there, and what should be.
    """
    parser = _Parser(text)
    fields = parser.fields(end="")
    return Schema(fields)


def _quoted(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9_.@$-]+", name)
    return name if plain else '"' + name.replace('"', '""') + '"'


class _Parser:
    """Recursive descent over the tokens of a schema."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._token = self._next()

    def fields(self, end: str) -> tuple[tuple[str, ColumnType], ...]:
        """Reads fields up to a closing token, or the text's end."""
        found: dict[str, ColumnType] = {}
        while True:
            name = self._take_name()
            if name in found:
                self._fail(f"{name!r} is there twice")
            self._take(":")
            found[name] = self._type()
            if self._token == end:
                return tuple(found.items())
            self._take(",")

    def _type(self) -> ColumnType:
        kind = self._take_name().lower()
        if kind in _PLAIN_KINDS:
            return ColumnType(kind)  # type: ignore[arg-type]  # it is one of them
        if kind == "decimal":
            return self._decimal()
        if kind in ("list", "set"):
            self._take("<")
            element = self._type()
            if kind == "set" and element.kind not in _SET_TAGS:
                self._fail("a set is of string, number, decimal or binary")
            self._take(">")
            return ColumnType(kind, element=element)  # type: ignore[arg-type]
        if kind == "struct":
            self._take("<")
            fields = self.fields(end=">")
            self._take(">")
            return ColumnType("struct", fields=fields)
        return self._fail(
            f"{kind!r} is no type; use {', '.join(_PLAIN_KINDS)}, decimal(p,s), "
            "list<…>, set<…> or struct<…>"
        )

    def _decimal(self) -> ColumnType:
        self._take("(")
        precision = self._take_name()
        self._take(",")
        scale = self._take_name()
        self._take(")")
        if not (precision.isdecimal() and scale.isdecimal()):
            self._fail("decimal takes two whole numbers, as decimal(12,2)")
        if not 1 <= int(precision) <= _MOST_DIGITS or int(scale) > int(precision):
            self._fail("decimal takes 1 to 38 digits, and no more after the point")
        return ColumnType("decimal", int(precision), int(scale))

    def _take(self, wanted: str) -> None:
        if self._token != wanted:
            self._fail(f"expected {wanted!r}, found {self._token or 'its end'!r}")
        self._token = self._next()

    def _take_name(self) -> str:
        token = self._token
        if not token or token in _SIGNS:
            self._fail(f"expected a name, found {token or 'its end'!r}")
        self._token = self._next()
        if token.startswith('"'):
            return token[1:-1].replace('""', '"')
        return token

    def _next(self) -> str:
        if not self._text[self._place :].strip():
            return ""
        found = _TOKEN.match(self._text, self._place)
        if found is None:
            self._fail("a name with other signs than letters stands in double quotes")
        self._place = found.end()
        return found.group(1)

    def _fail(self, why: str) -> NoReturn:
        raise UserError(f"the schema, at {self._text[: self._place]!r}: {why}")


# --- values ---------------------------------------------------------------------------


def _encoder(column: ColumnType, tells_null: bool) -> Encoder:  # noqa: C901, FBT001, PLR0911 - one case a type
    match column.kind:
        case "string":
            return _plain("S", "string")
        case "bool":
            return _plain("BOOL", "bool")
        case "number":
            return lambda value: number_text(parse_number(_content(value, "N", column)))
        case "double":
            return lambda value: float(_content(value, "N", column))
        case "decimal":
            return _decimal_encoder(column)
        case "binary":
            return lambda value: base64.b64decode(_content(value, "B", column))
        case "json":
            return lambda value: msgspec.json.encode(value).decode()
        case "list":
            assert column.element is not None
            inner = _encoder(column.element, tells_null)
            return lambda value: [
                _or_null(inner, each) for each in _content(value, "L", column)
            ]
        case "set":
            return _set_encoder(column)
        case "struct":
            return _struct_encoder(column, tells_null)


def _plain(tag: str, kind: str) -> Encoder:
    def encode(value: dict[str, Any]) -> Any:
        try:
            return value[tag]
        except KeyError:
            raise _misfit(value, kind) from None

    return encode


def _content(value: dict[str, Any], tag: str, column: ColumnType) -> Any:
    if tag not in value:
        raise _misfit(value, str(column))
    return value[tag]


def _misfit(value: Mapping[str, Any], column: str) -> MisfitError:
    return MisfitError(f"a value of type {next(iter(value), '?')} in a {column} column")


def _or_null(inner: Encoder, value: dict[str, Any]) -> Any:
    return None if "NULL" in value else inner(value)


def shortest_number(text: str) -> Decimal:
    """Returns a number without needless zeros, all its 38 digits kept.

    Raises:
        AttributeValueError: it is none that N can hold.
    """
    number = parse_number(text)
    # Without a context of its own normalize rounds to 28 digits.
    return number.normalize(NUMBER_CONTEXT) if number else Decimal(0)


def _decimal_encoder(column: ColumnType) -> Encoder:
    most_whole = column.precision - column.scale
    scale = column.scale

    def encode(value: dict[str, Any]) -> Decimal:
        number = shortest_number(_content(value, "N", column))
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)  # N holds finite numbers
        if -exponent > scale or (number and number.adjusted() >= most_whole):
            raise MisfitError(f"a number with more digits than {column} has")
        return number

    return encode


def _set_encoder(column: ColumnType) -> Encoder:
    assert column.element is not None
    inner = _encoder(column.element, False)  # noqa: FBT003 - no member is NULL
    tag = _SET_TAGS[column.element.kind]
    member = tag[0]
    return lambda value: [
        inner({member: each}) for each in _content(value, tag, column)
    ]


def _struct_encoder(column: ColumnType, tells_null: bool) -> Encoder:  # noqa: FBT001
    inner = {name: _encoder(each, tells_null) for name, each in column.fields}

    def encode(value: dict[str, Any]) -> dict[str, Any]:
        entries = _content(value, "M", column)
        if extra := entries.keys() - inner.keys():
            raise MisfitError(f"a map with {len(extra)} names that the struct has not")
        if tells_null and any("NULL" in each for each in entries.values()):
            raise MisfitError("a map with a NULL in it")
        return {name: _or_null(inner[name], each) for name, each in entries.items()}

    return encode


def _decode(column: ColumnType, value: Any) -> dict[str, Any]:  # noqa: PLR0911
    if value is None:
        return {"NULL": True}
    if column.kind == "json":
        return msgspec.json.decode(value, type=dict[str, Any])
    if column.kind == "number":
        return {"N": value}
    if column.kind == "double":
        return encode_value(Decimal(repr(value)))
    if column.kind == "list":
        assert column.element is not None
        return {"L": [_decode(column.element, each) for each in value]}
    if column.kind == "set":
        assert column.element is not None
        tag = _SET_TAGS[column.element.kind]
        return {tag: [_decode(column.element, each)[tag[0]] for each in value]}
    if column.kind == "struct":
        return {
            "M": {
                name: _decode(each, value[name])
                for name, each in column.fields
                if value[name] is not None
            }
        }
    return encode_value(value)
