"""The digest of a backup: one for all spellings and orders, another for any change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import respelled, wire_items
from transforms.archive.digest import ContentDigest, canonical_item
from transforms.dynamodb.attribute_values import canonical_bytes
from transforms.items import Item


@given(wire_items())
def test_the_fast_spelling_is_the_canonical_one(wire):
    assert canonical_item(wire) == canonical_bytes(wire)


@given(st.data())
def test_another_spelling_and_order_of_the_items_has_the_same_digest(data):
    wires = data.draw(st.lists(wire_items(), max_size=5))
    others = [data.draw(respelled(wire)) for wire in data.draw(st.permutations(wires))]
    assert ContentDigest.of(others) == ContentDigest.of(wires)


@given(st.lists(wire_items(), max_size=6), st.integers(0, 6))
def test_digests_of_parts_add_up_to_the_digest_of_the_whole(wires, cut):
    parts = ContentDigest.of(wires[:cut]) + ContentDigest.of(wires[cut:])
    assert parts == ContentDigest.of(wires)


def test_one_item_digests_to_its_own_content_digest():
    item = Item.from_attributes({"id": "x", "n": 1})
    assert ContentDigest.of([item.wire]).hex == item.content_digest().hex()


def test_an_item_that_is_there_twice_is_seen():
    wire = Item.from_attributes({"id": "x"}).wire
    twice = ContentDigest.of([wire, wire])
    assert twice.items == 2
    assert twice.hex not in (ContentDigest().hex, ContentDigest.of([wire]).hex)


def test_hex_reads_back():
    digest = ContentDigest.of([Item.from_attributes({"id": "x"}).wire])
    assert ContentDigest.parse(1, digest.hex) == digest
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        ContentDigest.parse(1, "ff")
