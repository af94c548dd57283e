"""Keys taken out of wire items."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import names, respelled, wire_items
from transforms.dynamodb.attribute_picking import attribute_picker
from transforms.dynamodb.errors import ItemRejectedError
from transforms.dynamodb.keys import KeyDecoder
from transforms.dynamodb.tables import AttributeType, KeyAttribute, KeySchema
from transforms.items import Item

ODD_NAMES = ['q"', "back\\slash", "\x1f", "new\nline", "a.b", "#", "añ", "a0", "self"]
TYPES: tuple[AttributeType, ...] = ("S", "N", "B")


@given(
    wire_items(), st.lists(names | st.sampled_from(ODD_NAMES), min_size=1, unique=True)
)
def test_attributes_are_picked_whatever_their_names(wire, chosen):
    attributes = msgspec.json.decode(wire)
    picked = [bytes(value) for value in attribute_picker(chosen)(wire)]
    assert [value and msgspec.json.decode(value) for value in picked] == [
        attributes.get(name, b"") for name in chosen
    ]


@st.composite
def schemas(draw):
    chosen = draw(
        st.lists(
            names | st.sampled_from(ODD_NAMES), min_size=1, max_size=2, unique=True
        )
    )
    keys = [KeyAttribute(name, draw(st.sampled_from(TYPES))) for name in chosen]
    return KeySchema(*keys)


@given(st.data())
def test_a_key_is_equal_in_every_spelling_of_the_item(data):
    schema = data.draw(schemas())
    wire = data.draw(wire_items(schema))
    decoder = KeyDecoder(schema)
    assert decoder.key(data.draw(respelled(wire))) == decoder.key(wire)


@given(st.data())
def test_keys_are_equal_where_their_digests_are(data):
    schema = data.draw(schemas())
    left, right = data.draw(wire_items(schema)), data.draw(wire_items(schema))
    decoder = KeyDecoder(schema)
    same = Item(left).key_digest(schema) == Item(right).key_digest(schema)
    assert (decoder.key(left) == decoder.key(right)) == same


@given(st.data())
def test_what_a_delete_sends_is_the_key_in_the_items_own_bytes(data):
    schema = data.draw(schemas())
    wire = data.draw(wire_items(schema))
    decoder = KeyDecoder(schema)
    key = decoder.key_wire(wire)
    attributes = msgspec.json.decode(wire)
    assert msgspec.json.decode(key) == {name: attributes[name] for name in schema.names}
    assert decoder.key(key) == decoder.key(wire)


ID_AND_DAY = KeyDecoder(KeySchema(KeyAttribute("id", "S"), KeyAttribute("day", "N")))


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        pytest.param(b'{"id":{"S":"a"}}', "'day'", id="sort-key-missing"),
        pytest.param(b'{"id":{"M":{}},"day":{"N":"1"}}', "'id'", id="a-map"),
        pytest.param(b'{"id":{"S":"a"},"day":{"N":"x"}}', "id, day", id="no-number"),
        pytest.param(b'{"id":"a","day":{"N":"1"}}', "id, day", id="no-value"),
        pytest.param(b"[]", "id, day", id="no-item"),
    ],
)
def test_an_item_without_a_key_is_at_fault_by_itself(wire, says):
    with pytest.raises(ItemRejectedError, match=says):
        ID_AND_DAY.key(wire)
