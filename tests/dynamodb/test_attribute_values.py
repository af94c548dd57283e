"""The ten types: round trips, exact numbers, one canonical spelling, sizes."""

import math
import pickle
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import (
    attribute_values,
    numbers,
    python_values,
    respelled,
    wire_items,
)
from transforms.dynamodb.attribute_values import (
    AttributeValueError,
    canonical_bytes,
    decode_item,
    decode_value,
    encode_item,
    encode_value,
    item_size_bytes,
)

ONE_OF_EACH = [
    pytest.param("text", {"S": "text"}, id="S"),
    pytest.param("", {"S": ""}, id="S-empty"),
    pytest.param(Decimal("1.5"), {"N": "1.5"}, id="N"),
    pytest.param(b"\x00\xff", {"B": "AP8="}, id="B"),
    pytest.param(b"", {"B": ""}, id="B-empty"),
    pytest.param(True, {"BOOL": True}, id="BOOL"),
    pytest.param(None, {"NULL": True}, id="NULL"),
    pytest.param([Decimal(1), "1"], {"L": [{"N": "1"}, {"S": "1"}]}, id="L"),
    pytest.param([], {"L": []}, id="L-empty"),
    pytest.param(
        {"a": {"b": None}}, {"M": {"a": {"M": {"b": {"NULL": True}}}}}, id="M"
    ),
    pytest.param(frozenset({"b", "a"}), {"SS": ["a", "b"]}, id="SS"),
    pytest.param(frozenset({Decimal(2), Decimal(1)}), {"NS": ["1", "2"]}, id="NS"),
    pytest.param(frozenset({b"\x00"}), {"BS": ["AA=="]}, id="BS"),
]


@pytest.mark.parametrize(("value", "tagged"), ONE_OF_EACH)
def test_each_type_has_one_form_on_the_wire_and_one_in_python(value, tagged):
    assert encode_value(value) == tagged
    decoded = decode_value(tagged)
    assert decoded == value
    assert type(decoded) is type(value)


@given(python_values())
def test_a_value_survives_the_way_to_the_wire_and_back(value):
    over_the_wire = msgspec.json.decode(msgspec.json.encode(encode_value(value)))
    assert decode_value(over_the_wire) == value


@given(wire_items())
def test_an_item_of_any_spelling_keeps_its_meaning_when_encoded_anew(wire):
    again = encode_item(decode_item(wire))
    assert decode_item(again) == decode_item(wire)
    assert canonical_bytes(again) == canonical_bytes(wire)


def test_names_keep_the_order_in_which_they_were_given():
    assert encode_item({"b": 1, "a": 2}) == b'{"b":{"N":"1"},"a":{"N":"2"}}'


# --- boto3 ----------------------------------------------------------------------------


def _without_binary_wrappers(value: Any) -> Any:
    """boto3's values as ours: bytes instead of Binary, frozen sets."""
    if isinstance(value, Binary):
        return bytes(value)  # type: ignore[call-overload]  # the stub says str
    if isinstance(value, list):
        return [_without_binary_wrappers(element) for element in value]
    if isinstance(value, dict):
        return {name: _without_binary_wrappers(v) for name, v in value.items()}
    if isinstance(value, set):
        return frozenset(map(_without_binary_wrappers, value))
    return value


def _with_raw_binary(tagged: Any) -> Any:
    """The AttributeValue as botocore hands it over: base64 already decoded."""
    ((tag, content),) = tagged.items()
    if tag in ("B", "BS"):
        decoded: Any = decode_value(tagged)
        return {tag: decoded if tag == "B" else list(decoded)}
    if tag == "L":
        return {tag: [_with_raw_binary(element) for element in content]}
    if tag == "M":
        return {tag: {name: _with_raw_binary(v) for name, v in content.items()}}
    return tagged


# boto3's resource API raises decimal.Rounded on 1 followed by 38 zeros or more.
_NUMBERS_OF_BOTO3 = numbers().filter(lambda number: number.adjusted() < 38)


@given(python_values(number=_NUMBERS_OF_BOTO3).map(encode_value))
def test_boto3_reads_the_same_values_from_what_we_encode(tagged):
    theirs = TypeDeserializer().deserialize(_with_raw_binary(tagged))
    assert _without_binary_wrappers(theirs) == decode_value(tagged)


def _sorted_sets(tagged):
    ((tag, content),) = tagged.items()
    return {tag: sorted(content) if tag in ("SS", "BS") else content}


@given(
    st.text("añ中", max_size=5)
    | st.booleans()
    | st.none()
    | st.integers(-(10**37), 10**37)
    | st.frozensets(st.text("añ", max_size=3), min_size=1)
)
def test_boto3_writes_the_same_json(value):
    theirs = _sorted_sets(TypeSerializer().serialize(value))
    if "N" in theirs:
        assert decode_value(theirs) == value
    else:
        assert encode_value(value) == theirs


# --- numbers --------------------------------------------------------------------------


