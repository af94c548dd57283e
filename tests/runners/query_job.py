"""A job of many queries, started as a process of its own: see test_queries.

python -m tests.runners.query_job SPEC.json     one scan a table, a folder a query
"""

import json
import sys
from pathlib import Path

import apache_beam as beam

from pipelines.launch import check_runner
from pipelines.query_options import QueryOptions
from tests.query.flights import SCHEMAS
from transforms.dynamodb.tables import TableRef
from transforms.query.query_items import QueryRows
from transforms.query.run_stages import StageOptions
from transforms.query.stage_query import WriteRows
from transforms.scan import ReadFromDynamoDB
from transforms.throttle.rate import Rate


def main(path: str) -> None:
    """Runs the job that a file describes, to its end."""
    spec = json.loads(Path(path).read_text())
    options = QueryOptions(sql="-", runner_profile=spec["profile"], workers=2)
    pipeline = beam.Pipeline(options=check_runner(options, spec["flags"], QueryOptions))
    tables = {
        name: pipeline
        | f"Scan {name}"
        >> ReadFromDynamoDB(TableRef(*place), read=Rate.unlimited(), splits=4)
        for name, place in spec["tables"].items()
    }
    stages = StageOptions(partitions=4, memory_mb=128)
    for place, sql in enumerate(spec["queries"]):
        query = QueryRows(sql, SCHEMAS, broadcast=spec["small"], options=stages)
        folder = str(Path(spec["folder"], str(place)))
        _ = tables | f"Query {place}" >> query | f"Result {place}" >> WriteRows(folder)
    pipeline.run().wait_until_finish()


if __name__ == "__main__":
    main(sys.argv[1])
