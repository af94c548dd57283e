"""Reads the key attributes of wire items, and nothing else of them.

A key is decoded only where one must be compared (duplicates, deletes, indexes):
on the plain copy nobody asks, which is why this is not part of the item itself.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec

from transforms.dynamodb.attribute_picking import attribute_picker
from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.decimal_numbers import AttributeValueError, parse_number
from transforms.dynamodb.errors import ItemRejectedError
from transforms.dynamodb.tables import KeySchema

__all__ = ["Key", "KeyDecoder"]

Key: TypeAlias = tuple[tuple[str, str | Decimal], ...]
"""(type, value) of the partition key and, where there is one, of the sort key."""


class _KeyValue(msgspec.Struct, frozen=True):
    """An attribute value of one of the three types that a key may have.

    Source: AWS developer guide, "Naming rules and data types", key attributes.
    """

    S: str | None = None
    N: str | None = None
    B: str | None = None

    def typed(self) -> tuple[str, str | Decimal] | None:
        """Returns a value that is equal for equal keys (N: 1.0 and 1).

        Raises:
            AttributeValueError: an N that no table holds.
        """
        if self.S is not None:
            return "S", self.S
        if self.N is not None:
            return "N", parse_number(self.N)
        if self.B is not None:
            return "B", self.B
        return None


_KEY_VALUE = msgspec.json.Decoder(_KeyValue)


class KeyDecoder:
    """Takes keys out of wire items of one key schema.

    >>> from transforms.dynamodb.tables import KeyAttribute
    >>> decoder = KeyDecoder(KeySchema(KeyAttribute("id", "S"), None))
    >>> decoder.key(b'{"n":{"N":"1"},"id":{"S":"a"}}')
    (('S', 'a'),)
    >>> decoder.key_wire(b'{"n":{"N":"1"},"id":{"S":"a"}}')
    b'{"id":{"S":"a"}}'
    """

    def __init__(self, schema: KeySchema) -> None:
        self.schema = schema
        self._names = schema.names
        self._heads = [msgspec.json.encode(name) + b":" for name in self._names]
        self._pick = attribute_picker(self._names)

    def key(self, wire: Wire) -> Key:
        """Returns the key of an item, hashable, equal for equal keys.

        Raises:
            ItemRejectedError: a key attribute is not there, or is no key's.
        """
        values = self._values(wire)
        try:
            typed = [_KEY_VALUE.decode(value).typed() for value in values]
        except (msgspec.DecodeError, AttributeValueError) as error:
            raise _unreadable(self._names) from error
        key = tuple(value for value in typed if value is not None)
        if len(key) < len(typed):
            raise _missing(self._names[typed.index(None)])
        return key

    def key_wire(self, wire: Wire) -> bytes:
        """Returns the key as wire JSON: what DeleteRequest takes.

        Raises:
            ItemRejectedError: a key attribute is not there.
        """
        values = self._values(wire)
        pairs = [h + bytes(v) for h, v in zip(self._heads, values, strict=True)]
        return b"{" + b",".join(pairs) + b"}"

    def _values(self, wire: Wire) -> Sequence[msgspec.Raw]:
        try:
            values = self._pick(wire)
        except msgspec.DecodeError as error:
            raise _unreadable(self._names) from error
        for name, value in zip(self._names, values, strict=True):
            if not value:
                raise _missing(name)
        return values


def _missing(name: str) -> ItemRejectedError:
    return ItemRejectedError(
        f"an item has no key attribute {name!r} of type S, N or B; "
        "keep the key attributes of the target in the columns"
    )


def _unreadable(names: tuple[str, ...]) -> ItemRejectedError:
    return ItemRejectedError(
        f"an item's key ({', '.join(names)}) is not one that DynamoDB can hold; "
        "correct the item"
    )