@given(numbers())
def test_every_number_that_n_can_hold_comes_back_exactly(number):
    assert decode_value(encode_value(number)) == number


@pytest.mark.parametrize("zeros", [38, 39, 45, 125])
def test_one_followed_by_38_or_more_zeros_is_a_number_of_one_digit(zeros):
    """boto3's resource API raises decimal.Rounded here."""
    text = "1" + "0" * zeros
    assert decode_value({"N": text}) == Decimal(10) ** zeros
    assert encode_value(10**zeros) == {"N": text}
    assert item_size_bytes(msgspec.json.encode({"n": {"N": text}})) == 1 + 2


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(Decimal("1E-130"), id="smallest"),
        pytest.param(Decimal("-1E-130"), id="smallest-negative"),
        pytest.param(Decimal("9" * 38 + "E+88"), id="largest"),
        pytest.param(Decimal("-" + "9" * 38 + "E+88"), id="largest-negative"),
        pytest.param(Decimal("1." + "2" * 37 + "E-130"), id="smallest-of-38-digits"),
    ],
)
def test_the_limits_of_n_are_numbers_still(number):
    assert decode_value(encode_value(number)) == number


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(Decimal("1E-131"), id="too-small"),
        pytest.param(Decimal("1E+126"), id="too-large"),
        pytest.param(10**38 + 1, id="39-digits"),
        pytest.param(Decimal("0." + "1" * 39), id="39-decimals"),
        pytest.param(Decimal("NaN"), id="nan"),
        pytest.param(Decimal("sNaN"), id="signalling-nan"),
        pytest.param(Decimal("-Infinity"), id="infinity"),
    ],
)
def test_a_number_that_n_cannot_hold_is_refused_not_rounded(number):
    with pytest.raises(AttributeValueError, match="38 significant digits"):
        encode_value(number)


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "Infinity", "1_0", " 1", "1\n", "\u0661", "0x1", "1e", "--1", "."],
)
def test_what_is_no_decimal_number_is_refused_on_the_wire(text):
    with pytest.raises(AttributeValueError, match="decimal notation"):
        decode_value({"N": text})


@pytest.mark.parametrize("text", ["1E" + "9" * 30, "1E-" + "9" * 30, "1E126", "1" * 39])
def test_a_number_out_of_range_is_refused_on_the_wire(text):
    with pytest.raises(AttributeValueError, match="cannot hold"):
        decode_value({"N": text})


@pytest.mark.parametrize("number", [1.5, 0.0, math.inf, math.nan])
def test_a_float_is_refused_with_the_remedy_and_the_attribute(number):
    with pytest.raises(AttributeValueError, match=r"'price'.*Decimal\(str\(x\)\)"):
        encode_item({"price": number})


def test_a_float_deep_inside_is_refused_too():
    with pytest.raises(AttributeValueError, match="float"):
        encode_value({"a": [{"b": 1.5}]})


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(frozenset(), "a set must hold one or more", id="empty-set"),
        pytest.param({"a", 1}, "a set must hold one or more", id="mixed-set"),
        pytest.param({True}, "a set must hold one or more", id="set-of-bool"),
        pytest.param({1: "a"}, "must be a str, got a int", id="map-with-int-name"),
        pytest.param("\ud800", "lone surrogate", id="lone-surrogate"),
        pytest.param(object(), "no DynamoDB type", id="object"),
        pytest.param(1j, "no DynamoDB type", id="complex"),
    ],
)
def test_a_python_value_without_a_form_is_refused_by_name(value, says):
    with pytest.raises(AttributeValueError, match=says):
        encode_item({"a": value})


@pytest.mark.parametrize("attributes", [{"": 1}, {1: 1}])
def test_an_attribute_without_a_proper_name_is_refused(attributes):
    with pytest.raises(AttributeValueError, match="name"):
        encode_item(attributes)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"[]",
        b'{"a":1}',
        b'{"a":{}}',
        b'{"a":{"S":"x","N":"1"}}',
        b'{"a":{"X":"x"}}',
        b'{"a":{"S":1}}',
        b'{"a":{"N":1}}',
        b'{"a":{"B":"*"}}',
        b'{"a":{"BOOL":"true"}}',
        b'{"a":{"NULL":false}}',
        b'{"a":{"L":{}}}',
        b'{"a":{"L":["x"]}}',
        b'{"a":{"M":[]}}',
        b'{"a":{"SS":[]}}',
        b'{"a":{"NS":[1]}}',
    ],
)
def test_what_is_no_item_is_refused(wire):
    with pytest.raises(AttributeValueError):
        canonical_bytes(wire)


def test_no_error_shows_what_an_item_holds():
    secret = "4242 4242"
    texts = []
    for wire in (
        b'{"a":{"N":"%s"}}' % secret.encode(),
        b'{"a":{"B":"%s*"}}' % secret.encode(),
        b'{"a":{"%s":"x"}}' % secret.encode(),
    ):
        with pytest.raises(AttributeValueError) as refused:
            decode_item(wire)
        texts.append(str(refused.value))
    assert not [text for text in texts if "4242" in text]
    assert all("'a'" in text for text in texts)


