"""Reads the key attributes of wire items, and nothing else of them.

A key is decoded only where one must be compared (duplicates, deletes, indexes):
on the plain copy nobody asks, which is why this is not part of the item itself.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

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
        self._names = schema.names
        fields = [f"k{index}" for index in range(len(self._names))]
        rename = dict(zip(fields, self._names, strict=True))
        typed = msgspec.defstruct(
            "KeyValues",
            [(field, _KeyValue, _KeyValue()) for field in fields],
            rename=rename,
        )
        raw = msgspec.defstruct(
            "KeyBytes",
            [(field, msgspec.Raw, msgspec.Raw()) for field in fields],
            rename=rename,
        )
        self._fields = fields
        self._heads = [msgspec.json.encode(name) + b":" for name in self._names]
        self._decode_typed: Callable[[Any], Any] = msgspec.json.Decoder(typed).decode
        self._decode_raw: Callable[[Any], Any] = msgspec.json.Decoder(raw).decode

    def key(self, wire: Any) -> Key:
        """Returns the key of an item, hashable, equal for equal keys.

        Raises:
            ItemRejectedError: a key attribute is not there, or is no key's.
        """
        try:
            values = self._decode_typed(wire)
            typed = tuple(getattr(values, field).typed() for field in self._fields)
        except (msgspec.DecodeError, AttributeValueError) as error:
            raise _unreadable(self._names) from error
        for name, value in zip(self._names, typed, strict=True):
            if value is None:
                raise _missing(name)
        return typed

    def key_wire(self, wire: Any) -> bytes:
        """Returns the key as wire JSON: what DeleteRequest takes.

        Raises:
            ItemRejectedError: a key attribute is not there.
        """
        try:
            values = self._decode_raw(wire)
        except msgspec.DecodeError as error:
            raise _unreadable(self._names) from error
        pairs = []
        for name, head, field in zip(
            self._names, self._heads, self._fields, strict=True
        ):
            value = bytes(getattr(values, field))
            if not value:
                raise _missing(name)
            pairs.append(head + value)
        return b"{" + b",".join(pairs) + b"}"


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
