"""How the service compares two AttributeValues, given as parsed JSON.

Nothing here raises for types that do not fit: a stored value of the wrong type makes
the condition false.
"""

import base64
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from transforms.dynamodb.attribute_values import AttributeValue, canonical_value

__all__ = [
    "COMPARE",
    "ORDERED_TYPES",
    "ORDER_KEY",
    "begins_with",
    "contains",
    "equals",
    "is_ordered",
    "size",
]

ORDERED_TYPES = ("S", "N", "B")
"""Types with an order; the others know only = and <>."""

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

ORDER_KEY: Mapping[str, Callable[[str], Any]] = {
    # Python orders text by code point, the service by UTF-8 bytes: the same order.
    "S": str,
    "N": Decimal,  # of any precision: a comparison never rounds
    "B": base64.b64decode,  # bytes compare unsigned
}
"""A scalar's content to what is compared."""

_MEMBER_TYPE = {"SS": "S", "NS": "N", "BS": "B"}
_SPELT_ONE_WAY = {"S", "BOOL"}
_COUNTED_TYPES = ("SS", "NS", "BS", "L", "M")


def equals(left: AttributeValue, right: AttributeValue) -> bool:
    """One type and one value: 1.50 is 1.5, sets and maps have no order, lists have."""
    if left == right:
        return True
    if left.keys() != right.keys() or left.keys() & _SPELT_ONE_WAY:
        return False
    return canonical_value(left) == canonical_value(right)


def is_ordered(comparator: str, left: AttributeValue, right: AttributeValue) -> bool:
    """Compares two values of one type that has an order; others are false."""
    for tag in ORDERED_TYPES:
        if tag in left and tag in right:
            key = ORDER_KEY[tag]
            return COMPARE[comparator](key(left[tag]), key(right[tag]))
    return False


def size(value: AttributeValue) -> AttributeValue | None:
    """Returns the size as an N; None for N, BOOL and NULL, which have none.

    Bytes of a B, members of a set, list or map, and of an S its length in UTF-16 units.
    AWS says only "length"; the units are those of the exact engine of our tests, and
    differ from characters beyond U+FFFF, such as emoji.
    """
    ((tag, content),) = value.items()
    if tag == "S":
        return {"N": str(_utf16_length(content))}
    if tag == "B":
        return {"N": str(len(base64.b64decode(content)))}
    return {"N": str(len(content))} if tag in _COUNTED_TYPES else None


def _utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def begins_with(value: AttributeValue, prefix: AttributeValue) -> bool:
    """Both S or both B, and the one begins with the other."""
    if "S" in value and "S" in prefix:
        return bool(value["S"].startswith(prefix["S"]))
    if "B" in value and "B" in prefix:
        key = ORDER_KEY["B"]
        return bool(key(value["B"]).startswith(key(prefix["B"])))
    return False


def contains(value: AttributeValue, element: AttributeValue) -> bool:
    """Part of an S or B; member of a set; equal to an element of a list."""
    ((tag, content),) = value.items()
    if tag == "L":
        return any(equals(member, element) for member in content)
    if tag in _MEMBER_TYPE:
        member_type = _MEMBER_TYPE[tag]
        return any(equals({member_type: member}, element) for member in content)
    if tag in {"S", "B"} and tag in element:
        key = ORDER_KEY[tag]
        return bool(key(element[tag]) in key(content))
    return False
