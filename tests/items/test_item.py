"""Item: wire bytes, read as a Mapping."""

import json
import pickle
from collections.abc import Mapping
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import names, origins, python_values, wire_items
from transforms.dynamodb.attribute_values import AttributeValueError
from transforms.items import Item, Origin

ALL_TYPES = {
    "S": ({"S": "añ中"}, "añ中"),
    "N": ({"N": "1.50"}, Decimal("1.50")),
    "B": ({"B": "AAEC"}, b"\x00\x01\x02"),
    "BOOL": ({"BOOL": False}, False),
    "NULL": ({"NULL": True}, None),
    "L": ({"L": [{"S": "a"}, {"N": "1"}]}, ["a", Decimal(1)]),
    "M": ({"M": {"x": {"L": []}}}, {"x": []}),
    "SS": ({"SS": ["b", "a"]}, frozenset({"a", "b"})),
    "NS": ({"NS": ["1", "2.0"]}, frozenset({Decimal(1), Decimal(2)})),
    "BS": ({"BS": ["AA==", "AQ=="]}, frozenset({b"\x00", b"\x01"})),
}


def item_of(**attributes: object) -> Item:
    return Item(json.dumps(attributes).encode())


# --- the Mapping ----------------------------------------------------------------------


@pytest.mark.parametrize("tag", ALL_TYPES)
def test_each_of_the_ten_types_is_read_as_its_python_value(tag):
    wire, value = ALL_TYPES[tag]
    read = item_of(a=wire)["a"]
    assert read == value
    assert type(read) is type(value)


def test_an_item_is_a_mapping_in_the_order_of_its_wire():
    item = item_of(b={"N": "1"}, a={"S": "x"})
    assert isinstance(item, Mapping)
    assert list(item) == ["b", "a"]
    assert dict(item) == {"b": 1, "a": "x"}
    assert len(item) == 2
    assert "a" in item
    assert "c" not in item
    assert item.get("c", "none") == "none"
    with pytest.raises(KeyError):
        item["c"]


def test_an_attribute_that_nobody_reads_is_not_decoded():
    item = Item(b'{"good":{"N":"1"},"bad":{"N":"no number"}}')
    assert item["good"] == 1
    assert len(item) == 2
    with pytest.raises(AttributeValueError, match="attribute 'bad'"):
        item["bad"]


def test_an_attribute_that_was_read_is_kept():
    item = item_of(a={"L": [{"S": "x"}]})
    assert item["a"] is item["a"]


def test_a_number_of_38_digits_keeps_each_of_them():
    digits = "1234567890123456789012345678901234567.8"
    assert item_of(n={"N": digits})["n"] == Decimal(digits)
    assert str(item_of(n={"N": "1.500"})["n"]) == "1.500"


@pytest.mark.parametrize(
    "number", ["1" * 39, "1E126", "0." + "1" * 39, "NaN", "Infinity", "one"]
)
def test_a_number_that_is_not_exact_in_38_digits_is_an_error(number):
    with pytest.raises(AttributeValueError, match="attribute 'n'"):
        item_of(n={"N": number})["n"]


@pytest.mark.parametrize("wire", [b"", b"[]", b"1", b"{", b'{"a":', b"null", b"\xff"])
def test_bytes_that_are_no_item_show_when_they_are_looked_at(wire):
    item = Item(wire)
    assert item.wire == wire
    with pytest.raises(AttributeValueError):
        list(item)
    assert repr(item) == f"<Item {len(wire)} bytes, not DynamoDB JSON>"


def test_a_float_has_no_form():
    with pytest.raises(AttributeValueError, match=r"'price'.*Decimal\(str\(x\)\)"):
        Item.from_attributes({"price": 1.5})


def test_an_item_cannot_be_assigned_to():
    item = item_of(a={"N": "1"})
    for change in ("__setitem__", "__delitem__", "update"):
        assert not hasattr(item, change)
    with pytest.raises(AttributeError):
        item.wire = b"{}"  # type: ignore[misc]


@given(st.dictionaries(names, python_values(), max_size=5), origins)
def test_an_item_made_of_values_has_these_values(attributes, origin):
    item = Item.from_attributes(attributes, origin)
    assert dict(item) == attributes
    assert item.origin == origin


