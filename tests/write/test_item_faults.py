"""Each fault that an item may have is named, and dynoxide refuses it as well."""

import json
from typing import Any

import pytest

from tests.support.engines import make_table, unique_name
from transforms.dynamodb.attribute_values import item_size_bytes
from transforms.dynamodb.item_faults import MAX_ITEM_BYTES, ItemFaults
from transforms.dynamodb.tables import KeyAttribute, KeySchema

SCHEMA = KeySchema(KeyAttribute("id", "S"), KeyAttribute("n", "N"))
FAULTS = ItemFaults(SCHEMA)
KEY = {"id": {"S": "a"}, "n": {"N": "1"}}


def nested(depth):
    value: dict[str, Any] = {"S": "x"}
    for _ in range(depth):
        value = {"L": [value]}
    return value


def filled_to(size, **attributes):
    """An item of exactly this size: what is missing is filled with a text."""
    item = {**KEY, **attributes, "fill": {"S": ""}}
    missing = size - item_size_bytes(json.dumps(item).encode())
    return {**item, "fill": {"S": "x" * missing}}


BAD = {
    "MissingKey": {"id": {"S": "a"}},
    "WrongKeyType": {**KEY, "n": {"S": "1"}},
    "EmptyKey": {**KEY, "id": {"S": ""}},
    "KeyTooLong": {**KEY, "id": {"S": "x" * 2049}},
    "NumberOutOfRange": {**KEY, "m": {"L": [{"N": "1e126"}]}},
    "InvalidItem": {**KEY, "s": {"SS": []}},
    "TooDeep": {**KEY, "deep": nested(32)},
    "ItemTooLarge": filled_to(MAX_ITEM_BYTES + 1),
}

GOOD = {
    "plain": KEY,
    "longest key": {**KEY, "id": {"S": "x" * 2048}},
    "largest number": {**KEY, "m": {"N": "9." + "9" * 37 + "E+125"}},
    "deepest": {**KEY, "deep": nested(31)},
    "largest item": filled_to(MAX_ITEM_BYTES),
    "largest of maps": filled_to(
        MAX_ITEM_BYTES, m={"M": {"a": {"N": "123.45"}, "b": {"NULL": True}}}
    ),
    "largest of sets": filled_to(MAX_ITEM_BYTES, s={"SS": ["a", "bc"]}),
}


@pytest.mark.parametrize("code", BAD)
def test_a_fault_is_named(code):
    reason = FAULTS.find(json.dumps(BAD[code]).encode())
    assert reason is not None
    assert reason.startswith(f"{code}: ")


@pytest.mark.parametrize("name", GOOD)
def test_an_item_at_the_limit_has_no_fault(name):
    assert FAULTS.find(json.dumps(GOOD[name]).encode()) is None


def test_what_is_no_item_is_an_invalid_one():
    assert str(FAULTS.find(b"[1]")).startswith("InvalidItem: ")


def test_a_reason_does_not_quote_the_item():
    secret = "nobody-should-read-this"
    for item in BAD.values():
        wire = json.dumps({**item, "note": {"S": secret}}).encode()
        assert secret not in str(FAULTS.find(wire))


@pytest.fixture(scope="module")
def table(dynoxide):
    return make_table(dynoxide, "eu-west-1", unique_name(), "id", "n:N")


@pytest.mark.dynoxide
@pytest.mark.parametrize("code", BAD)
def test_the_service_refuses_what_we_name(dynoxide, table, code):
    client = dynoxide.dynamodb("eu-west-1")
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.put_item(TableName=table, Item=BAD[code])
    assert refused.value.response["Error"]["Code"] in (
        "ValidationException",
        "SerializationException",
    )


@pytest.mark.dynoxide
@pytest.mark.parametrize("name", GOOD)
def test_the_service_takes_what_is_at_the_limit(dynoxide, table, name):
    dynoxide.dynamodb("eu-west-1").put_item(TableName=table, Item=GOOD[name])
