"""Each fault that an item may have is named, and dynoxide refuses it as well."""

import base64
import json
import random
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


# --- 400 KB, type by type -------------------------------------------------------

RNG = random.Random(400)


def some_number():
    """Of a known size: see the next test. Zeros around it count as little as a dot."""
    digits = "".join(RNG.choices("123456789", k=RNG.randint(1, 37)))
    return RNG.choice([digits, f"0{digits}", f"{digits}.0", f"{digits}E+0"])


def some_text(least=0):
    return "".join(RNG.choices("aé中\U0001f600", k=RNG.randint(least, 9)))


def some_binary(least=0):
    return base64.b64encode(RNG.randbytes(RNG.randint(least, 9))).decode()


def several(make, least):
    return sorted({make(least) for _ in range(9)})


VALUES: dict[str, Any] = {
    "S": some_text,
    "N": some_number,
    "B": some_binary,
    "BOOL": lambda: RNG.random() < 0.5,
    "NULL": lambda: True,
    "L": lambda: [{"S": some_text()}, {"L": []}, {"NULL": True}][: RNG.randint(0, 3)],
    "M": lambda: {some_text(1): {"N": some_number()} for _ in range(RNG.randint(0, 3))},
    "SS": lambda: several(some_text, 1),
    "NS": lambda: list({str(RNG.randint(0, 10**9) * 10 + 1) for _ in range(9)}),
    "BS": lambda: several(some_binary, 1),
}


def as_boto3_takes_it(value):
    """The same value, binary as bytes."""
    ((tag, content),) = value.items()
    if tag == "B":
        return {"B": base64.b64decode(content)}
    if tag == "BS":
        return {"BS": [base64.b64decode(each) for each in content]}
    if tag == "L":
        return {"L": [as_boto3_takes_it(each) for each in content]}
    if tag == "M":
        return {"M": {name: as_boto3_takes_it(each) for name, each in content.items()}}
    return value


@pytest.mark.dynoxide
@pytest.mark.parametrize("tag", VALUES)
def test_the_largest_item_is_the_services_largest_whatever_type_it_is_of(
    dynoxide, table, tag
):
    """A thousand values: a rule that is a byte off would be a thousand off."""
    client = dynoxide.dynamodb("eu-west-1")
    values = {f"{some_text(1)}-{n}": {tag: VALUES[tag]()} for n in range(1_000)}
    largest = filled_to(MAX_ITEM_BYTES, **values)
    too_large = filled_to(MAX_ITEM_BYTES + 1, **values)
    assert FAULTS.find(json.dumps(largest).encode()) is None
    reason = FAULTS.find(json.dumps(too_large).encode())
    assert str(reason).startswith("ItemTooLarge: 409,601 bytes")

    def put(item):
        taken = {name: as_boto3_takes_it(value) for name, value in item.items()}
        client.put_item(TableName=table, Item=taken)

    put(largest)
    with pytest.raises(client.exceptions.ClientError, match="size"):
        put(too_large)


@pytest.mark.dynoxide
def test_an_item_whose_numbers_may_or_may_not_fit_is_left_to_the_service(
    dynoxide, table
):
    """AWS says what a number counts "approximately"; dynoxide counts a sign as well.

    To name such an item ourselves could refuse one that the service takes.
    """
    client = dynoxide.dynamodb("eu-west-1")
    item = filled_to(MAX_ITEM_BYTES, n1={"N": "-12"}, n2={"N": "1.5"})
    assert FAULTS.find(json.dumps(item).encode()) is None
    with pytest.raises(client.exceptions.ClientError, match="size"):
        client.put_item(TableName=table, Item=item)
    item["fill"]["S"] = item["fill"]["S"][2:]
    client.put_item(TableName=table, Item=item)


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
