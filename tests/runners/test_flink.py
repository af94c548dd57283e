"""A Flink cluster runs our jobs, spreads them, and survives a lost worker."""

import signal

import pytest

from tests.runners.scenarios import (
    ACCOUNT,
    Copy,
    account,
    assert_a_failed_copy_is_finished_by_resume,
    assert_one_jar_does_two_jobs,
    finish,
    submit,
)
from tests.support.processes import becomes_true

pytestmark = [pytest.mark.runner, pytest.mark.dynoxide, pytest.mark.timeout(600)]


@pytest.fixture
def copy(dynoxide, flink_cluster, tmp_path):
    prepared = Copy.prepare(dynoxide, flink_cluster, tmp_path)
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


def test_the_doctor_finds_the_cluster_and_its_workers_well(copy):
    words = ["doctor", "--runner-profile", "flink", "--workers", "2", "--run-job"]
    code, printed = finish(copy.start([*words, "--", copy.cluster.flag]))
    assert code == 0, printed
    assert "is Flink 1.19.1 with 2 task managers, 2 slots" in printed
    assert "its workers have the launcher's versions" in printed


def test_a_job_survives_the_loss_of_a_task_manager(copy):
    process = copy.start(copy.words("--read-units", "5"))
    assert copy.begins()
    assert process.poll() is None
    copy.cluster.workers[0].kill()
    copy.cluster.replace_workers()
    code, printed = finish(process)
    assert code == 0, printed
    assert account(printed) == ACCOUNT
    assert copy.targets_are_right()


def test_a_worker_error_is_said_and_a_failed_copy_is_finished_by_resume(copy):
    assert_a_failed_copy_is_finished_by_resume(copy)


def test_a_job_is_built_once_and_launched_twice(dynoxide, flink_cluster, tmp_path):
    jar = assert_one_jar_does_two_jobs(dynoxide, flink_cluster, tmp_path)
    code, printed = submit(flink_cluster, jar)
    assert code != 0
    assert "beam-dynamodb template launch" in printed
    copy = Copy.prepare(dynoxide, flink_cluster, tmp_path)
    process = copy.launch(jar, "n < 7", "--read-units", "5")
    assert copy.begins()
    assert flink_cluster.running_jobs() == 1
    process.send_signal(signal.SIGINT)
    code, printed = finish(process)
    copy.close()
    assert code == 3, printed
    assert becomes_true(lambda: flink_cluster.running_jobs() == 0)
