"""Beam's SqlTransform, which is Java, reads the rows of our scans and queries."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.sql import SqlTransform

from tests.support.clusters import Member, build_folder, java_environment
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true
from transforms import QueryItems, Rate, ReadFromDynamoDB, TableRef

pytestmark = [pytest.mark.runner, pytest.mark.dynoxide, pytest.mark.timeout(300)]

SCHEMA = "name VARCHAR, grams DECIMAL(10,2), wild BOOLEAN"


@pytest.fixture(scope="module")
def expansion_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Java's side, which runs its steps, too."""
    jars = build_folder() / "sql"
    command = ["java", f"-javaagent:{next(jars.glob('jamm-*.jar'))}", "-Xmx512m"]
    command += ["-cp", f"{jars}/*", "io.github.beamdynamodb.sql.SqlServices"]
    folder = tmp_path_factory.mktemp("sql")
    service = Member("sql", command, folder, java_environment())
    try:
        tries = (becomes_true(lambda: bool(address_in(service.log))) for _ in range(3))
        assert any(tries), service.log.read_text()
        yield address_in(service.log) or ""
    finally:
        service.stop()


def address_in(log: Path) -> str | None:
    found = re.search(r"expanded on (localhost:\d+)", log.read_text())
    return found and found[1]


@pytest.fixture
def birds(dynoxide) -> TableRef:
    name = make_table(dynoxide, "eu-west-1", unique_name(), "name")
    for number, bird in enumerate(["auk", "avocet", "bittern"]):
        item: dict[str, Any] = {"name": {"S": bird}, "wild": {"BOOL": bird < "b"}}
        if number:
            item["grams"] = {"N": f"{number}00.25"}
        dynoxide.dynamodb("eu-west-1").put_item(TableName=name, Item=item)
    return TableRef(name, "eu-west-1", dynoxide.endpoint_url("eu-west-1"))


def run(rows_of: Any, sql: str, address: str, expected: list[tuple[Any, ...]]) -> None:
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        found = (
            pipeline
            | rows_of
            | SqlTransform(sql, expansion_service=address)
            | beam.Map(tuple)
        )
        assert_that(found, equal_to(expected))


@pytest.mark.usefixtures("engine_credentials")
def test_the_rows_of_a_scan_are_grouped_by_javas_sql(birds, expansion_service):
    scan = ReadFromDynamoDB(birds, read=Rate.unlimited())
    sql = (
        "SELECT wild, COUNT(*) AS n, COUNT(grams) AS weighed, SUM(grams) AS total "
        "FROM PCOLLECTION GROUP BY wild"
    )
    expected = [
        (True, 2, 1, Decimal("100.25")),
        (False, 1, 1, Decimal("200.25")),
    ]
    run(scan.with_schema(SCHEMA), sql, expansion_service, expected)


@pytest.mark.usefixtures("engine_credentials")
def test_the_rows_of_a_query_are_filtered_by_javas_sql(birds, expansion_service):
    class Heavy(beam.PTransform[Any, Any]):
        def expand(self, pbegin: Any) -> Any:
            scan = pbegin | ReadFromDynamoDB(birds, read=Rate.unlimited())
            query = "SELECT upper(name) AS name, grams FROM birds"
            return {"birds": scan} | QueryItems(query, {"birds": SCHEMA})

    sql = "SELECT name FROM PCOLLECTION WHERE grams > 150"
    run(Heavy(), sql, expansion_service, [("BITTERN",)])
