"""Columns with types: what fits, and what becomes of what does not."""

import json
from typing import Any

import pytest

from pipelines.conversions import typed_columns
from tests.test_routes import route
from transforms.dynamodb.errors import UserError
from transforms.items import Item, ItemBatch
from transforms.routes import ItemProgram

COLUMNS = {"id": "id", "n": "number", "tags": "tags"}
TYPES = {"n": "N", "tags": "SS"}


def applied(misfit: Any, **attributes: Any) -> Any:
    program = ItemProgram.of_route(route(columns=COLUMNS, types=TYPES, misfit=misfit))
    item = Item.from_attributes({"id": "a", "more": 1, **attributes})
    return program.apply(ItemBatch.of_items([item]))


def written(misfit: Any, **attributes: Any) -> dict[str, Any]:
    (wire,) = applied(misfit, **attributes).kept.wires
    made: dict[str, Any] = json.loads(bytes(wire))
    return made


def test_what_fits_is_picked_and_renamed():
    assert written("reject", n=1, tags={"x"}) == {
        "id": {"S": "a"},
        "number": {"N": "1"},
        "tags": {"SS": ["x"]},
    }


def test_null_and_absence_fit_every_type():
    assert written("reject", n=None) == {"id": {"S": "a"}, "number": {"NULL": True}}


def test_what_does_not_fit_is_rejected_with_its_reason():
    done = applied("reject", n="not to be said", tags={"x"})
    ((_, reason),) = done.rejected
    assert reason == "mapping: column 'n' is N, got S"
    assert len(done.kept) == 0


def test_or_becomes_null_or_stays():
    assert written("null", n="1")["number"] == {"NULL": True}
    assert written("keep", n="1")["number"] == {"S": "1"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"types": {"x": "N"}}, "'x' has a type and is no column"),
        ({"types": {"n": "bigint"}}, "has the type 'bigint'; there are S, N"),
        ({"types": TYPES, "misfit": "drop"}, "misfit must be one of"),
    ],
)
def test_a_schema_that_cannot_be_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        route(columns=COLUMNS, **fields)


@pytest.mark.parametrize(
    ("said", "columns"),
    [
        ("*", None),
        ("id,n:number", {"id": "id", "n": "number"}),
        (
            "id:id:S,n:number:N",
            {"id": {"as": "id", "type": "S"}, "n": {"as": "number", "type": "N"}},
        ),
        (["id", "tags:tags:SS"], {"id": "id", "tags": {"as": "tags", "type": "SS"}}),
        # Three parts of which the last is no type are a name with a colon in it.
        ("a:b:c", {"a": "b:c"}),
        ({"n": {"as": "m", "type": "N"}}, {"n": {"as": "m", "type": "N"}}),
        (
            {"n": {"type": "N"}, "id": "key"},
            {"n": {"as": "n", "type": "N"}, "id": "key"},
        ),
    ],
)
def test_columns_are_said_with_types_or_without(said, columns):
    read = typed_columns(said)
    assert read == columns
    assert typed_columns(read or "*") == columns


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("id,id:x:N", "said 2 times as a source name"),
        ("a:x:N,b:x:S", "said 2 times as a target name"),
        ({"n": {"kind": "N"}}, "is a name, or"),
        ("", "give names"),
        ("a,,b", "empty name"),
    ],
)
def test_columns_that_cannot_be_are_refused(said, message):
    with pytest.raises(UserError, match=message):
        typed_columns(said)
