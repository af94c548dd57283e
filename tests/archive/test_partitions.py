"""Hive's directories: how they are asked for, and which item goes where."""

import json

import pytest

from transforms.archive.partitions import parse_partition_by
from transforms.dynamodb.errors import UserError


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("day", "day_part=2013-06-01"),
        ("substr(day, 1, 7)", "day_part=2013-06"),
        ("month = substr(day,1,7)", "month=2013-06"),
        ("substr(day, 6, 2)", "day_part=06"),
        ("a.b", "a_b_part=1%2F2%3D3"),
        ("number", "number_part=-1.5"),
        ("missing", "missing_part=__HIVE_DEFAULT_PARTITION__"),
        ("map", "map_part=__HIVE_DEFAULT_PARTITION__"),
        ("empty", "empty_part=__HIVE_DEFAULT_PARTITION__"),
    ],
)
def test_an_item_goes_to_the_directory_of_its_value(text, folder):
    item = {
        "day": {"S": "2013-06-01"},
        "a.b": {"S": "1/2=3"},
        "number": {"N": "-1.5"},
        "map": {"M": {}},
        "empty": {"S": ""},
    }
    assert parse_partition_by(text).folder_of(json.dumps(item).encode()) == folder


def test_items_are_divided_by_directory_in_their_order():
    wires = [json.dumps({"k": {"S": key}}).encode() for key in "abab"]
    divided = parse_partition_by("p=k").divide(wires)
    assert divided == {"p=a": [0, 2], "p=b": [1, 3]}


@pytest.mark.parametrize("text", ["day", "month=substr(day, 1, 7)"])
def test_what_is_written_reads_back(text):
    parsed = parse_partition_by(text)
    assert parse_partition_by(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text", ["", "substr(day)", "substr(day, 0, 7)", "day=day", "upper(day)", "a, b"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(UserError, match="--partition-by"):
        parse_partition_by(text)
