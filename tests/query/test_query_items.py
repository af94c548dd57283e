"""SQL over collections in a pipeline: rows with a schema, and where rows meet."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import apache_beam as beam
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.coders import registry
from apache_beam.coders.row_coder import RowCoder
from apache_beam.dataframe.convert import to_dataframe, to_pcollection
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given

from tests.support.collect import collect
from tests.support.engines import make_table, unique_name
from transforms import Item, QueryItems, Rate, ReadFromDynamoDB, TableRef
from transforms.dynamodb.errors import UserError
from transforms.query.partitioning import partition_of, split_by_partition
from transforms.query.rows import Rows, RowsCoder

BIRDS = [
    {"name": {"S": "auk"}, "kind": {"N": "1"}, "grams": {"N": "700"}},
    {"name": {"S": "tit"}, "kind": {"N": "2.0"}, "grams": {"N": "11.5"}},
    {"name": {"S": "emu"}, "kind": {"NULL": True}},
]
KINDS = [
    {"id": {"N": "1.00"}, "kind": {"S": "diver"}},
    {"id": {"N": "2"}, "kind": {"S": "songbird"}},
]
SCHEMAS = {
    "birds": "name VARCHAR, kind DECIMAL(9,2), grams DOUBLE",
    "kinds": "id BIGINT, kind VARCHAR",
}
JOIN = "SELECT b.name, k.kind FROM birds b LEFT JOIN kinds k ON b.kind = k.id"


class Query(beam.PTransform[Any, Any]):
    """A query over the two lists."""

    def __init__(self, query: QueryItems) -> None:
        super().__init__()
        self._query = query

    def expand(self, pbegin: Any) -> Any:
        return {
            name: pbegin.pipeline
            | f"Make {name}"
            >> beam.Create([json.dumps(item).encode() for item in items])
            | f"Items of {name}" >> beam.Map(Item)
            for name, items in (("birds", BIRDS), ("kinds", KINDS))
        } | self._query


@pytest.mark.parametrize("broadcast", [(), ("kinds",)], ids=["shuffled", "broadcast"])
def test_equal_numbers_of_different_types_meet(broadcast):
    found = collect(Query(QueryItems(JOIN, SCHEMAS, broadcast=broadcast)))
    assert sorted((row.name, row.kind) for row in found) == [
        ("auk", "diver"),
        ("emu", None),
        ("tit", "songbird"),
    ]


def test_the_rows_have_a_schema():
    sums = "count(*) AS n, sum(kind) AS k, avg(grams) AS g"
    sql = f"SELECT name, {sums} FROM birds GROUP BY 1"
    query = Query(QueryItems(sql, SCHEMAS))
    rows = beam.Pipeline() | query
    assert isinstance(rows.element_type, RowTypeConstraint)
    assert dict(rows.element_type._fields) == {
        "name": str | None,
        "n": int | None,
        "k": Decimal | None,
        "g": float | None,
    }


def test_a_count_of_nothing_is_zero():
    sql = "SELECT count(*) AS n, sum(grams) AS g FROM birds WHERE name = 'roc'"
    assert collect(Query(QueryItems(sql, SCHEMAS))) == [beam.Row(n=0, g=None)]


REFUSED = {
    "unknown table": ("SELECT * FROM birdz", "did you mean 'birds'"),
    "unknown column": ("SELECT nam FROM birds", "Candidate bindings"),
    "types that hash apart": (
        "SELECT 1 FROM birds b JOIN kinds k ON b.name = k.id",
        "cast one side",
    ),
    "theta join": (
        "SELECT 1 FROM birds b JOIN kinds k ON b.kind < k.id",
        "names nothing that is equal",
    ),
    "recursion": (
        "WITH RECURSIVE r AS (SELECT name FROM birds UNION SELECT name FROM r) FROM r",
        "recursive WITH",
    ),
    "grouping sets": (
        "SELECT name, count(*) FROM birds GROUP BY ROLLUP (name)",
        "GROUPING SETS",
    ),
    "two columns of one name": (
        "SELECT b.kind, k.kind FROM birds b JOIN kinds k ON b.kind = k.id",
        "rename one with AS",
    ),
}


@pytest.mark.parametrize(("sql", "message"), REFUSED.values(), ids=REFUSED)
def test_a_query_that_cannot_be_cut_is_refused_when_it_is_made(sql, message):
    with pytest.raises(UserError, match=message):
        QueryItems(sql, SCHEMAS)


NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**15), 10**15),
    st.decimals(-1000, 1000, places=2),
)


@given(st.lists(NUMBERS, min_size=1), st.integers(1, 40))
def test_equal_keys_are_in_one_partition_whatever_their_type(numbers, partitions):
    whole = [None if n is None else Decimal(int(n)) for n in numbers]
    columns = [
        pa.array(whole, pa.decimal128(38, 0)),
        pa.array([None if n is None else float(n) for n in whole], pa.float64()),
        pa.array([None if n is None else int(n) for n in whole], pa.int64()),
    ]
    places = [
        partition_of(pa.record_batch([column], names=["k"]), ("k",), partitions)
        for column in columns
    ]
    assert all(np.array_equal(places[0], other) for other in places)
    assert all(0 <= place < partitions for place in places[0])


def test_a_partition_is_the_same_in_every_process():
    batch = pa.record_batch(
        [pa.array(["auk", None, "tit", ""]), pa.array([1, 2, 3, 4])], names=["a", "b"]
    )
    assert partition_of(batch, ("a", "b"), 1_000).tolist() == [547, 854, 914, 917]


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 5))), st.integers(1, 9))
def test_a_split_loses_and_repeats_no_row(rows, partitions):
    batch = pa.record_batch(
        [
            pa.array([a for a, _ in rows], pa.string()),
            pa.array([b for _, b in rows], pa.int64()),
        ],
        names=["a", "b"],
    )
    parts = split_by_partition(batch, ("a",), partitions)
    found = [row for _, part in parts for row in part.to_pylist()]
    assert sorted(map(str, found)) == sorted(map(str, batch.to_pylist()))


def test_rows_travel_and_show_nothing():
    batch = pa.record_batch([pa.array(["secret", None])], names=["a"])
    coder = RowsCoder()
    assert coder.decode(coder.encode(Rows(batch))).batch.equals(batch)
    assert "secret" not in repr(Rows(batch))
    with pytest.raises(ValueError, match="one version"):
        coder.decode(b"\x09")


PORTABLE = {
    "beam:logical_type:decimal:v1",
    "beam:logical_type:micros_instant:v1",
    "beam:logical_type:date:v1",
}


def test_rows_are_such_that_other_languages_read_them():
    """SqlTransform is Java: what is Python's alone would not get there."""
    sql = (
        "SELECT name, kind, grams, count(*) AS n, DATE '2013-06-01' AS day, "
        "TIMESTAMP '2013-06-01 05:00:00' AS moment, [grams] AS list, 'x'::BLOB AS b "
        "FROM birds GROUP BY ALL"
    )
    query = Query(QueryItems(sql, SCHEMAS))
    rows = beam.Pipeline() | query
    coder = registry.get_coder(rows.element_type)
    assert isinstance(coder, RowCoder)
    logical = {
        field.type.logical_type.urn
        for field in coder.schema.fields
        if field.type.WhichOneof("type_info") == "logical_type"
    }
    assert logical == PORTABLE
    found = collect(Query(QueryItems(sql, SCHEMAS)))
    assert {row.name for row in found} == {"auk", "tit", "emu"}
    assert {(row.day, row.moment) for row in found} == {
        (date(2013, 6, 1), Timestamp.from_rfc3339("2013-06-01T05:00:00Z"))
    }
    for row in found:
        back = coder.decode(coder.encode(row))
        assert back._asdict() == row._asdict()


