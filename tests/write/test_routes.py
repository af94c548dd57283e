"""Routes and the programs they are compiled to: which items, in which shape."""

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import names, wire_items
from transforms.dynamodb.errors import ExpressionError, UserError
from transforms.dynamodb.expressions import parse_condition
from transforms.dynamodb.tables import TableRef
from transforms.items import Item, ItemBatch, Origin
from transforms.routes import ItemProgram, Route

TARGET = TableRef("birds", region="us-west-2")


def a_route(**fields) -> Route:
    given: dict[str, Any] = {"name": "oregon", "target": TARGET} | fields
    return Route(**given)


def is_heavy(item: Item) -> bool:
    weight = item.get("weight")
    return isinstance(weight, str) or (weight is not None and weight != 0)


# --- Route ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"name": ""}, "name must be a word", id="no-name"),
        pytest.param({"name": "a/b"}, "without '/', got 'a/b'", id="slash"),
        pytest.param({"mode": "replace"}, "oregon: mode must be", id="mode"),
        pytest.param({"columns": {}}, "oregon: columns is empty", id="no-columns"),
        pytest.param(
            {"columns": {"a": "x", "b": "x"}},
            "oregon: columns 'a' and 'b' both become 'x'",
            id="clash",
        ),
    ],
)
def test_a_route_that_makes_no_sense_is_refused_by_name(fields, says):
    with pytest.raises(UserError, match=says):
        a_route(**fields)


def test_a_filter_that_does_not_parse_shows_the_place():
    with pytest.raises(ExpressionError) as refused:
        a_route(filter="day >> 1")
    assert str(refused.value).endswith("\n  day >> 1\n       ^")


@pytest.mark.parametrize(
    "item_filter",
    [None, "a = 1", parse_condition("a = 1"), is_heavy],
    ids=["none", "text", "condition", "callable"],
)
def test_a_route_travels_whatever_its_filter(item_filter):
    route = a_route(filter=item_filter, columns={"a": "b"})
    assert pickle.loads(pickle.dumps(route)) == route


# --- filters --------------------------------------------------------------------------

ORIGIN = Origin(1, b"")
WIRES = [
    b'{"id":{"S":"a"},"weight":{"N":"2.50"}}',
    b'{"id":{"S":"b"}}',
    b'{"id":{"S":"c"},"weight":{"N":"0"}}',
    b'{"id":{"S":"d"},"weight":{"S":"2"}}',
]


@pytest.mark.parametrize(
    ("item_filter", "kept"),
    [
        pytest.param(None, "abcd", id="none"),
        pytest.param("weight > 1", "a", id="text"),
        pytest.param(parse_condition("attribute_exists(weight)"), "acd", id="parsed"),
        pytest.param(is_heavy, "ad", id="callable"),
    ],
)
def test_a_filter_keeps_the_items_that_it_is_true_of(item_filter, kept):
    program = ItemProgram(item_filter, None)
    done = program.apply(ItemBatch.of_page(WIRES, ORIGIN))
    assert "".join(str(item["id"]) for item in done.kept) == kept
    assert [item.origin for item in done.kept] == [ORIGIN] * len(kept)
    assert done.filtered == len(WIRES) - len(kept)
    assert done.evaluated == (0 if item_filter is None else len(WIRES))
    assert program.is_identity == (item_filter is None)


def test_a_truthy_answer_counts_as_true():
    program = ItemProgram(lambda item: item.get("weight"), None)
    done = program.apply(ItemBatch.of_page(WIRES, ORIGIN))
    assert (len(done.kept), done.filtered) == (2, 2)


@given(st.lists(wire_items(), max_size=6), st.lists(st.booleans(), min_size=6))
def test_each_item_is_kept_or_filtered(wires, answers):
    chosen = iter(answers)
    done = ItemProgram(lambda _: next(chosen), None).apply(
        ItemBatch.of_page(wires, ORIGIN)
    )
    assert done.filtered + len(done.kept) == len(wires) == done.evaluated
    expected = [wire for wire, keep in zip(wires, answers, strict=False) if keep]
    assert [item.wire for item in done.kept] == expected


# --- columns --------------------------------------------------------------------------


def reshaped(wire: bytes, columns: dict[str, str]) -> bytes:
    done = ItemProgram(None, columns).apply(ItemBatch.of_page([wire], ORIGIN))
    return next(iter(done.kept)).wire


def test_columns_pick_and_rename_and_leave_the_values_bytes():
    wire = b'{"s": {"SS": ["b","a"]}, "n":{ "N":"1.50" },"x":{"S":"y"}}'
    columns = {"n": "number", "s": "s"}
    assert reshaped(wire, columns) == b'{"number":{ "N":"1.50" },"s":{"SS": ["b","a"]}}'


def test_an_attribute_that_an_item_lacks_is_left_out():
    assert reshaped(b'{"a":{"N":"1"}}', {"b": "c", "a": "a"}) == b'{"a":{"N":"1"}}'
    assert reshaped(b'{"a":{"N":"1"}}', {"b": "c"}) == b"{}"


def test_two_attributes_may_change_places():
    wire = b'{"a":{"N":"1"},"b":{"N":"2"}}'
    assert reshaped(wire, {"a": "b", "b": "a"}) == b'{"b":{"N":"1"},"a":{"N":"2"}}'


@given(st.data())
def test_a_mapping_moves_values_and_changes_none(data):
    wire = data.draw(wire_items())
    columns = data.draw(
        st.dictionaries(names, names, min_size=1, max_size=4).filter(
            lambda chosen: len(set(chosen.values())) == len(chosen)
        )
    )
    before = msgspec.json.decode(wire)
    after = msgspec.json.decode(reshaped(wire, columns))
    assert after == {
        target: before[source] for source, target in columns.items() if source in before
    }


def test_a_filter_sees_the_item_before_its_columns_are_mapped():
    program = ItemProgram("weight > 1", {"id": "id"})
    done = program.apply(ItemBatch.of_page(WIRES, ORIGIN))
    assert [item.wire for item in done.kept] == [b'{"id":{"S":"a"}}']
