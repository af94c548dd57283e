"""What is wrong with an item, by name: the faults that DynamoDB refuses it for.

Asked only where the service has refused a batch, or an item is longer than any that
it takes: on the plain copy nobody decodes an item to look for faults. Reasons name
attributes, types and limits, never a value.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from typing import Any

from transforms.dynamodb.attribute_values import (
    AttributeValueError,
    Value,
    Wire,
    decode_item,
    decode_value,
    item_size_bytes,
    parse_item,
)
from transforms.dynamodb.decimal_numbers import NumberOutOfRangeError
from transforms.dynamodb.tables import KeyAttribute, KeySchema

__all__ = ["MAX_ITEM_BYTES", "ItemFaults"]

MAX_ITEM_BYTES = 400 * 1024
"""Of one item, names and values, as `item_size_bytes` counts them."""

MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024
MAX_DEPTH = 32


class ItemFaults:
    """Finds why a table of this key schema will never take an item.

    >>> faults = ItemFaults(KeySchema(KeyAttribute("id", "S")))
    >>> faults.find(b'{"id":{"S":""}}')
    "EmptyKey: the key attribute 'id' is empty; give it a value"
    >>> faults.find(b'{"id":{"S":"a"}}') is None
    True
    """

    def __init__(self, keys: KeySchema) -> None:
        self._keys = [(keys.partition_key, MAX_PARTITION_KEY_BYTES)]
        if keys.sort_key is not None:
            self._keys.append((keys.sort_key, MAX_SORT_KEY_BYTES))

    def find(self, wire: Wire) -> str | None:
        """Returns the first fault of an item as ``Code: what; the remedy``."""
        fault = self.find_in_key(wire)
        if fault is not None:
            return fault
        try:
            attributes = decode_item(wire)
        except AttributeValueError as error:
            return _invalid(error)
        except RecursionError:
            return _TOO_DEEP
        if max(map(_depth, attributes.values()), default=0) > MAX_DEPTH:
            return _TOO_DEEP
        return _size_fault(item_size_bytes(wire))

    def find_in_key(self, wire: Wire) -> str | None:
        """Returns the first fault of the key attributes alone; for deletes."""
        try:
            attributes = parse_item(wire)
        except AttributeValueError as error:
            return _invalid(error)
        for key, most_bytes in self._keys:
            fault = _key_fault(key, attributes.get(key.name), most_bytes)
            if fault is not None:
                return fault
        return None


_TOO_DEEP = f"TooDeep: lists and maps are nested deeper than {MAX_DEPTH} levels"


def _key_fault(
    key: KeyAttribute, tagged: dict[str, Any] | None, most_bytes: int
) -> str | None:
    what = f"the key attribute {key.name!r}"
    if tagged is None:
        return f"MissingKey: {what} is not there; keep it in the columns"
    if set(tagged) != {key.type}:
        found = " and ".join(sorted(tagged)) or "none"
        return f"WrongKeyType: {what} has type {found}, and the table's is {key.type}"
    try:
        value = decode_value(tagged)
    except AttributeValueError as error:
        return _invalid(error, f"{what}: ")
    if isinstance(value, str | bytes):  # a number is neither empty nor too long
        size = len(value.encode() if isinstance(value, str) else value)
        return _key_size_fault(what, size, most_bytes)
    return None


def _key_size_fault(what: str, size: int, most_bytes: int) -> str | None:
    if not size:
        return f"EmptyKey: {what} is empty; give it a value"
    if size > most_bytes:
        return f"KeyTooLong: {what} has {size:,} bytes, of {most_bytes:,} at most"
    return None


def _size_fault(size: int) -> str | None:
    if size <= MAX_ITEM_BYTES:
        return None
    return (
        f"ItemTooLarge: {size:,} bytes, of {MAX_ITEM_BYTES:,} at most; leave "
        "attributes out by columns, or split the item"
    )


def _invalid(error: AttributeValueError, what: str = "") -> str:
    causes: list[BaseException] = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    is_number = any(isinstance(cause, NumberOutOfRangeError) for cause in causes)
    return f"{'NumberOutOfRange' if is_number else 'InvalidItem'}: {what}{error}"


def _depth(value: Value) -> int:
    """How many levels a value has; a text has one."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 1
