"""Rows of the ledger as DynamoDB's requests and replies: pure, bytes in and out.

An item is ``{p: partition, s: sort, v: version, d: data, e: expires_at, n: nonce}``;
names are short because each one is paid for. The nonce is the commit's: whether an item
is one's own work is seen by it.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from transforms.ledger.store import Check, Delete, Expected, Put, Row, Write, key_of

__all__ = [
    "TTL_ATTRIBUTE",
    "batch_body",
    "create_table_body",
    "enable_ttl_body",
    "get_body",
    "has_ledger_keys",
    "list_body",
    "nonce_of",
    "parse_get",
    "parse_list",
    "single_request",
    "transaction_body",
    "unprocessed_body",
]

TTL_ATTRIBUTE = "e"

_WireItem: TypeAlias = dict[str, dict[str, str]]
_KEYS = [
    {"AttributeName": "p", "KeyType": "HASH"},
    {"AttributeName": "s", "KeyType": "RANGE"},
]


def create_table_body(table: str) -> bytes:
    """Returns a CreateTable request: on demand, so that idle ledgers cost nothing."""
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("p", "s")]
    return _json(
        TableName=table,
        KeySchema=_KEYS,
        AttributeDefinitions=attributes,
        BillingMode="PAY_PER_REQUEST",
    )


def enable_ttl_body(table: str) -> bytes:
    """Returns an UpdateTimeToLive request: the service then removes expired rows."""
    specification = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
    return _json(TableName=table, TimeToLiveSpecification=specification)


def has_ledger_keys(description: Mapping[str, Any]) -> bool:
    """True if a DescribeTable reply is that of a ledger."""
    return bool(description["Table"]["KeySchema"] == _KEYS)


def get_body(table: str, partition: str, sort: str) -> bytes:
    """Returns a consistent GetItem request."""
    return _json(TableName=table, Key=_key(partition, sort), ConsistentRead=True)


def nonce_of(body: bytes) -> str | None:
    """Returns the nonce of a GetItem reply's item, None if there is neither."""
    nonce = msgspec.json.decode(body).get("Item", {}).get("n")
    return None if nonce is None else str(nonce["S"])


def parse_get(body: bytes) -> Row | None:
    """Returns the row of a GetItem reply."""
    item = msgspec.json.decode(body).get("Item")
    return None if item is None else _row(item)


def list_body(
    table: str, partition: str, prefix: str, start_key: _WireItem | None
) -> bytes:
    """Returns a consistent Query request for one page of a partition."""
    condition, values = "p = :p", {":p": {"S": partition}}
    if prefix:  # an empty key value is refused
        condition += " AND begins_with(s, :s)"
        values[":s"] = {"S": prefix}
    start = {} if start_key is None else {"ExclusiveStartKey": start_key}
    return _json(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        **start,
    )


def parse_list(body: bytes) -> tuple[list[Row], _WireItem | None]:
    """Returns a Query reply's rows, and where the next page starts."""
    reply = msgspec.json.decode(body)
    return [_row(item) for item in reply["Items"]], reply.get("LastEvaluatedKey")


def batch_body(table: str, rows: Sequence[Row]) -> bytes:
    """Returns a BatchWriteItem request that puts up to 25 rows."""
    requests = [{"PutRequest": {"Item": _item(row)}} for row in rows]
    return _json(RequestItems={table: requests})


def unprocessed_body(body: bytes) -> bytes | None:
    """Returns the request for what a BatchWriteItem reply left, if it left any."""
    left = msgspec.json.decode(body).get("UnprocessedItems")
    return _json(RequestItems=left) if left else None


def single_request(table: str, write: Write, nonce: str = "") -> tuple[str, bytes]:
    """Returns the operation and request of a commit of one write.

    A check alone is a transaction all the same: no other request checks.
    """
    parts = {"TableName": table, **_condition(write.expected)}
    match write:
        case Put(row):
            return "PutItem", _json(**parts, Item=_item(row, nonce))
        case Delete():
            return "DeleteItem", _json(**parts, Key=_key(*key_of(write)))
        case Check():
            return "TransactWriteItems", transaction_body(table, [write], nonce)


def transaction_body(table: str, writes: Sequence[Write], nonce: str) -> bytes:
    """Returns a TransactWriteItems request; the nonce makes its repetition harmless."""
    parts = [_part(table, write, nonce) for write in writes]
    return _json(TransactItems=parts, ClientRequestToken=nonce)


def _part(table: str, write: Write, nonce: str) -> dict[str, Any]:
    body = {"TableName": table, **_condition(write.expected)}
    match write:
        case Put(row):
            return {"Put": body | {"Item": _item(row, nonce)}}
        case Delete():
            return {"Delete": body | {"Key": _key(*key_of(write))}}
        case Check():
            return {"ConditionCheck": body | {"Key": _key(*key_of(write))}}


def _condition(expected: Expected) -> dict[str, Any]:
    if expected == "any":
        return {}
    if expected is None:
        return {"ConditionExpression": "attribute_not_exists(p)"}
    return {
        "ConditionExpression": "v = :expected",
        "ExpressionAttributeValues": {":expected": {"N": str(expected)}},
    }


def _key(partition: str, sort: str) -> _WireItem:
    return {"p": {"S": partition}, "s": {"S": sort}}


def _item(row: Row, nonce: str = "") -> _WireItem:
    item = _key(row.partition, row.sort)
    item |= {"v": {"N": str(row.version)}, "d": {"B": _base64(row.data)}}
    if nonce:
        item["n"] = {"S": nonce}
    if row.expires_at is not None:
        item[TTL_ATTRIBUTE] = {"N": str(row.expires_at)}
    return item


def _row(item: Mapping[str, Mapping[str, str]]) -> Row:
    expires_at = item.get(TTL_ATTRIBUTE)
    return Row(
        item["p"]["S"],
        item["s"]["S"],
        int(item["v"]["N"]),
        base64.b64decode(item["d"]["B"]),
        None if expires_at is None else int(expires_at["N"]),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(**request: Any) -> bytes:
    return msgspec.json.encode(request)
