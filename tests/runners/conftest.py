"""The clusters, each started once a pytest process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.demo.engines import Engine
from tests.runners.scenarios import Copy
from tests.support.clusters import FlinkCluster, SparkCluster


@pytest.fixture(scope="session")
def flink_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FlinkCluster]:
    """A job manager and two task managers."""
    with FlinkCluster(tmp_path_factory.mktemp("flink")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def spark_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SparkCluster]:
    """A master and two workers."""
    with SparkCluster(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster


# Flink shows it in every CI run, Spark in `make test-runners`: minutes.
@pytest.fixture(params=["flink", pytest.param("spark", marks=pytest.mark.runner_full)])
def copy_on_each(
    request: pytest.FixtureRequest, dynoxide: Engine, tmp_path: Path
) -> Iterator[Copy]:
    """What is to be copied, on the one cluster and then on the other."""
    cluster = request.getfixturevalue(f"{request.param}_cluster")
    prepared = Copy.prepare(dynoxide, cluster, tmp_path)
    yield prepared
    prepared.close()