def test_rows_are_a_data_frame_of_beams():
    sql = "SELECT name, grams, kind IS NULL AS odd FROM birds"

    class Mean(beam.PTransform[Any, Any]):
        def expand(self, pbegin: Any) -> Any:
            frame: Any = to_dataframe(pbegin | Query(QueryItems(sql, SCHEMAS)))
            return to_pcollection(frame.groupby("odd").grams.sum())

    assert sorted(collect(Mean())) == [0.0, 711.5]


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_a_scan_with_a_schema_is_a_data_frame_of_beams(moto):
    name = make_table(moto, "eu-west-1", unique_name(), "name")
    for item in BIRDS:
        moto.dynamodb("eu-west-1").put_item(TableName=name, Item=item)
    table = TableRef(name, "eu-west-1", moto.endpoint_url("eu-west-1"))
    scan = ReadFromDynamoDB(table, read=Rate.unlimited())

    class Heavy(beam.PTransform[Any, Any]):
        def expand(self, pbegin: Any) -> Any:
            rows = pbegin | scan.with_schema("name VARCHAR, grams DOUBLE")
            frame: Any = to_dataframe(rows)
            return to_pcollection(frame[frame.grams > 100].name)

    assert collect(Heavy()) == ["auk"]


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_a_scan_with_a_schema_gives_beam_rows(moto):
    name = make_table(moto, "eu-west-1", unique_name(), "name")
    for item in BIRDS:
        moto.dynamodb("eu-west-1").put_item(TableName=name, Item=item)
    table = TableRef(name, "eu-west-1", moto.endpoint_url("eu-west-1"))
    scan = ReadFromDynamoDB(table, read=Rate.unlimited())
    found = collect(scan.with_schema("name VARCHAR, grams DOUBLE"))
    assert sorted(found, key=lambda row: row.name) == [
        beam.Row(name="auk", grams=700.0),
        beam.Row(name="emu", grams=None),
        beam.Row(name="tit", grams=11.5),
    ]
