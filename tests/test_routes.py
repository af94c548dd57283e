"""Routes: what is refused when they are made, and what their programs account for."""

import pickle
from typing import Any

import pytest

from tests.mapping.functions_for_tests import drop_small
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.items import Item, ItemBatch, Origin
from transforms.routes import ItemProgram, Processed, Route

TARGET = TableRef("target", "us-west-2")


def route(**fields: Any) -> Route:
    return Route(name="west", target=TARGET, **fields)


def batch(*values: object) -> ItemBatch:
    items = [
        Item.from_attributes({"id": "a", "value": value}, Origin(0, b""))
        for value in values
    ]
    return ItemBatch.of_items(items)


def balance(done: Processed, size: int) -> None:
    left_out = done.filtered + done.skipped + len(done.rejected)
    assert size + done.fanned_out == left_out + len(done.kept)
    assert sum(count for _, count in done.kept.runs) == len(done.kept)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"columns": {"a": "a"}, "mapping": "*"}, "both columns and a mapping"),
        ({"mapping": "hash(a) AS a"}, "hash needs a key"),
        ({"mapping": "a AS"}, "found the end"),
        ({"mapping": "a", "mode": "newer", "newer_by": "b"}, "the mapping leaves it"),
        ({"mapping": "a", "hash_key": "the key"}, "given by where it is"),
        ({"mapping": "no.such:function"}, "cannot be imported"),
    ],
)
def test_a_route_that_cannot_be_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        route(**fields)


def test_a_route_with_a_mapping_pickles():
    made = route(mapping="*, mask(a) AS a", filter="a = 1")
    assert pickle.loads(pickle.dumps(made)) == made


def test_filter_skip_fan_out_and_rejection_balance():
    mapping = "FOR x IN value, id, x, SKIP IF size(value) = 1"
    program = ItemProgram.of_route(
        route(filter="NOT attribute_type(value, 'N')", mapping=mapping)
    )
    items = batch(1, ["a"], ["a", "b", "c"], "text", [])
    done = program.apply(items)
    assert (done.filtered, done.skipped, done.fanned_out) == (1, 2, 2)
    assert [reason for _, reason in done.rejected] == [
        "mapping: FOR x takes L, SS, NS or BS, got S"
    ]
    assert len(done.kept) == 3
    balance(done, len(items))


def test_a_function_as_a_mapping_balances():
    items = batch(1, 20, "text")
    done = ItemProgram.of_route(route(mapping=drop_small)).apply(items)
    assert (done.skipped, len(done.kept), len(done.rejected)) == (1, 1, 1)
    balance(done, len(items))


def test_a_mapping_that_is_plain_columns_takes_their_fast_way():
    mapped = ItemProgram.of_route(route(mapping="id, value AS n")).apply(batch(1))
    columns = {"id": "id", "value": "n"}
    plain = ItemProgram.of_route(route(columns=columns)).apply(batch(1))
    assert list(mapped.kept.wires) == list(plain.kept.wires)


def test_runs_of_several_origins_keep_their_items():
    one, other = Origin(1, b""), Origin(2, b"")
    items = ItemBatch.of_items(
        [
            Item.from_attributes({"v": ["a", "b"]}, one),
            Item.from_attributes({"v": []}, one),
            Item.from_attributes({"v": ["c"]}, other),
        ]
    )
    done = ItemProgram.of_route(route(mapping="FOR x IN v, x")).apply(items)
    assert done.kept.runs == ((one, 2), (other, 1))
    assert [item["x"] for item in done.kept] == ["a", "b", "c"]
