"""Queries on one machine: the same rows as DuckDB gives on the CSV files."""

import pytest

from tests.query.flight_queries import QUERIES
from tests.query.flights import FlightTables, same_rows
from transforms.query.local import run_locally
from transforms.query.plan import QueryRequest, check_query
from transforms.query.reading import Reading
from transforms.query.statement import parse_query

pytestmark = pytest.mark.dynoxide


def plan_of(flights: FlightTables, sql: str, reading: Reading | None = None):
    request = QueryRequest(statement=parse_query(sql), tables=flights.tables)
    return check_query(request, reading or Reading())


def rows_of(flights: FlightTables, sql: str, **options):
    with run_locally(plan_of(flights, sql), Reading(), **options) as running:
        return [row for batch in running for row in rows_in(batch)]


def rows_in(batch):
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def test_there_are_sixty_queries():
    assert len(QUERIES) == 60


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES)
def test_a_query_gives_the_rows_that_duckdb_gives_on_the_files(flights, sql):
    expected = flights.reference(sql)
    assert same_rows(rows_of(flights, sql), expected)
