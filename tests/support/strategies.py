"""Hypothesis strategies for DynamoDB's values, items, and other spellings of them."""

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from transforms.dynamodb.attribute_values import Value, encode_value
from transforms.dynamodb.tables import KeySchema
from transforms.items import Origin

Tagged = dict[str, Any]
Draw = st.DrawFn

# No lone surrogates: they have no UTF-8 form, so no request can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6
) | st.sampled_from(["day", "a.b", "#", 'q"', "size"])
binaries = st.binary(max_size=8)
origins = st.none() | st.builds(
    Origin,
    segment=st.integers(0, 999_999),
    page=st.just(b"") | st.binary(min_size=8, max_size=8),
)


@st.composite
def numbers(draw: Draw) -> Decimal:
    """Numbers that N can hold: up to 38 digits, 1E-130 to 9.99…E+125, and zeros."""
    digits = draw(st.integers(0, 10**38 - 1) | st.integers(0, 10**4))
    places = len(str(digits)) - 1
    exponent = draw(st.integers(-130 - places, 125 - places) | st.integers(-3, 3))
    exponent = max(-130 - places, min(125 - places, exponent))
    sign = draw(st.sampled_from((0, 1)))
    return Decimal((sign, tuple(map(int, str(digits))), exponent))


def python_values(
    max_leaves: int = 8, number: st.SearchStrategy[Decimal] | None = None
) -> st.SearchStrategy[Value]:
    """Values of all ten types as Python has them, nested in lists and dicts."""
    number = numbers() if number is None else number
    leaves = (
        texts
        | number
        | binaries
        | st.booleans()
        | st.none()
        | st.frozensets(texts, min_size=1, max_size=4)
        | st.frozensets(number, min_size=1, max_size=4)
        | st.frozensets(binaries, min_size=1, max_size=4)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
        ),
        max_leaves=max_leaves,
    )


def attribute_values() -> st.SearchStrategy[Tagged]:
    """AttributeValues of all ten types as parsed JSON, in any spelling."""
    return python_values().map(encode_value).flatmap(respelled_value)


@st.composite
def wire_items(draw: Draw, key_schema: KeySchema | None = None) -> bytes:
    """Items in DynamoDB JSON; with a key schema, each has its key attributes."""
    attributes = draw(st.dictionaries(names, attribute_values(), max_size=4))
    for name, tag in key_attributes(key_schema):
        attributes[name] = {tag: draw(_KEYS[tag])}
    return msgspec.json.encode(attributes)


@st.composite
def respelled(draw: Draw, wire: bytes) -> bytes:
    """The same item in other bytes: order, numbers, blanks."""
    item = draw(_respelled_map(msgspec.json.decode(wire)))
    encoded = msgspec.json.encode(item)
    return msgspec.json.format(encoded, indent=draw(st.sampled_from((-1, 0, 2))))


@st.composite
def respelled_value(draw: Draw, tagged: Tagged) -> Tagged:
    """The same AttributeValue with numbers respelled, maps and sets shuffled."""
    ((tag, content),) = tagged.items()
    if tag == "N":
        content = draw(number_spellings(content))
    elif tag in ("SS", "BS", "NS"):
        content = draw(st.permutations(content))
        if tag == "NS":
            content = [draw(number_spellings(text)) for text in content]
    elif tag == "L":
        content = [draw(respelled_value(element)) for element in content]
    elif tag == "M":
        content = draw(_respelled_map(content))
    return {tag: content}


@st.composite
def number_spellings(draw: Draw, text: str) -> str:
    """The same number written another way: 1.5, +1.50, 015E-1; -0 and 0."""
    number = Decimal(text)
    sign = "-" if number < 0 else draw(st.sampled_from(("", "+") if number else "+-"))
    digits = "".join(map(str, number.as_tuple().digits))
    exponent = int(number.as_tuple().exponent)
    zeros = draw(st.integers(0, 45))
    spelling = draw(st.sampled_from(("plain", "padded", "scientific")))
    if spelling == "plain":
        return f"{number:f}"
    if spelling == "padded":
        plain = f"{number.copy_abs():f}"  # abs() would round to 28 digits
        return sign + "0" + plain + ("" if "." in plain else ".") + "0" * zeros
    return f"{sign}{digits}{'0' * zeros}{draw(st.sampled_from('eE'))}{exponent - zeros}"


@st.composite
def _respelled_map(draw: Draw, entries: Mapping[str, Tagged]) -> dict[str, Tagged]:
    order = draw(st.permutations(list(entries)))
    return {name: draw(respelled_value(entries[name])) for name in order}


def key_attributes(key_schema: KeySchema | None) -> list[tuple[str, str]]:
    """Names and types of the key's attributes, none without a schema."""
    keys = (key_schema.partition_key, key_schema.sort_key) if key_schema else ()
    return [(key.name, key.type) for key in keys if key]


# The service takes no empty string or binary in a key.
_KEYS: dict[str, st.SearchStrategy[str]] = {
    "S": texts.filter(bool),
    "N": numbers().map(str),
    "B": st.binary(min_size=1, max_size=8).map(
        lambda raw: base64.b64encode(raw).decode()
    ),
}
