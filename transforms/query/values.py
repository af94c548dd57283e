"""One AttributeValue as the value of a SQL column, or a misfit."""

import base64
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from transforms.query.moments import MisfitValueError, date_of, moment_of
from transforms.query.sql_types import SqlType

__all__ = [
    "Converter",
    "MisfitValueError",
    "converter_of",
    "json_text",
    "number_of",
]

Converter: TypeAlias = Callable[[str, Any], Any]
"""From an AttributeValue's type and content to what Arrow takes."""

_BIGINT_BITS = 63


def converter_of(  # noqa: PLR0911 - one line a type
    sql_type: SqlType,
) -> Converter:
    """Returns the function that makes values of this type.

    It raises `MisfitValueError` for an AttributeValue that cannot be one.
    """
    match sql_type.kind:
        case "VARCHAR":
            return _text
        case "BIGINT" | "DOUBLE" | "DECIMAL":
            return lambda tag, content: number_of(sql_type, _only("N", tag, content))
        case "BOOLEAN":
            return lambda tag, content: _only("BOOL", tag, content)
        case "BLOB":
            return lambda tag, content: base64.b64decode(_only("B", tag, content))
        case "DATE" | "TIMESTAMP":
            return date_of if sql_type.kind == "DATE" else moment_of
        case "LIST":
            return _list_converter(sql_type.members[0])
        case "STRUCT":
            return _struct_converter(sql_type)
        case "MAP":
            return _map_converter(sql_type.members[0])
        case "JSON":
            return json_text


def number_of(sql_type: SqlType, text: str) -> Any:
    """Returns a number's text as int, float or Decimal, exact but for DOUBLE.

    Raises:
        MisfitValueError: the type cannot hold it.
    """
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise MisfitValueError from error
    if not number.is_finite():
        raise MisfitValueError
    if sql_type.kind == "DOUBLE":
        return float(number)
    if sql_type.kind == "BIGINT":
        # Not 10^120 digits of an int first.
        if number.adjusted() > _BIGINT_BITS or number != number.to_integral_value():
            raise MisfitValueError
        whole = int(number)
        if not -(2**_BIGINT_BITS) <= whole < 2**_BIGINT_BITS:
            raise MisfitValueError
        return whole
    return _scaled(number, sql_type)


def _scaled(number: Decimal, sql_type: SqlType) -> Decimal:
    sign, digits, exponent = number.normalize().as_tuple()
    if not number:
        return Decimal(0)
    assert isinstance(exponent, int)
    places = -exponent
    whole_digits = len(digits) + exponent
    if places > sql_type.scale or whole_digits > sql_type.precision - sql_type.scale:
        raise MisfitValueError
    return Decimal((sign, digits, exponent))


def _only(wanted: str, tag: str, content: Any) -> Any:
    if tag != wanted:
        raise MisfitValueError
    return content


def _text(tag: str, content: Any) -> str:
    if tag not in ("S", "N"):
        raise MisfitValueError
    return str(content)


def _element(convert: Converter, tagged: dict[str, Any]) -> Any:
    ((tag, content),) = tagged.items()
    return None if tag == "NULL" else convert(tag, content)


def _list_converter(member: SqlType) -> Converter:
    convert = converter_of(member)

    def make(tag: str, content: Any) -> list[Any]:
        if tag == "L":
            return [_element(convert, each) for each in content]
        if tag in ("SS", "NS", "BS"):
            return [convert(tag[0], each) for each in content]
        raise MisfitValueError

    return make


def _struct_converter(sql_type: SqlType) -> Converter:
    fields = [
        (name, converter_of(member))
        for name, member in zip(sql_type.names, sql_type.members, strict=True)
    ]

    def make(tag: str, content: Any) -> dict[str, Any]:
        entries = _only("M", tag, content)
        return {
            name: _element(convert, entries[name]) if name in entries else None
            for name, convert in fields
        }

    return make


def _map_converter(value: SqlType) -> Converter:
    convert = converter_of(value)

    def make(tag: str, content: Any) -> list[tuple[str, Any]]:
        entries = _only("M", tag, content)
        return [(name, _element(convert, each)) for name, each in entries.items()]

    return make


def json_text(tag: str, content: Any) -> str:  # noqa: PLR0911 - one line a type
    """Returns an AttributeValue as people write JSON; sets are arrays, B is base64.

    Numbers keep their digits, which no JSON library of Python's would let them.

    >>> json_text("M", {"n": {"N": "1.50"}, "tags": {"SS": ["a"]}})
    '{"n":1.50,"tags":["a"]}'
    """
    match tag:
        case "N":
            return str(content)
        case "NULL":
            return "null"
        case "L":
            return f"[{','.join(map(_member_text, content))}]"
        case "M":
            pairs = (
                f"{_quoted(name)}:{_member_text(one)}" for name, one in content.items()
            )
            return f"{{{','.join(pairs)}}}"
        case "NS":
            return f"[{','.join(content)}]"
        case "SS" | "BS":
            return f"[{','.join(map(_quoted, content))}]"
        case _:
            return _quoted(content)


def _quoted(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)


def _member_text(tagged: dict[str, Any]) -> str:
    ((tag, content),) = tagged.items()
    return json_text(tag, content)
