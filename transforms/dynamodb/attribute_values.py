"""DynamoDB's attribute values: ten types, as JSON on the wire and as Python values.

    wire bytes  --decode_item-->  {name: Value}  --encode_item-->  wire bytes
        |-- canonical_bytes: one spelling for all wire bytes that mean the same item
        `-- item_size_bytes: what the service counts against 400 KB and capacity units

===========  ==============================  ==========================================
type         JSON                            Python (``Value``)
===========  ==============================  ==========================================
S            ``{"S": "text"}``               ``str``
N            ``{"N": "1.5"}``                ``decimal.Decimal``; ``int`` is taken too
B            ``{"B": "base64"}``             ``bytes``; ``bytearray`` is taken too
BOOL, NULL   ``{"BOOL": true}``              ``bool``, ``None``
L, M         ``{"L": […]}``, ``{"M": {…}}``  ``list``, ``dict``; any Mapping is taken
SS, NS, BS   ``{"SS": ["a", "b"]}``          ``frozenset`` (``set``) of one of S, N, B
===========  ==============================  ==========================================

Errors name the attribute, the type and the remedy, never the value: item content stays
out of logs. Types and number limits are those of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from types import NoneType
from typing import Any, Literal, NoReturn, TypeAlias, TypeVar, Union

import msgspec

from transforms.dynamodb.decimal_numbers import (
    NUMBER_CONTEXT,
    AttributeValueError,
    number_size_bytes,
    number_text,
    parse_number,
)

__all__ = [
    "NUMBER_CONTEXT",
    "AttributeValue",
    "AttributeValueError",
    "Value",
    "Wire",
    "canonical_bytes",
    "canonical_value",
    "decode_item",
    "decode_value",
    "encode_item",
    "encode_value",
    "item_size_bytes",
    "parse_item",
]

Wire: TypeAlias = bytes | msgspec.Raw
"""One item's (or value's) DynamoDB JSON: bytes, or a slice of a reply's body."""

AttributeValue: TypeAlias = dict[str, Any]
"""One value as parsed JSON: exactly one member, from type to content."""

Value: TypeAlias = Union[  # noqa: UP007 - `|` takes no quoted, recursive members
    str,
    Decimal,
    bytes,
    bool,
    list["Value"],
    dict[str, "Value"],
    frozenset[str],
    frozenset[Decimal],
    frozenset[bytes],
    None,
]
"""One value in Python."""

# An L or M costs 3 bytes, and each of its elements 1 (see item_size_bytes).
_CONTAINER_BYTES = 3
_ELEMENT_BYTES = 1

_ITEM_DECODER = msgspec.json.Decoder(dict[str, dict[str, Any]])
_T = TypeVar("_T")


# --- public ---------------------------------------------------------------------------


def decode_value(tagged: AttributeValue) -> Value:
    """Turns one parsed AttributeValue, ``{"N": "1.5"}``, into its Python value.

    Raises:
        AttributeValueError: it is none of the ten types, or its content does not fit.
    """
    tag, content = _tag_and_content(tagged)
    return _DECODERS[tag](content)


def encode_value(value: object) -> dict[str, Any]:
    """Turns a Python value into one AttributeValue, ready for JSON.

    Numbers lose needless zeros, as the service would take them off, and sets are
    sorted: equal values have equal encodings, but for the order of a map's names.

    Raises:
        AttributeValueError: DynamoDB cannot hold the value exactly: a float, a number
            of over 38 digits, an empty or mixed set, a type that is not in the table.
    """
    for accepted, encode in _ENCODERS:
        if isinstance(value, accepted):
            return encode(value)
    raise AttributeValueError(
        f"a {type(value).__name__} has no DynamoDB type; use str, int, Decimal, bytes,"
        " bool, None, list, dict, or a set of str, numbers or bytes"
    )


