"""The SQL types that columns may have, in DuckDB's words, and their Arrow types.

A type says which DynamoDB types it is made from. A number is DOUBLE (fast, 15 digits),
BIGINT or DECIMAL(38,s) (exact), or VARCHAR OF N (its text, all 38 digits and any
exponent). A DATE or TIMESTAMP is a text in ISO 8601, a TIMESTAMP OF N the seconds since
1970, as DynamoDB's time to live has them; TIMESTAMPs are in UTC, to the microsecond.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import sqlglot
from sqlglot import exp

from transforms.dynamodb.errors import UserError

__all__ = ["Kind", "SqlType", "Tag", "parse_type"]

Tag: TypeAlias = Literal["S", "N", "B", "BOOL", "L", "M", "SS", "NS", "BS"]
Kind: TypeAlias = Literal[
    "VARCHAR",
    "BIGINT",
    "DOUBLE",
    "DECIMAL",
    "BOOLEAN",
    "BLOB",
    "DATE",
    "TIMESTAMP",
    "LIST",
    "STRUCT",
    "MAP",
    "JSON",
]

# DuckDB's and Hive's words for the same things; a 32-bit column would only be one more
# way for an item not to fit.
_KINDS: Mapping[Any, Kind] = {
    exp.DataType.Type.VARCHAR: "VARCHAR",
    exp.DataType.Type.TEXT: "VARCHAR",
    exp.DataType.Type.INT: "BIGINT",
    exp.DataType.Type.BIGINT: "BIGINT",
    exp.DataType.Type.DOUBLE: "DOUBLE",
    exp.DataType.Type.DECIMAL: "DECIMAL",
    exp.DataType.Type.BOOLEAN: "BOOLEAN",
    exp.DataType.Type.VARBINARY: "BLOB",
    exp.DataType.Type.BINARY: "BLOB",
    exp.DataType.Type.DATE: "DATE",
    exp.DataType.Type.TIMESTAMP: "TIMESTAMP",
    exp.DataType.Type.TIMESTAMPNTZ: "TIMESTAMP",
    exp.DataType.Type.DATETIME: "TIMESTAMP",
    exp.DataType.Type.ARRAY: "LIST",
    exp.DataType.Type.LIST: "LIST",
    exp.DataType.Type.STRUCT: "STRUCT",
    exp.DataType.Type.MAP: "MAP",
    exp.DataType.Type.JSON: "JSON",
}
_KNOWN = (
    "VARCHAR, BIGINT, DOUBLE, DECIMAL(p,s), BOOLEAN, BLOB, DATE, TIMESTAMP, JSON, T[], "
    "STRUCT(name T, …) and MAP(VARCHAR, T)"
)
_DECIMAL_DIGITS = 38
_DEFAULT_SCALE = 9

_SETS: dict[Kind, Tag] = {
    "VARCHAR": "SS",
    "BIGINT": "NS",
    "DOUBLE": "NS",
    "DECIMAL": "NS",
    "BLOB": "BS",
    "DATE": "SS",
    "TIMESTAMP": "SS",
}


@dataclass(frozen=True, slots=True)
class SqlType:
    """One type.

    Attributes:
        kind: its word.
        precision: of a DECIMAL, 1 to 38 digits.
        scale: of a DECIMAL, 0 to `precision` of them after the point.
        members: of a LIST its element, of a MAP its value, of a STRUCT its fields.
        names: of a STRUCT's members.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0
    members: tuple["SqlType", ...] = ()
    names: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[Tag, ...]:  # noqa: PLR0911 - one line a type
        """The DynamoDB types that it is made from; none for JSON means any."""
        match self.kind:
            case "VARCHAR" | "DATE" | "TIMESTAMP":
                return ("S",)
            case "BIGINT" | "DOUBLE" | "DECIMAL":
                return ("N",)
            case "BOOLEAN":
                return ("BOOL",)
            case "BLOB":
                return ("B",)
            case "LIST":
                members = _SETS.get(self.members[0].kind)
                return ("L",) if members is None else ("L", members)
            case "STRUCT" | "MAP":
                return ("M",)
            case "JSON":
                return ()

    @property
    def arrow(self) -> pa.DataType:  # noqa: C901, PLR0911 - one line a type
        """The Arrow type of a column."""
        match self.kind:
            case "BIGINT":
                return pa.int64()
            case "DOUBLE":
                return pa.float64()
            case "DECIMAL":
                return pa.decimal128(self.precision, self.scale)
            case "BOOLEAN":
                return pa.bool_()
            case "BLOB":
                return pa.binary()
            case "DATE":
                return pa.date32()
            case "TIMESTAMP":
                return pa.timestamp("us")
            case "LIST":
                return pa.list_(self.members[0].arrow)
            case "STRUCT":
                pairs = zip(self.names, self.members, strict=True)
                return pa.struct([(name, member.arrow) for name, member in pairs])
            case "MAP":
                return pa.map_(pa.string(), self.members[0].arrow)
            case "VARCHAR" | "JSON":
                return pa.string()

    def __str__(self) -> str:
        """The type as DuckDB reads it."""
        match self.kind:
            case "DECIMAL":
                return f"DECIMAL({self.precision},{self.scale})"
            case "LIST":
                return f"{self.members[0]}[]"
            case "STRUCT":
                pairs = zip(self.names, self.members, strict=True)
                fields = ", ".join(f"{_quoted(name)} {one}" for name, one in pairs)
                return f"STRUCT({fields})"
            case "MAP":
                return f"MAP(VARCHAR, {self.members[0]})"
            case _:
                return self.kind


