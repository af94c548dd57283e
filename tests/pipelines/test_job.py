"""A job is watched to its end, and stopped when somebody says so."""

import subprocess
import sys
import threading
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import job
from pipelines.beam_flags import LOCAL_RUNNER
from transforms.dynamodb.errors import JobStoppedError


def pipeline() -> beam.Pipeline:
    return beam.Pipeline(options=PipelineOptions([f"--runner={LOCAL_RUNNER}"]))


def test_a_job_that_ends_well_gives_its_result():
    made = pipeline()
    counter = beam.metrics.Metrics.counter("test", "seen")
    _ = made | beam.Create([1, 2, 3]) | beam.Map(lambda _: counter.inc())
    result = job.run_watched(made, lambda: None)
    (seen,) = result.metrics().query()["counters"]
    assert seen.committed == 3


def fail(_element: int) -> None:
    raise JobStoppedError("the table is gone; create it")


def test_a_job_that_fails_says_why_without_a_traceback():
    made = pipeline()
    _ = made | beam.Create([1]) | "Break" >> beam.Map(fail)
    with pytest.raises(JobStoppedError) as failed:
        job.run_watched(made, lambda: None)
    assert str(failed.value).startswith("the job failed: the table is gone; create it")
    assert "Traceback" not in str(failed.value)


def test_an_interrupt_ends_processes_that_the_job_started():
    made, begun, release = pipeline(), threading.Event(), threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def hold(_element: int) -> None:
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
        started.append(subprocess.Popen(sleeper))
        begun.set()
        release.wait(60)

    def interrupt() -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    hold_in_process[0] = hold
    _ = made | beam.Create([1]) | beam.Map(call_hold)
    bystander = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    )
    try:
        with pytest.raises(KeyboardInterrupt):
            job.run_watched(made, interrupt)
        assert started[0].wait(10) != 0
        assert bystander.poll() is None
    finally:
        release.set()
        bystander.communicate(b"\n")


hold_in_process: list[Any] = [None]


def call_hold(element: int) -> None:
    """Reaches the test's own closure: the local runner shares this process."""
    hold_in_process[0](element)
