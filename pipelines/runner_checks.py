"""What a runner needs, looked at before a job is submitted to it.

    Beam's options --examine--> findings: fine, wrong with a remedy, or not to be known
    refuse_wrong: the first that is wrong, as an error

`beam-dynamodb doctor` prints all findings; every pipeline refuses the wrong ones before
its run begins, when nothing was read yet.
"""

import re
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PrismRunnerOptions,
    SparkRunnerOptions,
)

from pipelines.cluster_checks import check_cluster, runner_name
from pipelines.findings import Finding, Verdict, fine, output_of, unknown, wrong
from pipelines.job_server import needs_job_server
from pipelines.worker_checks import check_workers
from transforms.dynamodb.errors import UserError

__all__ = ["examine", "refuse_wrong"]

_JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_JAVA_OLDEST, _JAVA_NEWEST = 11, 17
"""What Flink 1.19 and Spark 3.5 both run on, by their documentation."""

_DRIVERS = {
    "flink": "org/apache/beam/runners/flink/FlinkJobServerDriver.class",
    "spark": "org/apache/beam/runners/spark/SparkJobServerDriver.class",
}


def examine(options: PipelineOptions) -> list[Finding]:
    """Looks at everything that the runner of the options needs.

    Args:
        options: Beam's, with the flags of a profile.
    """
    return list(_examine(options))


def refuse_wrong(options: PipelineOptions) -> None:
    """Refuses a runner that could not run the job.

    Raises:
        UserError: says the first thing that is wrong, and its remedy.
    """
    for finding in _examine(options):
        if finding.verdict is Verdict.WRONG:
            raise UserError(
                f"{finding}. Nothing was submitted; 'beam-dynamodb doctor' checks all "
                "that a runner needs"
            )


def _examine(options: PipelineOptions) -> Iterator[Finding]:
    runner = runner_name(options)
    if needs_job_server(options):  # else it runs already, and has answered
        look = _prism(options) if runner == "prism" else _java_parts(runner, options)
        yield from look
    yield from check_workers(options)


def _java_parts(runner: str, options: PipelineOptions) -> Iterator[Finding]:
    yield _java(options)
    yield from _job_server(runner, options)
    yield from _ports(options)
    yield check_cluster(options)


def _java(options: PipelineOptions) -> Finding:
    launcher = options.view_as(JobServerOptions).job_server_java_launcher
    remedy = "install a Java 17, or name one by --job_server_java_launcher=PATH"
    try:
        said = output_of([launcher, "-version"])
    except (OSError, subprocess.SubprocessError) as error:
        return wrong("Java", f"{launcher} does not start ({error})", remedy)
    found = _JAVA_VERSION.search(said)
    if found is None:
        return wrong("Java", f"{launcher} is no Java", remedy)
    number = int(found[1])
    if number < _JAVA_OLDEST:
        return wrong("Java", f"{launcher} is a Java {number}", remedy)
    if number > _JAVA_NEWEST:
        return unknown(
            "Java",
            f"{launcher} is a Java {number}; Flink and Spark want {_JAVA_NEWEST}",
        )
    return fine("Java", f"{launcher} is a Java {number}")


def _job_server(runner: str, options: PipelineOptions) -> Iterator[Finding]:
    subject = "job server"
    jar = _jar_of(runner, options)
    remedy = (
        f"'deploy/job-servers/build {runner}' makes one; it is then found by itself"
    )
    if not jar:
        yield unknown(
            subject,
            f"none here, so Beam downloads its own; where it cannot, {remedy}",
        )
    elif "://" in jar:
        yield unknown(subject, f"{jar}, which Beam downloads")
    elif not Path(jar).is_file():
        yield wrong(subject, f"there is no file {jar}", remedy)
    elif not _holds(Path(jar), _DRIVERS[runner]):
        yield wrong(subject, f"{jar} is no job server for {runner}", remedy)
    else:
        yield fine(subject, jar)


def _jar_of(runner: str, options: PipelineOptions) -> str:
    if runner == "flink":
        return options.view_as(FlinkRunnerOptions).flink_job_server_jar or ""
    return options.view_as(SparkRunnerOptions).spark_job_server_jar or ""


def _holds(jar: Path, name: str) -> bool:
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(jar) as archive:
        return name in archive.NameToInfo
    return False


def _ports(options: PipelineOptions) -> Iterator[Finding]:
    said = options.view_as(JobServerOptions)
    for name in ("job_port", "artifact_port", "expansion_port"):
        port = getattr(said, name)
        if not port:
            continue
        try:
            with socket.create_server(("localhost", port)):
                yield fine(f"--{name}", f"{port} is free")
        except OSError as error:
            remedy = "name another, or none: a free one is taken then"
            yield wrong(f"--{name}", f"{port} cannot be had ({error})", remedy)


def _prism(options: PipelineOptions) -> Iterator[Finding]:
    location = options.view_as(PrismRunnerOptions).prism_location
    remedy = ".ci/prism builds it with Go; it is then found by itself"
    if not location:
        found = f"none here, so Beam downloads its own; where it cannot, {remedy}"
        yield unknown("Prism", found)
    elif "://" in location:
        yield unknown("Prism", f"{location}, which Beam downloads")
    elif not Path(location).is_file():
        yield wrong("Prism", f"there is no file {location}", remedy)
    else:
        yield fine("Prism", location)