def parse_type(text: str) -> SqlType:
    """Reads a type.

    Raises:
        UserError: it is none, or none that columns may have.

    >>> str(parse_type("struct(day varchar, late decimal(5, 1)[])"))
    'STRUCT("day" VARCHAR, "late" DECIMAL(5,1)[])'
    """
    try:
        parsed = exp.DataType.build(text, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, ValueError) as error:
        raise UserError(f"type {text!r} is none; known are {_KNOWN}") from error
    return _convert(parsed, text)


def _convert(parsed: exp.DataType, text: str) -> SqlType:
    kind = _KINDS.get(parsed.this)
    if kind is None:
        raise UserError(f"type {text!r} is not one of {_KNOWN}")
    members = parsed.expressions
    match kind:
        case "DECIMAL":
            return _decimal([int(each.name) for each in members], text)
        case "LIST":
            return SqlType(kind, members=(_member(members, 0, text),))
        case "MAP":
            if _member(members, 0, text).kind != "VARCHAR":
                raise UserError(f"type {text!r}: the keys of a MAP are VARCHAR")
            return SqlType(kind, members=(_member(members, 1, text),))
        case "STRUCT":
            return SqlType(
                kind,
                members=tuple(_convert(each.args["kind"], text) for each in members),
                names=tuple(each.name for each in members),
            )
        case _:
            return SqlType(kind)


def _member(members: list[exp.Expression], place: int, text: str) -> SqlType:
    if len(members) <= place or not isinstance(members[place], exp.DataType):
        raise UserError(f"type {text!r} does not say of what; known are {_KNOWN}")
    return _convert(members[place], text)  # type: ignore[arg-type]


def _decimal(digits: list[int], text: str) -> SqlType:
    # A bare DECIMAL is DuckDB's DECIMAL(18,3), which would lose digits; this one holds
    # every whole number of DynamoDB's up to 29 digits, and 9 places.
    precision, scale = (
        *(digits or [_DECIMAL_DIGITS]),
        *([] if len(digits) > 1 else [0 if digits else _DEFAULT_SCALE]),
    )
    if not 1 <= precision <= _DECIMAL_DIGITS or not 0 <= scale <= precision:
        raise UserError(
            f"type {text!r}: a DECIMAL has 1 to {_DECIMAL_DIGITS} digits, and no more "
            "of them after the point than that"
        )
    return SqlType("DECIMAL", precision, scale)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
