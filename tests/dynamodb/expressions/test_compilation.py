"""The compiled form reads bytes, and of them only what the condition names."""

import msgspec
import pytest

from transforms.dynamodb.attribute_values import AttributeValueError
from transforms.dynamodb.expressions import parse_condition


def test_an_attribute_that_is_not_named_is_not_decoded():
    matches = parse_condition("day = '2013-06-01'").compile()
    # 1e9 is no AttributeValue, and would fail if it were looked at.
    assert matches(b'{"other": 1e9, "day": {"S": "2013-06-01"}}')


def test_an_attribute_that_is_named_must_be_an_attribute_value():
    matches = parse_condition("day = '2013-06-01'").compile()
    with pytest.raises(AttributeValueError, match="not an item in DynamoDB JSON"):
        matches(b'{"day": 1e9}')


@pytest.mark.parametrize("wire", [b"", b"[]", b'{"day": {"S": "2013', b"null"])
def test_bytes_that_are_no_item_are_an_error(wire):
    matches = parse_condition("day = '2013-06-01'").compile()
    with pytest.raises(AttributeValueError, match="not an item in DynamoDB JSON"):
        matches(wire)


@pytest.mark.parametrize("name", ['"', "\\", "\n", "a.b", "ü", "class", "_x", "\x00"])
def test_any_name_can_be_read(name):
    condition = parse_condition("#n = 'x'", names={"#n": name})
    assert condition.compile()(msgspec.json.encode({name: {"S": "x"}}))
    assert not condition.compile()(msgspec.json.encode({"other": {"S": "x"}}))


def test_a_name_and_a_text_may_be_spelt_with_escapes():
    matches = parse_condition("day = 'ü'").compile()
    assert matches(rb'{"\u0064ay": {"S": "\u00fc"}}')


def test_equal_conditions_share_one_compiled_form():
    one = parse_condition("a = 1 AND b = 1")
    other = parse_condition("(a = 1.0) and b = :one", values={":one": 1})
    assert one.compile() is other.compile()
