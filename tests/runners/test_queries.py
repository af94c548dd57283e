"""A third of the sixty queries on real clusters: the rows of the CSV files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.query.conftest import flights  # noqa: F401 - a fixture
from tests.query.flight_queries import QUERIES
from tests.query.flights import same_rows
from tests.support.clusters import HOST, Cluster
from transforms.dynamodb.tables import TableRef
from transforms.query.stage_query import read_rows

pytestmark = [pytest.mark.runner, pytest.mark.dynoxide, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
JOB_SECONDS = 500
# What these join without an equality, or read inside an expression, must be small.
NOT_CUT = ("join without equality", "cross join", "in a query")
CUT = [name for name in QUERIES if name not in NOT_CUT]
THIRD = [*CUT[::3], CUT[-1]]


@pytest.mark.parametrize("name", ["flink", "spark"])
def test_a_third_of_the_queries_gives_the_rows_of_the_files(
    request,
    flights,  # noqa: F811 - the fixture imported above
    tmp_path,
    name,
):
    cluster: Cluster = request.getfixturevalue(f"{name}_cluster")
    spec = {
        "profile": cluster.name,
        "flags": [cluster.flag],
        "folder": str(tmp_path),
        "small": ["airlines"],
        "queries": [QUERIES[each] for each in THIRD],
        "tables": {
            each.name: [each.source.name, each.source.region, each.source.endpoint_url]
            for each in flights.tables
            if isinstance(each.source, TableRef)
        },
    }
    described = tmp_path / "spec.json"
    described.write_text(json.dumps(spec))
    done = subprocess.run(
        [sys.executable, "-m", "tests.runners.query_job", str(described)],
        cwd=ROOT,
        env={**os.environ, "SPARK_LOCAL_IP": HOST},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=JOB_SECONDS,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    wrong = [
        each
        for place, each in enumerate(THIRD)
        if not same_rows(
            rows_in(tmp_path / str(place)), flights.reference(QUERIES[each])
        )
    ]
    assert len(THIRD) * 3 >= len(QUERIES)
    assert wrong == []


def rows_in(folder: Path):
    return [
        row
        for batch in read_rows(str(folder))
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
