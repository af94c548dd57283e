"""What conditions say of items, read and compiled, as the service documents it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from tests.dynamodb.expressions import strategies
from transforms.dynamodb.attribute_values import canonical_bytes
from transforms.dynamodb.expressions import Condition, parse_condition

BIG = "12345678901234567890123456789012345678"
ITEM = {
    "text": {"S": "Büro"},
    "date": {"S": "2013-06-01"},
    "one": {"N": "1"},
    "ten": {"N": "10"},
    "big": {"N": BIG},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "empty": {"S": ""},
    "high": {"B": "/w=="},  # ff
    "low": {"B": "fw=="},  # 7f
    "letters": {"SS": ["b", "a"]},
    "digits": {"NS": ["2", "1.0"]},
    "blobs": {"BS": ["/w==", "fw=="]},
    "list": {"L": [{"S": "x"}, {"N": "1"}, {"M": {"k": {"S": "deep"}}}]},
    "map": {"M": {"k": {"S": "v"}, "l": {"L": [{"N": "1"}, {"N": "2"}]}}},
    "copy": {"M": {"l": {"L": [{"N": "1.0"}, {"N": "2"}]}, "k": {"S": "v"}}},
}
VALUES = {
    ":ff": b"\xff",
    ":80": b"\x80",
    ":ab": {"a", "b"},
    ":12": {1, 2},
    ":list": ["x", 1, {"k": "deep"}],
    ":swapped": [1, "x", {"k": "deep"}],
    ":map": {"l": [1, 2], "k": "v"},
    ":k": {"k": "deep"},
}


def both(text: str, item: dict[str, Any]) -> bool:
    """The reading of the condition, after checking that the compiled form agrees."""
    condition = parse_condition(text, values=VALUES)
    read = condition.matches(item)
    assert condition.compile()(msgspec.json.encode(item)) is read
    return read


@pytest.mark.parametrize(
    "text",
    [
        # numbers, to 38 digits; text by UTF-8; binary unsigned
        "one = 1.00",
        "ten > 9",
        "ten BETWEEN 10 AND 10",
        "one IN ('1', 1)",
        "9 < ten",
        f"big = {BIG}",
        f"big < {BIG[:-1]}9",
        f"big > {BIG[:-1]}7",
        "text > 'Bz'",
        "text < 'C'",
        "high > :80",
        "low < :80",
        "high = :ff",
        "date >= '2013-06-01' AND date < '2013-07'",
        # types that have no order are equal or not
        "yes = TRUE AND yes <> FALSE",
        "nothing = NULL",
        "letters = :ab",
        "digits = :12",
        "list = :list",
        "list <> :swapped",
        "map = :map",
        "map = copy",
        # another type, or nothing there, is unequal; and no other comparison is true
        "one <> '1'",
        "absent <> 1",
        "absent <> missing",
        "NOT absent = missing",
        "NOT (absent < 1 OR absent >= 1)",
        "NOT one < 'a' AND NOT one >= 'a'",
        "NOT absent BETWEEN 1 AND 2",
        "NOT absent IN (missing)",
        "NOT list < 1",
        "NOT letters < digits",
        # paths
        "list[2].k = 'deep'",
        "map.l[1] = 2",
        "map.l[1] > map.l[0]",
        "list[3] <> 1",
        "map.k.l <> 1",
        "NOT attribute_exists(text[0])",
        # functions
        "attribute_exists(nothing)",
        "attribute_exists(map.l[1])",
        "attribute_not_exists(map.l[2])",
        "attribute_not_exists(absent.k)",
        "attribute_type(nothing, 'NULL') AND attribute_type(blobs, 'BS')",
        "NOT attribute_type(absent, 'S')",
        "begins_with(date, '2013')",
        "begins_with(text, empty)",
        "begins_with(high, :ff)",
        "NOT begins_with(one, '1')",
        "NOT begins_with(letters, 'a')",
        "begins_with('2013-06-01T00', date)",
        "contains(text, 'ür')",
        "contains(letters, 'b')",
        "contains(digits, 1)",
        "contains(blobs, :ff)",
        "contains(high, :ff)",
        "contains(list, 'x')",
        "contains(list, :k)",
        "contains(:ab, map.k) OR contains(:list, one)",
        "NOT contains(letters, 1)",
        "NOT contains(map, 'k')",
        "NOT contains(absent, 'x')",
        "NOT contains(letters, 'ab')",
        # size
        "size(text) = 4",
        "size(empty) = 0",
        "size(high) = 1",
        "size(letters) = 2 AND size(list) = 3 AND size(map) = 2",
        "size(list) > size(map)",
        "size(letters) = 2.0",
        "size(text) BETWEEN 1 AND ten",
        "size(text) IN (3, 4)",
        "size(one) <> 1 AND NOT size(one) = 1 AND NOT size(yes) > 0",
        "NOT size(text) > 'a'",
    ],
)
def test_is_true(text):
    assert both(text, ITEM)
    assert not both(f"NOT ({text})", ITEM)


def test_size_counts_an_emoji_twice_as_the_exact_engine_does():
    assert both("size(text) = 2", {"text": {"S": "\U0001f600"}})


def test_and_or_not_combine_as_in_logic():
    for one in (True, False):
        for other in (True, False):
            item = {"a": {"BOOL": one}, "b": {"BOOL": other}}
            assert both("a = TRUE AND b = TRUE", item) is (one and other)
            assert both("a = TRUE OR b = TRUE", item) is (one or other)
            assert both("NOT a = TRUE", item) is (not one)


@given(strategies.items, strategies.nodes)
def test_compiled_says_what_reading_says(item, node):
    condition = Condition("", node)
    wire = msgspec.json.encode(item)
    matches = condition.compile()
    assert matches(wire) is condition.matches(item)
    assert matches(msgspec.Raw(wire)) is matches(wire)


@given(strategies.items, strategies.nodes)
def test_one_item_spelt_otherwise_is_judged_alike(item, node):
    wire = msgspec.json.encode(item)
    matches = Condition("", node).compile()
    assert matches(wire) is matches(canonical_bytes(wire))


@given(strategies.items, strategies.nodes)
def test_attributes_that_are_not_named_change_nothing(item, node):
    condition = Condition("", node)
    named = {name: item[name] for name in condition.attributes & item.keys()}
    assert condition.matches(named) is condition.matches(item)
