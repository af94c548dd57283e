"""What a mapping makes of items, each function of it, and what does not fit."""

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dynamodb.expressions import strategies
from transforms.dynamodb.attribute_values import AttributeValueError
from transforms.mapping import MisfitError, compile_mapping, parse_mapping

KEY = b"a key of a test"
ITEM = {
    "id": {"S": "a1"},
    "day": {"S": "2013-06-17T10:22:33Z"},
    "at": {"N": "1370082153"},
    "delay": {"N": "1.50"},
    "email": {"S": "ann@example.org"},
    "raw": {"B": "/w=="},
    "tags": {"SS": ["x", "y"]},
    "scores": {"L": [{"N": "1"}, {"N": "2"}, {"N": "1.0"}]},
    "address": {"M": {"city": {"S": "Oslo"}, "zip": {"S": "0150"}}},
    "nothing": {"NULL": True},
}


def mapped(text: str, item: dict[str, Any] = ITEM) -> list[dict[str, Any]]:
    compiled = compile_mapping(parse_mapping(text), KEY)
    return [json.loads(wire) for wire in compiled(msgspec.json.encode(item))]


def value_of(expression: str, item: dict[str, Any] = ITEM) -> Any:
    (made,) = mapped(f"{expression} AS x", item)
    return made.get("x")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("id, delay AS late", {"id": {"S": "a1"}, "late": {"N": "1.50"}}),
        ("id, absent, missing.deep", {"id": {"S": "a1"}}),
        ("'eu' AS region, 1.50 AS n", {"region": {"S": "eu"}, "n": {"N": "1.5"}}),
        ("true AS ok, NULL AS no", {"ok": {"BOOL": True}, "no": {"NULL": True}}),
        ("address.city", {"address": {"M": {"city": {"S": "Oslo"}}}}),
        ("address.city AS city", {"city": {"S": "Oslo"}}),
        ("scores[1] AS second", {"second": {"N": "2"}}),
        (
            "id AS a.b, delay AS a.c.d",
            {"a": {"M": {"b": {"S": "a1"}, "c": {"M": {"d": {"N": "1.50"}}}}}},
        ),
        ("size(tags) AS n", {"n": {"N": "2"}}),
    ],
)
def test_attributes_are_picked_renamed_nested_and_made(text, made):
    assert mapped(text) == [made]


def test_everything_is_every_byte_of_it():
    wire = b'{"n":{"N":"1.500"},"a":{"S": "x"}}'
    (made,) = compile_mapping(parse_mapping("*"))(wire)
    assert made == b'{"n":{"N":"1.500"},"a":{"S": "x"}}'


def test_exceptions_take_away_attributes_and_parts_of_them():
    (made,) = mapped("* EXCEPT (email, address.zip, scores[0], absent.x)")
    assert made.keys() == ITEM.keys() - {"email"}
    assert made["address"] == {"M": {"city": {"S": "Oslo"}}}
    assert made["scores"] == {"L": [{"N": "2"}, {"N": "1.0"}]}


def test_what_is_computed_takes_the_place_of_what_was_there():
    (made,) = mapped("*, mask(email) AS email, id AS address.owner")
    assert made["email"] == {"S": "***********.org"}
    assert made["address"]["M"].keys() == {"city", "zip", "owner"}
    (without,) = mapped("*, substring(absent, 1) AS email, absent AS address.zip")
    assert "email" not in without
    assert without["address"] == {"M": {"city": {"S": "Oslo"}}}


def test_an_item_is_skipped_by_a_condition():
    assert mapped("*, SKIP IF delay > 1") == []
    assert mapped("id, SKIP IF delay > 2, SKIP IF id = 'b'") == [{"id": {"S": "a1"}}]


