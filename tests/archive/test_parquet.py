"""Parquet: types, guessed schemas, and items that come back as they were."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import wire_items
from transforms.archive.parquet_format import ParquetFormat, items_of_row_group
from transforms.archive.parquet_inference import infer_schema
from transforms.archive.parquet_types import Schema, parse_schema
from transforms.dynamodb.errors import UserError
from transforms.items import Item


def round_trip(directory, wires, schema, *, lossless=False):
    path = Path(directory, "x.parquet")
    written = ParquetFormat(path, schema, lossless=lossless)
    misfits = written.add(wires)
    written.finish()
    reread = parse_schema(str(schema)) if schema.columns else schema
    with path.open("rb") as file:
        return misfits, [Item(wire) for wire in items_of_row_group(file, None, reread)]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("parquet")


@given(wires=st.lists(wire_items(), max_size=5), seen=st.integers(0, 5))
def test_with_a_guessed_schema_no_item_changes_whatever_was_in_the_sample(
    scratch, wires, seen
):
    schema = infer_schema(wires[:seen])
    misfits, items = round_trip(scratch, wires, schema)
    assert misfits == []
    assert items == [Item(wire) for wire in wires]


@given(wires=st.lists(wire_items(), max_size=5))
def test_with_the_item_column_bytes_come_back(scratch, wires):
    _, items = round_trip(scratch, wires, infer_schema([]), lossless=True)
    assert [item.wire for item in items] == wires


@pytest.mark.parametrize(
    ("items", "schema"),
    [
        ([{"n": {"N": "1"}}, {"n": {"N": "1.25"}}], "n:decimal(38,2)"),
        ([{"n": {"N": "1e120"}}], "n:number"),
        ([{"n": {"N": "1"}}, {"n": {"S": "x"}}], "n:json"),
        ([{"a": {"NULL": True}}, {"a": {"S": "x"}}], "a:string"),
        ([{"t": {"SS": ["x"]}}, {"t": {"NS": ["1"]}}], "t:json"),
        ([{"t": {"NS": ["1", "2.5"]}}], "t:set<decimal(38,1)>"),
        (
            [
                {"m": {"M": {"b": {"S": "x"}}}},
                {"m": {"M": {"a": {"L": [{"B": "AA=="}]}}}},
            ],
            "m:struct<a:list<binary>,b:string>",
        ),
    ],
    ids=str,
)
def test_a_schema_is_guessed_of_what_was_seen(items, schema):
    assert str(infer_schema(json.dumps(item).encode() for item in items)) == schema


@pytest.mark.parametrize(
    ("numbers", "kind"), [("string", "number"), ("double", "double")]
)
def test_numbers_become_what_was_asked_for(numbers, kind):
    assert str(infer_schema([b'{"n":{"N":"1.5"}}'], numbers)) == f"n:{kind}"


SCHEMA = (
    'id:string, "odd name":bool, price:decimal(6,2), n:number, tags:set<binary>, '
    "rows:list<struct<a:double,b:json>>"
)


def test_a_schema_reads_back():
    assert str(parse_schema(SCHEMA)) == SCHEMA
    assert parse_schema(SCHEMA).is_complete


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id", "expected ':'"),
        ("id:strnig", "'strnig' is no type"),
        ("id:string, id:number", "'id' is there twice"),
        ("p:decimal(40,2)", "decimal takes 1 to 38 digits"),
        ("p:decimal(x,2)", "two whole numbers"),
        ("t:set<bool>", "a set is of"),
        ("t:list<string", "expected '>'"),
        ("a b:string", "expected ':'"),
        ("€:string", "in double quotes"),
        ("", "expected a name"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_its_place(text, said):
    with pytest.raises(UserError, match="the schema, at") as refused:
        parse_schema(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("string", {"N": "1"}, "a value of type N in a string column"),
        ("decimal(4,1)", {"N": "1.25"}, "more digits than decimal(4,1)"),
        ("decimal(4,1)", {"N": "1000"}, "more digits than decimal(4,1)"),
        ("list<number>", {"L": [{"S": "x"}]}, "a value of type S in a number column"),
        ("struct<a:string>", {"M": {"b": {"S": "x"}}}, "1 names that the struct"),
        ("set<string>", {"NS": ["1"]}, "a value of type NS in a set<string> column"),
    ],
)
def test_an_item_that_does_not_fit_a_written_schema_is_told_with_its_place(
    tmp_path, column, value, reason
):
    schema = parse_schema(f"id:string, c:{column}")
    wires = [
        json.dumps({"id": {"S": "fits"}}).encode(),
        json.dumps({"id": {"S": "does not"}, "c": value}).encode(),
    ]
    misfits, items = round_trip(tmp_path, wires, schema)
    assert [misfit.place for misfit in misfits] == [1]
    assert reason in misfits[0].reason
    assert misfits[0].reason.startswith("attribute 'c': ")
    assert items == [Item(wires[0])]


@pytest.mark.parametrize("digits", ["1" * 38, "1" + "0" * 27 + "1", "-0." + "1" * 38])
def test_no_digit_of_a_number_is_lost(tmp_path, digits):
    wire = json.dumps({"n": {"N": digits}, "ns": {"NS": [digits]}}).encode()
    _, items = round_trip(tmp_path, [wire], infer_schema([wire]))
    assert items == [Item(wire)]


def test_row_groups_are_cut_by_size_and_read_one_by_one(tmp_path):
    path = tmp_path / "x.parquet"
    schema = parse_schema("id:string, text:string")
    written = ParquetFormat(path, schema, lossless=False, row_group_bytes=2_000)
    wires = [
        Item.from_attributes({"id": str(number), "text": "x" * 100}).wire
        for number in range(60)
    ]
    for start in range(0, 60, 10):
        written.add(wires[start : start + 10])
    written.finish()
    assert written.row_groups == pq.ParquetFile(path).num_row_groups == 3
    metadata = pq.ParquetFile(path).metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    found = []
    for group in range(3):
        with path.open("rb") as file:
            found += [Item(wire) for wire in items_of_row_group(file, group, schema)]
    assert found == [Item(wire) for wire in wires]


def test_an_empty_file_is_one(tmp_path):
    assert round_trip(tmp_path, [], Schema((), is_complete=False)) == ([], [])
