"""PutItem and UpdateItem: the requests of conditional writes. Bytes in, bytes out.

A condition that fails answers with the stored item (ALL_OLD), so that the writer can
tell its own earlier write, of which the answer was lost, from somebody else's.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.capacity import NOTHING, ConsumedCapacity, WireCapacity
from transforms.dynamodb.errors import JobStoppedError

__all__ = [
    "MAX_UPDATED_ATTRIBUTES",
    "parse_single_write",
    "put_if_absent",
    "put_if_greater",
    "put_if_unchanged",
    "update_bodies",
]

MAX_UPDATED_ATTRIBUTES = 100
"""Of one UpdateItem: 4 KB of expression and 300 operators are the service's limits."""

_ABSENT = "attribute_not_exists(#k)"

_SPLIT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def put_if_absent(
    table: str, item: Wire, key_name: str, version_name: str | None = None
) -> bytes:
    """Returns a PutItem for where no item of the key is, or none with a version.

    Args:
        table: the wire name.
        item: what to put.
        key_name: the partition key's name, which every stored item has.
        version_name: an attribute; a stored item without it is replaced, too.
    """
    if version_name is None:
        return _put(table, item, _ABSENT, {"#k": key_name})
    condition = f"{_ABSENT} OR attribute_not_exists(#v)"
    return _put(table, item, condition, {"#k": key_name, "#v": version_name})


def put_if_greater(
    table: str, item: Wire, key_name: str, version_name: str, version: Wire
) -> bytes:
    """Returns a PutItem for where the stored version is less, or there is none."""
    condition = f"{_ABSENT} OR attribute_not_exists(#v) OR #v < :v"
    names = {"#k": key_name, "#v": version_name}
    return _put(table, item, condition, names, {":v": msgspec.Raw(version)})


def put_if_unchanged(
    table: str, item: Wire, version_name: str, stored_version: Wire | None
) -> bytes:
    """Returns a PutItem for where the stored version is still the one seen.

    Args:
        table: the wire name.
        item: what to put.
        version_name: the attribute that is compared.
        stored_version: its value as it was seen; None for an item without it.
    """
    names = {"#v": version_name}
    if stored_version is None:
        return _put(table, item, "attribute_not_exists(#v)", names)
    values = {":v": msgspec.Raw(stored_version)}
    return _put(table, item, "#v = :v", names, values)


def _put(
    table: str,
    item: Wire,
    condition: str,
    names: Mapping[str, str],
    values: Mapping[str, msgspec.Raw] | None = None,
) -> bytes:
    fields: dict[str, Any] = {
        "TableName": table,
        "Item": msgspec.Raw(item),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "INDEXES",
    }
    if values:
        fields["ExpressionAttributeValues"] = values
    return msgspec.json.encode(fields)


def update_bodies(
    table: str, item: Wire, key_names: tuple[str, ...]
) -> Iterator[bytes]:
    """Yields UpdateItems that set an item's attributes and leave all others.

    An item that is not stored yet is made. More than `MAX_UPDATED_ATTRIBUTES` take
    several requests, to be sent in order: until the last one some are set, others not.
    An item of key attributes alone takes none.

    >>> [body] = update_bodies("t", b'{"id":{"S":"a"},"n":{"N":"1"}}', ("id",))
    >>> msgspec.json.decode(body)["UpdateExpression"]
    'SET #0=:0'
    """
    attributes = _SPLIT.decode(item)
    key = {name: attributes.pop(name) for name in key_names}
    rest = iter(attributes.items())
    while chunk := list(islice(rest, MAX_UPDATED_ATTRIBUTES)):
        yield _update(table, key, chunk)


def _update(
    table: str, key: Mapping[str, msgspec.Raw], chunk: list[tuple[str, msgspec.Raw]]
) -> bytes:
    pairs = ",".join(f"#{place}=:{place}" for place in range(len(chunk)))
    fields: dict[str, Any] = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": f"SET {pairs}",
        "ExpressionAttributeNames": {
            f"#{place}": name for place, (name, _) in enumerate(chunk)
        },
        "ExpressionAttributeValues": {
            f":{place}": value for place, (_, value) in enumerate(chunk)
        },
        "ReturnConsumedCapacity": "INDEXES",
    }
    return msgspec.json.encode(fields)


class _SingleReply(msgspec.Struct):
    ConsumedCapacity: WireCapacity | None = None


_SINGLE_REPLY = msgspec.json.Decoder(_SingleReply)


def parse_single_write(operation: str, body: bytes) -> ConsumedCapacity:
    """Returns what a PutItem or UpdateItem cost.

    Raises:
        JobStoppedError: the body is no such JSON.
    """
    try:
        consumed = _SINGLE_REPLY.decode(body).ConsumedCapacity
    except msgspec.DecodeError as error:
        raise JobStoppedError(
            f"the reply to {operation} is not DynamoDB's JSON; check what answers at "
            "the endpoint"
        ) from error
    return NOTHING if consumed is None else ConsumedCapacity.from_wire((consumed,))
