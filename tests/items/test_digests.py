"""Digests of content and key: one for all spellings of an item, in every process."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.strategies import key_attributes, respelled, wire_items
from transforms.dynamodb.attribute_values import AttributeValueError, canonical_bytes
from transforms.dynamodb.tables import KeyAttribute, KeySchema
from transforms.items import Item

ID = KeySchema(KeyAttribute("id", "S"))
ID_AND_DAY = KeySchema(KeyAttribute("id", "S"), KeyAttribute("day", "N"))
SCHEMAS = st.sampled_from(
    (ID, ID_AND_DAY, KeySchema(KeyAttribute("b", "B"), KeyAttribute("id", "S")))
)


@given(st.data())
def test_all_spellings_of_an_item_have_one_content_digest(data):
    wire = data.draw(wire_items())
    other = data.draw(respelled(wire))
    assert Item(wire).content_digest() == Item(other).content_digest()
    assert len(Item(wire).content_digest()) == 16


@given(wire_items(), wire_items())
def test_items_of_other_content_have_another_digest(left, right):
    assume(canonical_bytes(left) != canonical_bytes(right))
    assert Item(left).content_digest() != Item(right).content_digest()


@given(st.data())
def test_the_key_digest_is_that_of_the_key_alone(data):
    schema = data.draw(SCHEMAS)
    wire = data.draw(wire_items(schema))
    attributes = msgspec.json.decode(wire)
    key = {name: attributes[name] for name, _ in key_attributes(schema)}
    elsewhere = data.draw(respelled(msgspec.json.encode(key | {"other": {"S": "x"}})))
    digest = Item(wire).key_digest(schema)
    assert digest == Item(elsewhere).key_digest(schema)
    assert len(digest) == 16


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(b'{"id":{"S":"1"}}', b'{"id":{"N":"1"}}', id="S-and-N"),
        pytest.param(b'{"id":{"S":"a"}}', b'{"id":{"S":"b"}}', id="value"),
        pytest.param(b'{"id":{"S":"YQ=="}}', b'{"id":{"B":"YQ=="}}', id="S-and-B"),
    ],
)
def test_other_keys_have_another_digest(left, right):
    assert Item(left).key_digest(ID) != Item(right).key_digest(ID)


def test_partition_and_sort_key_do_not_run_into_each_other():
    schema = KeySchema(KeyAttribute("id", "S"), KeyAttribute("day", "S"))
    one = Item(b'{"id":{"S":"ab"},"day":{"S":"c"}}')
    other = Item(b'{"id":{"S":"a"},"day":{"S":"bc"}}')
    assert one.key_digest(schema) != other.key_digest(schema)


def test_a_number_key_is_the_same_in_every_spelling():
    one = Item(b'{"id":{"S":"a"},"day":{"N":"1.50"}}')
    other = Item(b'{"day":{"N":"15E-1"},"id":{"S":"a"}}')
    assert one.key_digest(ID_AND_DAY) == other.key_digest(ID_AND_DAY)


def test_an_item_without_the_key_is_told_which_attribute_it_lacks():
    with pytest.raises(AttributeValueError, match="key attribute 'day'"):
        Item(b'{"id":{"S":"a"}}').key_digest(ID_AND_DAY)


def test_a_digest_is_the_same_in_another_process():
    wire = b'{"id":{"S":"a"},"n":{"NS":["1","2"]}}'
    code = f"from transforms.items import Item; print(Item({wire!r}).content_digest())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."},
    )
    assert said.stdout.strip() == repr(Item(wire).content_digest())
