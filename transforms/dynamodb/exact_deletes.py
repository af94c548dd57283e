"""GetItem and DeleteItem of an item exactly as it was read. Bytes in, bytes out.

A condition on every attribute holds for the item that was read and for one that has
more attributes since: DynamoDB has no way to ask for "and nothing else".
"""

from collections.abc import Mapping

import msgspec

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.capacity import NOTHING, ConsumedCapacity, WireCapacity
from transforms.dynamodb.errors import JobStoppedError

__all__ = ["consistent_get", "delete_if_same", "parse_get", "too_large_for_condition"]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html:
# 300 operators and 4 KB an expression. Each attribute takes "=", and AND between them.
_MOST_OPERATORS = 300
_MOST_EXPRESSION_BYTES = 4096

_SPLIT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _GetReply(msgspec.Struct, rename="pascal"):
    item: msgspec.Raw = msgspec.Raw()
    consumed_capacity: WireCapacity | None = None


_GET_REPLY = msgspec.json.Decoder(_GetReply)


def consistent_get(table: str, item: Wire, key_names: tuple[str, ...]) -> bytes:
    """Returns a GetItem that reads an item again, strongly consistently."""
    attributes = _SPLIT.decode(item)
    return msgspec.json.encode(
        {
            "TableName": table,
            "Key": {name: attributes[name] for name in key_names},
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "INDEXES",
        }
    )


def parse_get(reply: bytes) -> tuple[bytes | None, ConsumedCapacity]:
    """Returns the item, None if there is none, and what it cost.

    Raises:
        JobStoppedError: the reply is no such JSON.
    """
    try:
        parsed = _GET_REPLY.decode(reply)
    except msgspec.DecodeError as error:
        raise JobStoppedError(
            "the reply to GetItem is not DynamoDB's JSON; check what answers at the "
            "endpoint"
        ) from error
    consumed = parsed.consumed_capacity
    return (
        bytes(parsed.item) or None,
        NOTHING if consumed is None else ConsumedCapacity.from_wire((consumed,)),
    )


def delete_if_same(
    table: str,
    item: Wire,
    key_names: tuple[str, ...],
    version_name: str | None = None,
) -> bytes:
    """Returns a DeleteItem for an item that still is what was read.

    Args:
        table: the wire name.
        item: as it was read.
        key_names: of the table.
        version_name: the attribute that changes with each write; None compares every
            attribute, see `too_large_for_condition`.
    """
    attributes = _SPLIT.decode(item)
    compared = [version_name] if version_name else list(attributes)
    return msgspec.json.encode(
        {
            "TableName": table,
            "Key": {name: attributes[name] for name in key_names},
            "ConditionExpression": _condition(len(compared)),
            "ExpressionAttributeNames": _numbered("#", compared),
            "ExpressionAttributeValues": _numbered(
                ":", [attributes[name] for name in compared]
            ),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ReturnConsumedCapacity": "INDEXES",
        }
    )


def too_large_for_condition(item: Wire) -> bool:
    """Tells whether an item has more attributes than one condition may compare."""
    count = len(_SPLIT.decode(item))
    operators = 2 * count - 1
    too_long = len(_condition(count)) > _MOST_EXPRESSION_BYTES
    return operators > _MOST_OPERATORS or too_long


def _condition(count: int) -> str:
    return " AND ".join(f"#{place}=:{place}" for place in range(count))


def _numbered(sign: str, values: list[str] | list[msgspec.Raw]) -> Mapping[str, object]:
    return {f"{sign}{place}": value for place, value in enumerate(values)}