def test_an_item_fans_out_to_one_for_each_element():
    assert mapped("FOR tag IN tags, concat(id, '#', tag) AS id, tag") == [
        {"id": {"S": "a1#x"}, "tag": {"S": "x"}},
        {"id": {"S": "a1#y"}, "tag": {"S": "y"}},
    ]
    made = mapped("FOR n IN scores, id, n, SKIP IF n = 2")
    assert [each["n"] for each in made] == [{"N": "1"}, {"N": "1.0"}]
    assert mapped("FOR x IN absent, id") == []


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("concat(id, '#', delay)", {"S": "a1#1.5"}),
        ("concat(id, absent)", None),
        ("substring(day, 1, 10)", {"S": "2013-06-17"}),
        ("substring(day, 12)", {"S": "10:22:33Z"}),
        ("substring(id, 9)", {"S": ""}),
        ("mask(email, 3)", {"S": "************org"}),
        ("mask(id)", {"S": "**"}),
        ("mask(id, 0)", {"S": "**"}),
        ("truncate(day, 'hour')", {"S": "2013-06-17T10:00:00Z"}),
        ("truncate(day, 'month')", {"S": "2013-06-01T00:00:00Z"}),
        ("truncate(at, 'day')", {"N": "1370044800"}),
        ("string(delay)", {"S": "1.5"}),
        ("number('007.50')", {"N": "7.5"}),
        ("number(delay)", {"N": "1.50"}),
        ("set(scores)", {"NS": ["1", "2"]}),
        ("list(tags)", {"L": [{"S": "x"}, {"S": "y"}]}),
        ("default(absent, id)", {"S": "a1"}),
        ("default(nothing, 'x')", {"S": "x"}),
        ("default(id, 'x')", {"S": "a1"}),
        ("default(concat(absent, 'x'), 'y')", {"S": "y"}),
        ("set(list(tags))", {"SS": ["x", "y"]}),
    ],
)
def test_each_function_computes(expression, value):
    assert value_of(expression) == value


def test_an_empty_list_is_no_set():
    assert value_of("set(empty)", {"empty": {"L": []}}) is None


@pytest.mark.parametrize(
    ("attribute", "content"),
    [("email", b"ann@example.org"), ("delay", b"1.5"), ("raw", b"\xff")],
)
def test_hash_is_an_hmac_that_anybody_with_the_key_can_make(attribute, content):
    digest = hmac.new(KEY, content, hashlib.sha256).hexdigest()
    assert value_of(f"hash({attribute})") == {"S": digest}


def test_hash_without_a_key_is_refused():
    with pytest.raises(ValueError, match="hash needs a key"):
        compile_mapping(parse_mapping("hash(id) AS id"))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("concat(tags)", "concat takes S or N, got SS"),
        ("substring(delay, 1)", "substring takes S, got N"),
        ("hash(address)", "hash takes S or N, got M"),
        ("truncate(email, 'day')", "truncate takes an ISO 8601 time"),
        ("truncate(1e30, 'day')", "seconds since 1970"),
        ("number(email)", "number takes the text of a number"),
        ("set(address)", "set takes L, got M"),
        ("set(mixed)", "set takes a list of one of S, N or B"),
        ("list(id)", "list takes SS, NS or BS, got S"),
    ],
)
def test_a_value_that_does_not_fit_is_told_and_not_shown(expression, message):
    item = ITEM | {"mixed": {"L": [{"S": "secret"}, {"N": "1"}]}}
    with pytest.raises(MisfitError, match=message) as caught:
        value_of(expression, item)
    assert "secret" not in str(caught.value)
    assert "example.org" not in str(caught.value)


def test_a_fan_out_by_what_has_no_elements_does_not_fit():
    with pytest.raises(MisfitError, match="FOR x takes L, SS"):
        mapped("FOR x IN id, x")


def test_bytes_that_are_no_item_are_an_error():
    with pytest.raises(AttributeValueError, match="not an item"):
        compile_mapping(parse_mapping("concat(a) AS b"))(b"[1]")


@given(strategies.items)
def test_all_attributes_renamed_and_back_are_the_item(item):
    wire = msgspec.json.encode(item)
    (made,) = compile_mapping(parse_mapping("*, a AS a, day AS day"))(wire)
    assert msgspec.json.decode(made) == item


@given(strategies.items, st.sampled_from(["a", "b", "day", "size"]))
def test_exceptions_and_picks_share_an_item_out(item, name):
    wire = msgspec.json.encode(item)
    (rest,) = compile_mapping(parse_mapping(f"* EXCEPT ({name})"))(wire)
    (one,) = compile_mapping(parse_mapping(f"{name}"))(wire)
    assert msgspec.json.decode(rest) | msgspec.json.decode(one) == item
