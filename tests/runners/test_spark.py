"""A Spark cluster runs our jobs, spreads them, and survives a lost worker."""

import os
import signal

import pytest

from tests.runners.scenarios import (
    ACCOUNT,
    Copy,
    account,
    assert_a_failed_copy_is_finished_by_resume,
    assert_one_jar_does_two_jobs,
    finish,
)

pytestmark = [pytest.mark.runner, pytest.mark.dynoxide, pytest.mark.timeout(600)]


@pytest.fixture
def copy(dynoxide, spark_cluster, tmp_path):
    prepared = Copy.prepare(dynoxide, spark_cluster, tmp_path)
    yield prepared
    prepared.close()


def test_one_scan_fills_two_regions_and_every_worker_reads(copy):
    code, printed = copy.run()
    assert code == 0, printed
    assert account(printed) == ACCOUNT
    assert copy.targets_are_right()
    by_worker = copy.scanned_by_worker()
    assert len(by_worker) == 2
    assert min(by_worker.values()) > 0
    assert sum(by_worker.values()) == 600


def test_a_job_survives_the_loss_of_an_executor(copy):
    process = copy.start(copy.words("--read-units", "5"))
    assert copy.begins()
    assert process.poll() is None
    os.kill(copy.cluster.executors()[0], signal.SIGKILL)
    code, printed = finish(process)
    assert code == 0, printed
    assert account(printed) == ACCOUNT
    assert copy.targets_are_right()


def test_a_worker_error_is_said_and_a_failed_copy_is_finished_by_resume(copy):
    assert_a_failed_copy_is_finished_by_resume(copy)


@pytest.mark.runner_full  # Flink's runs always; to build Spark's takes a minute
def test_a_job_is_built_once_and_launched_twice_then_as_a_step_of_emr(
    dynoxide, spark_cluster, tmp_path
):
    launches = (Copy.launch, Copy.launch_as_step)
    assert_one_jar_does_two_jobs(dynoxide, spark_cluster, tmp_path, launches)
