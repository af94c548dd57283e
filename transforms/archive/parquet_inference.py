"""A Parquet schema made of a sample of items.

What disagrees within the sample becomes ``json``, and what the sample has not seen is
kept apart when it comes (the column ``_rest``): a guess never loses anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from transforms.archive.parquet_types import ColumnType, Schema, shortest_number
from transforms.dynamodb.attribute_values import Wire, parse_item

__all__ = ["Numbers", "infer_schema"]

Numbers = Literal["decimal", "string", "double"]

_JSON = ColumnType("json")
_MOST_DIGITS = 38
_MOST_STRUCT_FIELDS = 100


def infer_schema(items: Iterable[Wire], numbers: Numbers = "decimal") -> Schema:
    """Returns columns for the attributes of a sample, in the order of their names.

    Args:
        items: the sample.
        numbers: what becomes of N: decimals of 38 digits with as many after the
            point as the sample needs, strings, or rounded doubles.
    """
    columns: dict[str, ColumnType | None] = {}
    for wire in items:
        for name, value in parse_item(wire).items():
            found = _type_of(value, numbers)
            columns[name] = _unify(columns.get(name), found)
    return Schema(
        tuple((name, columns[name] or _JSON) for name in sorted(columns)),
        is_complete=False,
    )


def _type_of(  # noqa: PLR0911 - one line a type
    value: Mapping[str, Any], numbers: Numbers
) -> ColumnType | None:
    """Returns the type of one value; None for NULL, which fits any."""
    ((tag, content),) = value.items()
    simple: dict[str, ColumnType] = {
        "S": ColumnType("string"),
        "BOOL": ColumnType("bool"),
        "B": ColumnType("binary"),
        "SS": ColumnType("set", element=ColumnType("string")),
        "BS": ColumnType("set", element=ColumnType("binary")),
    }
    if tag in simple:
        return simple[tag]
    if tag == "NULL":
        return None
    if tag == "N":
        return _number(content, numbers)
    if tag == "NS":
        exact: Numbers = "string" if numbers == "double" else numbers
        members = [_number(each, exact) for each in content]
        return ColumnType("set", element=_all(members))
    if tag == "L":
        element = _all([_type_of(each, numbers) for each in content])
        return ColumnType("list", element=element)
    fields = {name: _type_of(each, numbers) for name, each in content.items()}
    if not fields or len(fields) > _MOST_STRUCT_FIELDS:
        return _JSON  # Parquet has no struct without fields
    return ColumnType("struct", fields=_sorted(fields))


def _number(text: str, numbers: Numbers) -> ColumnType:
    if numbers != "decimal":
        return ColumnType("number" if numbers == "string" else "double")
    number = shortest_number(text)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # N holds finite numbers
    scale, whole = max(0, -exponent), max(0, number.adjusted() + 1)
    if scale + whole > _MOST_DIGITS:
        return ColumnType("number")
    return ColumnType("decimal", _MOST_DIGITS, scale)


def _all(types: Sequence[ColumnType | None]) -> ColumnType:
    unified: ColumnType | None = None
    for each in types:
        unified = _unify(unified, each)
    return unified or _JSON


def _sorted(
    fields: Mapping[str, ColumnType | None],
) -> tuple[tuple[str, ColumnType], ...]:
    return tuple((name, fields[name] or _JSON) for name in sorted(fields))


def _unify(one: ColumnType | None, other: ColumnType | None) -> ColumnType | None:
    """Returns a type that holds the values of both."""
    if one is None or other is None or one == other:
        return one or other
    kinds = {one.kind, other.kind}
    if kinds == {"decimal"}:
        return ColumnType("decimal", _MOST_DIGITS, max(one.scale, other.scale))
    if kinds <= {"decimal", "number"}:
        return ColumnType("number")
    if len(kinds) > 1 or one.kind not in ("list", "set", "struct"):
        return _JSON
    if one.kind == "struct":
        names = dict.fromkeys([*dict(one.fields), *dict(other.fields)])
        ours, theirs = dict(one.fields), dict(other.fields)
        fields = {name: _unify(ours.get(name), theirs.get(name)) for name in names}
        return ColumnType("struct", fields=_sorted(fields))
    return _unify_elements(one, other)


def _unify_elements(one: ColumnType, other: ColumnType) -> ColumnType:
    element = _unify(one.element, other.element)
    if one.kind == "set" and (element is None or element.kind == "json"):
        return _JSON  # a set of strings here, one of numbers there
    return ColumnType(one.kind, element=element)