def decode_item(wire: Wire) -> dict[str, Value]:
    """Decodes every attribute of an item; see `decode_value` for one.

    Raises:
        AttributeValueError: the bytes are not an item.
    """
    return _each_attribute(decode_value, parse_item(wire))


def encode_item(attributes: Mapping[str, object]) -> bytes:
    """Encodes Python values as one item's DynamoDB JSON, names in the given order.

    Raises:
        AttributeValueError: as `encode_value`, with the attribute's name.
    """
    if "" in attributes:
        raise AttributeValueError("an attribute's name must not be empty; name it")
    _check_names(attributes)
    return _to_json(_each_attribute(encode_value, attributes))


def canonical_value(tagged: AttributeValue) -> dict[str, Any]:
    """Returns the AttributeValue in its one spelling; see `canonical_bytes`."""
    return encode_value(decode_value(tagged))


def canonical_bytes(wire: Wire) -> bytes:
    """Returns the one spelling of an item, for equality and digests.

    Equal for numbers of one value (1.50, 1.5, 15E-1; -0 and 0) and for maps, sets and
    attributes in any order. Distinct wherever the service would hold another item:
    S "1" and N "1", a list in another order, NULL and no attribute.

    Raises:
        AttributeValueError: the bytes are not an item.
    """
    return _to_json(_each_attribute(canonical_value, parse_item(wire)), order="sorted")


def item_size_bytes(wire: Wire) -> int:
    """Returns an item's size as the service counts it, in bytes.

    Names and strings count their UTF-8 bytes, binary its raw bytes, BOOL and NULL 1,
    a number 1 and 1 for every two significant digits (leading and trailing zeros do not
    count), L and M 3, and 1 for each element. AWS calls the figure for numbers
    approximate, and says nothing of sets: they count as the sum of their members.
    dynoxide counts 1 more for a sign, and 1 where the point parts a pair of digits.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html

    Raises:
        AttributeValueError: the bytes are not an item.
    """
    attributes = decode_item(wire)
    return sum(len(name.encode()) + _value_size(v) for name, v in attributes.items())


def parse_item(wire: Wire) -> dict[str, AttributeValue]:
    """Parses an item's JSON down to strings, lists and dicts; values stay as sent.

    Raises:
        AttributeValueError: the bytes are not a JSON object of objects.
    """
    try:
        return _ITEM_DECODER.decode(wire)
    except msgspec.DecodeError as error:
        raise AttributeValueError(
            f"not an item in DynamoDB JSON ({error}); expected bytes such as"
            ' {"name": {"S": "text"}}'
        ) from error


# --- the ten types --------------------------------------------------------------------


def _tag_and_content(tagged: object) -> tuple[str, Any]:
    if not isinstance(tagged, dict) or len(tagged) != 1:
        raise AttributeValueError(
            "a value must be a JSON object of one member, named after its type"
        )
    ((tag, content),) = tagged.items()
    if tag not in _DECODERS:
        raise AttributeValueError(
            f"a value's type must be one of {', '.join(_DECODERS)}"
        )
    return tag, content


def _each_attribute(
    convert: Callable[[Any], _T], attributes: Mapping[str, Any]
) -> dict[str, _T]:
    converted = {}
    for name, value in attributes.items():
        try:
            converted[name] = convert(value)
        except AttributeValueError as error:  # noqa: PERF203 - the name is what helps
            raise AttributeValueError(f"attribute {name!r}: {error}") from error
    return converted


def _to_json(value: object, *, order: Literal["sorted"] | None = None) -> bytes:
    try:
        return msgspec.json.encode(value, order=order)
    except UnicodeEncodeError as error:
        raise AttributeValueError(
            "a string holds a lone surrogate, which has no UTF-8 form; replace it"
        ) from error


def _expect(content: object, kind: type[_T]) -> _T:
    if not isinstance(content, kind):
        raise AttributeValueError(
            f"expected a {kind.__name__} in its JSON, got a {type(content).__name__}"
        )
    return content


