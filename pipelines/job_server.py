"""The job server of Flink and of Spark, Beam's Java program that submits jobs; Prism.

Beam would start it itself, but only on the main thread, which here waits for signals;
and it would not keep what the program says, which is where a failed job says why.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import (
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer, FlinkRunner
from apache_beam.runners.portability.job_server import SubprocessJobServer
from apache_beam.runners.portability.prism_runner import PrismJobServer
from apache_beam.runners.portability.spark_runner import SparkJarJobServer
from apache_beam.utils.subprocess_server import pick_port

from transforms.dynamodb.errors import UserError

__all__ = [
    "JOB_SERVER_LOG",
    "java_properties",
    "needs_job_server",
    "running_job_server",
]

JOB_SERVER_LOG = "job-server.log"
"""In the run directory: what the job server says, and the errors of workers."""

# What Java 17 hides, and an embedded Flink looks at. Its own scripts say the same.
_OPENED = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.nio.ch",
)

_SERVERS: dict[str, type[Any]] = {
    "flinkrunner": FlinkJarJobServer,
    "sparkrunner": SparkJarJobServer,
    "prismrunner": PrismJobServer,  # both job server and runner
}


def java_properties() -> list[str]:
    """Returns what a Java 17 is told, so that Flink and Spark run on it."""
    return [f"--add-opens={name}=ALL-UNNAMED" for name in _OPENED]


def needs_job_server(options: PipelineOptions) -> bool:
    """True if the runner takes jobs from a job server, and none was named."""
    runner = (options.view_as(StandardOptions).runner or "").lower()
    return runner in _SERVERS and not options.view_as(PortableOptions).job_endpoint


@contextmanager
def running_job_server(options: PipelineOptions, log: Path) -> Iterator[None]:
    """Runs the job server of the options' runner, if it needs one, and names it there.

    Args:
        options: of a pipeline; gets ``--job_endpoint``.
        log: gets what the job server says.

    Raises:
        UserError: it cannot be started.
    """
    if not needs_job_server(options):
        yield
        return
    with _log_kept(log):
        server = _make(options)
        try:
            server.start()
        except Exception as error:
            raise UserError(
                f"the job server does not start: {error}; its log is {log}, and "
                "'beam-dynamodb doctor' says what it needs"
            ) from error
        try:
            port = options.view_as(JobServerOptions).job_port
            options.view_as(PortableOptions).job_endpoint = f"localhost:{port}"
            yield
        finally:
            server.stop()


def _make(options: PipelineOptions) -> SubprocessJobServer:
    properties = options.view_as(JobServerOptions)
    properties.job_port = properties.job_port or pick_port(None)[0]
    properties.job_server_jvm_properties = [
        *java_properties(),
        *(properties.job_server_jvm_properties or ()),
    ]
    runner = (options.view_as(StandardOptions).runner or "").lower()
    if runner == "flinkrunner":
        FlinkRunner().default_job_server(options)  # spells --flink_master out
    server: SubprocessJobServer = _SERVERS[runner](options)
    return server


@contextmanager
def _log_kept(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    loggers = [logging.getLogger(server.__name__) for server in _SERVERS.values()]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
