"""Where the parts of a query run, and that what does not fit in memory spills."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.query.plan import QueryPlan
from transforms.query.query_items import QueryRows
from transforms.query.rows import Rows
from transforms.query.schema import parse_schema
from transforms.query.stage_dofns import RunPartition
from transforms.query.stage_query import cut_plan
from transforms.query.stages import (
    Flattened,
    Input,
    Map,
    Node,
    Partitioned,
    Scan,
    draw_stages,
)
from transforms.query.statement import parse_query
from transforms.query.tables import FoundTable, NamedTable, TableRead

SCHEMAS = {
    "birds": "name VARCHAR, kind BIGINT, grams DOUBLE",
    "kinds": "id BIGINT, label VARCHAR",
}


def nodes(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Map():
            yield from nodes(node.source)
        case Partitioned():
            for each in node.inputs:
                yield from nodes(each.node)
        case Scan() | Flattened():
            return


def bundle_sql(query: QueryRows) -> str:
    """What runs in each bundle, before rows meet."""
    return " ".join(each.sql for each in nodes(query.cut.last) if isinstance(each, Map))


@pytest.mark.parametrize("word", ["count", "sum", "min", "max", "avg"])
def test_these_five_are_aggregated_in_each_bundle_first(word):
    query = QueryRows(f"SELECT name, {word}(grams) FROM birds GROUP BY name", SCHEMAS)
    partial = {"avg": "sum"}.get(word, word)
    assert f"{partial.upper()}(" in bundle_sql(query).upper()
    assert query.stages()[0] == "in partitions by 1 key"


WHOLE = {
    "median": "SELECT name, median(grams) FROM birds GROUP BY name",
    "stddev_samp": "SELECT name, stddev_samp(grams) FROM birds GROUP BY name",
    "string_agg": "SELECT name, string_agg(kind, '') FROM birds GROUP BY name",
    "distinct": "SELECT name, count(DISTINCT kind) FROM birds GROUP BY name",
    "rank": "SELECT name, rank() OVER (PARTITION BY kind ORDER BY grams) FROM birds",
}


@pytest.mark.parametrize(("word", "sql"), WHOLE.items(), ids=WHOLE)
def test_all_others_run_whole_in_the_partition_of_their_key(word, sql):
    query = QueryRows(sql, SCHEMAS)
    assert word not in bundle_sql(query).lower()
    assert query.stages()[0] == "in partitions by 1 key"


def test_a_window_without_a_key_and_an_order_run_in_one_place():
    for sql in (
        "SELECT name, rank() OVER (ORDER BY grams) FROM birds",
        "SELECT name FROM birds ORDER BY grams",
    ):
        assert QueryRows(sql, SCHEMAS).stages()[0] == "in one place"


def test_a_small_table_is_given_to_every_worker_and_the_big_one_stays():
    sql = "SELECT b.name, k.label FROM birds b JOIN kinds k ON b.kind < k.id"
    query = QueryRows(sql, SCHEMAS, broadcast=["kinds"])
    assert query.stages() == ["in each bundle, with all of k", "  scan birds"]
    assert not [each for each in nodes(query.cut.last) if isinstance(each, Partitioned)]


def found(name: str, size_bytes: int) -> TableRead:
    table = {
        "TableName": name,
        "TableArn": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{name}",
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "ItemCount": 1,
        "TableSizeBytes": size_bytes,
    }
    schema = parse_schema(SCHEMAS[name])
    return TableRead(
        found=FoundTable(
            named=NamedTable(name=name, source=TableRef(name, "eu-west-1")),
            schema=schema,
            description=TableDescription.from_response({"Table": table}),
        ),
        columns=schema,
    )


@pytest.mark.parametrize(
    ("kinds_mb", "first"),
    [(1, "in each bundle, with all of k"), (100, "in partitions by 1 key")],
)
def test_a_table_that_fits_in_memory_is_broadcast_by_itself(kinds_mb, first):
    sql = "SELECT b.name, k.label FROM birds b JOIN kinds k ON b.kind = k.id"
    plan = QueryPlan(
        statement=parse_query(sql),
        sql=sql,
        reads=(found("birds", 10**10), found("kinds", kinds_mb * 10**6)),
        result=(),
    )
    assert draw_stages(cut_plan(plan, broadcast_mb=64).last)[0] == first


def test_a_partition_larger_than_its_memory_spills(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shape = (("n", "BIGINT"), ("text", "VARCHAR"))
    sql = "SELECT n, text FROM t ORDER BY md5(text)"
    stage = Partitioned((Input("t", Scan("t", shape)),), sql, shape)
    work = RunPartition(stage, memory_mb=64)
    work.setup()
    try:
        found = work.process((0, [(0, each) for each in texts(400_000)]))
        rows = next(found).batch.num_rows
        assert spilled(tmp_path) > 1_000_000
        assert rows + sum(each.batch.num_rows for each in found) == 400_000
    finally:
        work.teardown()
    assert not list(tmp_path.iterdir())


def texts(count: int) -> Iterator[Rows]:
    """50 MB of rows that no packing makes much smaller."""
    for start in range(0, count, 20_000):
        numbers = range(start, start + 20_000)
        text = pa.array([f"{n * 2_654_435_761:0100d}" for n in numbers])
        yield Rows(pa.record_batch([pa.array(numbers), text], names=["n", "text"]))


def spilled(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.glob("*/spilled/*"))
