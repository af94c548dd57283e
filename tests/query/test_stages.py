"""Queries cut into stages: the same rows as DuckDB gives on the CSV files."""

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.query.flight_queries import QUERIES
from tests.query.flights import SCHEMAS, FlightTables, same_rows
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.query.query_items import QueryRows
from transforms.query.run_stages import StageOptions
from transforms.scan import ReadFromDynamoDB
from transforms.throttle.rate import Rate

SMALL = ("airlines", "planes", "airports")

# Of these all tables are read; without them broadcast, some queries cannot be cut.
REFUSED_IF_BIG = ("join without equality", "cross join", "in a query")
GROUPS = 4
OPTIONS = StageOptions(partitions=3, memory_mb=128)

_rows: dict[str, list[Any]] = {}


def run_all(flights: FlightTables, queries: dict[str, str], small: tuple[str, ...]):
    """Runs queries in one pipeline, over one scan of each table."""
    _rows.clear()
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
    tables = {
        each.name: pipeline
        | f"Scan {each.name}"
        >> ReadFromDynamoDB(each.source, read=Rate.unlimited(), splits=3)
        for each in flights.tables
        if isinstance(each.source, TableRef)
    }
    for name, sql in queries.items():
        query = QueryRows(sql, SCHEMAS, broadcast=small, options=OPTIONS)
        _rows[name] = []
        _ = tables | name >> query | f"Keep {name}" >> beam.Map(keep, name)
    pipeline.run().wait_until_finish()
    return dict(_rows)


def keep(rows, name):
    columns = [column.to_pylist() for column in rows.batch.columns]
    _rows[name].extend(zip(*columns, strict=True))


def part(number: int, left_out: tuple[str, ...] = ()) -> dict[str, str]:
    chosen = {name: sql for name, sql in QUERIES.items() if name not in left_out}
    return {
        name: sql
        for place, (name, sql) in enumerate(chosen.items())
        if place % GROUPS == number
    }


def wrong_ones(flights: FlightTables, queries: dict[str, str], small: tuple[str, ...]):
    found = run_all(flights, queries, small)
    return [
        name
        for name, sql in queries.items()
        if not same_rows(found[name], flights.reference(sql))
    ]


@pytest.mark.dynoxide
@pytest.mark.slow
@pytest.mark.parametrize("number", range(GROUPS))
def test_every_query_gives_the_rows_of_the_files_when_all_tables_are_big(
    flights, number
):
    assert wrong_ones(flights, part(number, REFUSED_IF_BIG), small=()) == []


@pytest.mark.dynoxide
@pytest.mark.slow
@pytest.mark.parametrize("number", range(GROUPS))
def test_every_query_gives_the_rows_of_the_files_when_some_tables_are_broadcast(
    flights, number
):
    assert wrong_ones(flights, part(number), SMALL) == []


@pytest.mark.parametrize("name", REFUSED_IF_BIG)
def test_what_cannot_be_cut_is_refused_with_the_way_out(name):
    with pytest.raises(UserError, match="--broadcast-mb"):
        QueryRows(QUERIES[name], SCHEMAS)