# --- change ---------------------------------------------------------------------------


def test_a_changed_item_keeps_the_bytes_of_the_rest_and_its_origin():
    origin = Origin(7, b"pagepage")
    item = Item(b'{ "n" : {"N": "1.50"}, "s":{"SS": ["b","a"]}}', origin)
    changed = item.with_attributes({"late": True, "s": "text"})
    assert changed.wire == b'{"n":{"N": "1.50"},"s":{"S":"text"},"late":{"BOOL":true}}'
    assert changed.origin == origin
    assert item.wire == b'{ "n" : {"N": "1.50"}, "s":{"SS": ["b","a"]}}'


def test_attributes_are_taken_away_by_name_and_need_not_be_there():
    item = Item(b'{"a":{"N":"1.0"},"b":{"S":"x"}}', Origin(1, b""))
    assert item.without("b", "c").wire == b'{"a":{"N":"1.0"}}'
    assert item.without("b").origin == Origin(1, b"")
    assert item.without() == item


def test_an_attribute_without_a_form_is_refused_and_the_item_stays():
    item = item_of(a={"N": "1"})
    with pytest.raises(AttributeValueError, match="'b'"):
        item.with_attributes({"b": 0.1})
    assert list(item) == ["a"]


# --- equality -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param({"N": "1.50"}, {"N": "1.5"}, id="trailing-zero"),
        pytest.param({"N": "15E-1"}, {"N": "1.5"}, id="exponent"),
        pytest.param({"N": "-0"}, {"N": "0"}, id="minus-zero"),
        pytest.param({"SS": ["a", "b"]}, {"SS": ["b", "a"]}, id="SS"),
        pytest.param({"NS": ["1", "2"]}, {"NS": ["2.0", "1"]}, id="NS"),
        pytest.param({"BS": ["AA==", "AQ=="]}, {"BS": ["AQ==", "AA=="]}, id="BS"),
        pytest.param(
            {"M": {"x": {"N": "1"}, "y": {"N": "2"}}},
            {"M": {"y": {"N": "2"}, "x": {"N": "1"}}},
            id="M",
        ),
    ],
)
def test_items_of_one_meaning_are_equal(left, right):
    one, other = item_of(a=left, b=right), item_of(b=left, a=right)
    assert one == other
    assert hash(one) == hash(other)
    assert one.content_digest() == other.content_digest()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param({"S": "1"}, {"N": "1"}, id="S-N"),
        pytest.param({"BOOL": True}, {"N": "1"}, id="BOOL-N"),
        pytest.param({"L": [{"S": "a"}]}, {"SS": ["a"]}, id="L-SS"),
        pytest.param(
            {"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}, id="L"
        ),
        pytest.param({"N": "1" * 38}, {"N": "1" * 37 + "2"}, id="last-digit"),
    ],
)
def test_items_of_other_meaning_are_not(left, right):
    one, other = item_of(a=left), item_of(a=right)
    assert one != other
    assert one.content_digest() != other.content_digest()


def test_the_origin_is_no_part_of_equality():
    wire = b'{"a":{"N":"1"}}'
    here, there = Item(wire, Origin(1, b"")), Item(wire, Origin(2, b"pagepage"))
    assert here == there
    assert len({here, there, Item(wire)}) == 1


def test_an_item_equals_no_dict_of_its_values():
    assert item_of(a={"N": "1"}) != {"a": Decimal(1)}


# --- travel, size, repr ---------------------------------------------------------------


@given(wire_items(), origins)
def test_an_item_pickles_with_its_origin_whatever_was_read(wire, origin):
    item = Item(msgspec.Raw(wire), origin)
    assert len(list(item.values())) == len(item)
    again = pickle.loads(pickle.dumps(item))
    assert (again.wire, again.origin) == (wire, origin)
    assert type(again.wire) is bytes


def test_the_size_is_the_services():
    assert item_of(ab={"S": "xyz"}, n={"N": "123"}).size_bytes() == 2 + 3 + 1 + 3


def test_what_may_end_up_in_a_log_shows_no_content():
    item = item_of(name={"S": "secret"})
    assert "secret" not in repr(item)
    assert "name" not in repr(item)
    assert repr(item).startswith("<Item 1 attributes, ")