def test_the_error_pickles():
    error = AttributeValueError("attribute 'a': a float")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# --- canonical form -------------------------------------------------------------------


@given(st.data())
def test_the_canonical_form_ignores_order_and_spelling(data):
    wire = data.draw(wire_items())
    assert canonical_bytes(data.draw(respelled(wire))) == canonical_bytes(wire)


@given(wire_items())
def test_the_canonical_form_is_its_own(wire):
    canonical = canonical_bytes(wire)
    assert canonical_bytes(canonical) == canonical
    assert decode_item(canonical) == decode_item(wire)


@given(attribute_values(), attribute_values())
def test_values_of_other_meaning_have_another_canonical_form(left, right):
    def canonical(tagged):
        return canonical_bytes(msgspec.json.encode({"a": tagged}))

    # True == Decimal(1) in Python, but BOOL and N are two things: hence the type.
    same = list(left) == list(right) and decode_value(left) == decode_value(right)
    if canonical(left) == canonical(right):
        assert same
    elif next(iter(left)) not in ("L", "M"):  # these may hold such a pair
        assert not same


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param({"S": "1"}, {"N": "1"}, id="S-and-N"),
        pytest.param({"BOOL": True}, {"N": "1"}, id="BOOL-and-N"),
        pytest.param({"NULL": True}, {"BOOL": True}, id="NULL-and-BOOL"),
        pytest.param({"S": "YQ=="}, {"B": "YQ=="}, id="S-and-B"),
        pytest.param(
            {"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}, id="order"
        ),
        pytest.param({"L": [{"S": "a"}]}, {"SS": ["a"]}, id="L-and-SS"),
        pytest.param({"SS": ["1"]}, {"NS": ["1"]}, id="SS-and-NS"),
        pytest.param({"L": []}, {"M": {}}, id="empty-L-and-M"),
        pytest.param(
            {"L": [{"BOOL": True}]}, {"L": [{"N": "1"}]}, id="BOOL-and-N-inside"
        ),
        pytest.param({"N": "1"}, {"N": "-1"}, id="sign"),
        pytest.param(
            {"N": "1." + "0" * 36 + "1"}, {"N": "1." + "0" * 36 + "2"}, id="38th-digit"
        ),
    ],
)
def test_different_values_differ_in_canonical_form(left, right):
    both = [canonical_bytes(msgspec.json.encode({"a": v})) for v in (left, right)]
    assert both[0] != both[1]


def test_null_is_not_the_absence_of_the_attribute():
    assert canonical_bytes(b'{"a":{"NULL":true}}') != canonical_bytes(b"{}")


# --- sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "size_bytes"),
    [
        pytest.param(b"{}", 0, id="nothing"),
        pytest.param('{"naïve":{"S":"中"}}'.encode(), 6 + 3, id="utf-8"),
        pytest.param(b'{"a":{"N":"0"}}', 1 + 1, id="zero"),
        pytest.param(b'{"a":{"N":"1"}}', 1 + 2, id="one-digit"),
        pytest.param(b'{"a":{"N":"12"}}', 1 + 2, id="two-digits"),
        pytest.param(b'{"a":{"N":"123"}}', 1 + 3, id="three-digits"),
        pytest.param(b'{"a":{"N":"00120.00"}}', 1 + 2, id="zeros-trimmed"),
        pytest.param(b'{"a":{"N":"%s"}}' % (b"9" * 38), 1 + 20, id="38-digits"),
        pytest.param(b'{"a":{"B":"AAAA"}}', 1 + 3, id="raw-bytes"),
        pytest.param(b'{"a":{"BOOL":false}}', 1 + 1, id="BOOL"),
        pytest.param(b'{"a":{"NULL":true}}', 1 + 1, id="NULL"),
        pytest.param(b'{"a":{"L":[]}}', 1 + 3, id="L-empty"),
        pytest.param(b'{"a":{"M":{}}}', 1 + 3, id="M-empty"),
        pytest.param(b'{"a":{"L":[{"S":"xy"},{"BOOL":true}]}}', 1 + 3 + 3 + 2, id="L"),
        pytest.param(b'{"a":{"M":{"bc":{"S":"xy"}}}}', 1 + 3 + 1 + 2 + 2, id="M"),
        pytest.param(b'{"a":{"SS":["xy","z"]}}', 1 + 3, id="SS"),
        pytest.param(b'{"a":{"NS":["1","123"]}}', 1 + 2 + 3, id="NS"),
        pytest.param(b'{"a":{"BS":["AAAA"]}}', 1 + 3, id="BS"),
    ],
)
def test_sizes_are_those_of_the_documented_rules(wire, size_bytes):
    assert item_size_bytes(wire) == size_bytes


@given(st.data())
def test_the_size_is_that_of_the_content_not_of_its_spelling(data):
    wire = data.draw(wire_items())
    assert item_size_bytes(data.draw(respelled(wire))) == item_size_bytes(wire)
