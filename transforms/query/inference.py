"""A schema from a sample: what a table's columns seem to be.

    {"S"} VARCHAR            {"N"}  BIGINT, DOUBLE, or DECIMAL(38,s) for digits
    {"S","N"} VARCHAR        {"L"}  T[] of one scalar type, else JSON
    {"BOOL"} BOOLEAN         {"M"}  JSON          {"SS"} VARCHAR[]          {"B"} BLOB

Whatever a sample shows may be otherwise in the next item: that is a misfit, and said.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from transforms.dynamodb.attribute_values import Wire, parse_item
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import KeySchema
from transforms.query.schema import Column, TableSchema

__all__ = ["infer_schema"]

_BIGINT_DIGITS = 18
_DOUBLE_DIGITS = 15
_DECIMAL_DIGITS = 38
_SETS = {"SS": "VARCHAR[]", "BS": "BLOB[]", "BOOL": "BOOLEAN", "B": "BLOB"}


def infer_schema(items: Sequence[Wire], keys: KeySchema | None = None) -> TableSchema:
    """Returns the columns of a sample, key attributes first, then by name.

    Args:
        items: the sample.
        keys: the table's key, which every item has.

    Raises:
        UserError: there is nothing to see: no items and no keys.
    """
    seen: dict[str, dict[str, list[Any]]] = {}
    if keys is not None:
        for part in (keys.partition_key, keys.sort_key):
            if part is not None:
                seen[part.name] = {part.type: []}
    first = list(seen)
    for item in items:
        for name, tagged in parse_item(item).items():
            ((tag, content),) = tagged.items()
            seen.setdefault(name, {}).setdefault(tag, []).append(content)
    if not seen:
        raise UserError("the sample has no item to infer a schema from; give --schema")
    names = [*first, *sorted(set(seen) - set(first))]
    columns = _distinct_columns((name, seen[name]) for name in names)
    return TableSchema(columns, is_inferred=True, sample_items=len(items))


def _distinct_columns(
    attributes: Iterable[tuple[str, dict[str, list[Any]]]],
) -> tuple[Column, ...]:
    """SQL does not tell Id from id: the later of the two gets a number."""
    taken: set[str] = set()
    columns = []
    for attribute, contents in attributes:
        name, number = attribute, 2
        while name.lower() in taken:
            name, number = f"{attribute}_{number}", number + 1
        taken.add(name.lower())
        kind, tags = _type_of(contents)
        columns.append(Column.of(name, kind, attribute=attribute, tags=tags))
    return tuple(columns)


def _type_of(  # noqa: PLR0911 - one line a type
    contents: dict[str, list[Any]],
) -> tuple[str, tuple[str, ...]]:
    tags = set(contents) - {"NULL"}
    if not tags or tags == {"S"}:
        return "VARCHAR", ()
    if tags == {"N"}:
        return _number_type(contents["N"])
    if tags == {"S", "N"}:
        return "VARCHAR", ("S", "N")
    if len(tags) > 1:
        return "JSON", ()
    (tag,) = tags
    if tag == "NS":
        members = [each for members in contents[tag] for each in members]
        return _list_of(*_number_type(members))
    if tag == "L":
        return _list_type(contents[tag])
    return _SETS.get(tag, "JSON"), ()


def _list_type(lists: list[list[Any]]) -> tuple[str, tuple[str, ...]]:
    elements: dict[str, list[Any]] = {}
    for members in lists:
        for tagged in members:
            ((tag, content),) = tagged.items()
            elements.setdefault(tag, []).append(content)
    if not set(elements) <= {"S", "N", "BOOL", "B", "NULL"}:
        return "JSON", ()
    return _list_of(*_type_of(elements))


def _list_of(member: str, tags: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return ("JSON", ()) if tags or member == "JSON" else (f"{member}[]", ())


def _number_type(texts: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Returns the narrowest type that holds these numbers exactly, and more like them.

    DOUBLE counts as exact up to 15 digits: what it gives back is the number read.
    """
    numbers = [Decimal(text).normalize() for text in texts]
    digits = max((len(number.as_tuple().digits) for number in numbers), default=1)
    whole = max((number.adjusted() + 1 for number in numbers if number), default=1)
    places = max((-int(number.as_tuple().exponent) for number in numbers), default=0)
    if places <= 0 and whole <= _BIGINT_DIGITS:
        return "BIGINT", ()
    if digits <= _DOUBLE_DIGITS:
        return "DOUBLE", ()
    if max(whole, 0) + max(places, 0) <= _DECIMAL_DIGITS:
        return f"DECIMAL({_DECIMAL_DIGITS},{max(places, 0)})", ()
    return "VARCHAR", ("N",)