def _text(content: object) -> str:
    return _expect(content, str)


def _number(content: object) -> Decimal:
    return parse_number(_expect(content, str))


def _binary(content: object) -> bytes:
    try:
        return base64.b64decode(_expect(content, str), validate=True)
    except ValueError as error:
        raise AttributeValueError("a binary value must be base64 text") from error


def _base64(raw: bytes | bytearray) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bool(content: object) -> bool:
    return _expect(content, bool)


def _null(content: object) -> None:
    if content is not True:
        raise AttributeValueError("NULL must hold true")


def _members(convert: Callable[[object], _T]) -> Callable[[object], frozenset[_T]]:
    def convert_members(content: object) -> frozenset[_T]:
        members = _expect(content, list)
        if not members:
            raise AttributeValueError("a set must have a member")
        return frozenset(map(convert, members))

    return convert_members


def _elements(convert: Callable[[Any], _T]) -> Callable[[object], list[_T]]:
    return lambda content: [convert(element) for element in _expect(content, list)]


def _entries(convert: Callable[[Any], _T]) -> Callable[[object], dict[str, _T]]:
    return lambda content: {
        name: convert(value) for name, value in _expect(content, dict).items()
    }


_DECODERS: dict[str, Callable[[object], Value]] = {
    "S": _text,
    "N": _number,
    "B": _binary,
    "BOOL": _bool,
    "NULL": _null,
    "L": _elements(decode_value),
    "M": _entries(decode_value),
    "SS": _members(_text),
    "NS": _members(_number),
    "BS": _members(_binary),
}


# --- from Python ----------------------------------------------------------------------


def _check_names(names: Iterable[object]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise AttributeValueError(
                f"the name of a value must be a str, got a {type(name).__name__}"
            )


def _refuse_float(_: float) -> NoReturn:
    raise AttributeValueError(
        "a float is not exact in decimal; use Decimal(str(x)), or round it first"
    )


def _encode_set(members: AbstractSet[object]) -> dict[str, Any]:
    encoded = [encode_value(member) for member in members]
    tags = {tag for member in encoded for tag in member}
    if tags not in ({"S"}, {"N"}, {"B"}):
        raise AttributeValueError(
            "a set must hold one or more members, all str, all numbers or all bytes;"
            " use a list, or leave the attribute out"
        )
    (tag,) = tags
    return {f"{tag}S": sorted(member[tag] for member in encoded)}


def _encode_map(entries: Mapping[str, object]) -> dict[str, Any]:
    _check_names(entries)
    return {"M": {name: encode_value(value) for name, value in entries.items()}}


# The first that fits: a bool is an int too, and must not become a number.
_ENCODERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], dict[str, Any]]], ...]
_ENCODERS = (
    (str, lambda text: {"S": text}),
    (bool, lambda flag: {"BOOL": flag}),
    ((int, Decimal), lambda number: {"N": number_text(number)}),
    (float, _refuse_float),
    ((bytes, bytearray), lambda raw: {"B": _base64(raw)}),
    (NoneType, lambda _: {"NULL": True}),
    ((list, tuple), lambda elements: {"L": [encode_value(e) for e in elements]}),
    (Mapping, _encode_map),
    (AbstractSet, _encode_set),
)


# --- sizes ----------------------------------------------------------------------------


def _value_size(value: Value) -> int:  # noqa: PLR0911 - one line a type
    match value:
        case str():
            return len(value.encode())
        case Decimal():
            return number_size_bytes(value)
        case bytes():
            return len(value)
        case frozenset():
            return sum(map(_value_size, value))
        case list():
            return _CONTAINER_BYTES + sum(
                _ELEMENT_BYTES + _value_size(v) for v in value
            )
        case dict():
            return _CONTAINER_BYTES + sum(
                _ELEMENT_BYTES + len(name.encode()) + _value_size(v)
                for name, v in value.items()
            )
        case _:
            return 1
