"""The clusters, each started once a pytest process."""

from collections.abc import Iterator

import pytest

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
