"""The cluster that a job is to run on: which it is, and whether its master answers."""

import http.client
import json
import re
import urllib.request
import zipfile
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    SparkRunnerOptions,
    StandardOptions,
)

from pipelines.findings import (
    ANSWER_SECONDS,
    Finding,
    fine,
    refusal,
    unknown,
    why,
    wrong,
)

__all__ = ["check_cluster", "check_master", "is_embedded", "is_here", "runner_name"]

_SPARK_LOCAL = re.compile(r"local(\[.+\])?")
_SPARK_PORT = 7077
_FLINK_IN_JAR = re.compile(r"META-INF/maven/.*/beam-runners-flink-(\d+\.\d+)/.*")
_HERE = frozenset({"localhost", "127.0.0.1", "::1", ""})


def runner_name(options: PipelineOptions) -> str:
    """Returns the runner's short name, as ``flink``."""
    said = options.view_as(StandardOptions).runner or ""
    return said.lower().removesuffix("runner")


def is_embedded(options: PipelineOptions) -> bool:
    """True if Flink or Spark runs inside the job server, with no cluster."""
    if runner_name(options) == "spark":
        master = options.view_as(SparkRunnerOptions).spark_master_url
        return _SPARK_LOCAL.fullmatch(master) is not None
    return options.view_as(FlinkRunnerOptions).flink_master in ("[local]", "[auto]")


def is_here(options: PipelineOptions) -> bool:
    """True if the master of Flink or Spark is on this machine."""
    if is_embedded(options):
        return True
    first = _master_of(options).split(",")[0]
    place = first.partition("://")[2] or first
    with suppress(ValueError):
        return (urlsplit(f"//{place}").hostname or "") in _HERE
    return False


def check_cluster(options: PipelineOptions) -> Finding:
    """Asks the options' master whether it is there, and is of the right version."""
    runner = runner_name(options)
    if is_embedded(options):
        return fine("master", f"{runner} runs embedded in the job server")
    if runner == "flink":
        said = options.view_as(FlinkRunnerOptions)
        version = _flink_of_jar(said.flink_job_server_jar or "") or said.flink_version
        return _check_flink(_master_of(options), version, max(1, said.parallelism))
    return _check_spark(_master_of(options))


def check_master(runner: str, master: str) -> Finding:
    """Asks the master of a cluster whether it is there.

    Args:
        runner: ``flink`` or ``spark``.
        master: as ``--flink_master`` or ``--spark_master_url`` has it.
    """
    return _check_flink(master) if runner == "flink" else _check_spark(master)


def _master_of(options: PipelineOptions) -> str:
    if runner_name(options) == "spark":
        spark: str = options.view_as(SparkRunnerOptions).spark_master_url
        return spark
    flink: str = options.view_as(FlinkRunnerOptions).flink_master
    return flink


def _flink_of_jar(jar: str) -> str:
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if found := _FLINK_IN_JAR.fullmatch(name):
                return found[1]
    return ""


def _check_flink(master: str, wanted: str = "", slots_wanted: int = 1) -> Finding:
    address = master if "://" in master else f"http://{master}"
    remedy = (
        "start the job manager, or correct --flink_master=HOST:PORT (its REST port, "
        "8081 if none was configured)"
    )
    try:
        version = str(_get(f"{address}/config")["flink-version"])
        overview = _get(f"{address}/overview")
        managers, slots = (
            int(overview[key]) for key in ("taskmanagers", "slots-total")
        )
    except OSError as error:
        return wrong("master", f"{master} does not answer ({why(error)})", remedy)
    except (ValueError, KeyError, TypeError, http.client.HTTPException):
        return wrong("master", f"{master} is no job manager of Flink", remedy)
    found = f"{master} is Flink {version} with {managers} task managers, {slots} slots"
    if wanted and not f"{version}.".startswith(f"{wanted}."):
        return wrong(
            "master",
            f"{found}, and the job server is for Flink {wanted}",
            "use a job server of the cluster's minor version, and say --flink_version",
        )
    if slots < slots_wanted:  # a session on YARN or Kubernetes gets them on demand
        found += f", and {slots_wanted} are wanted: start task managers, or say "
        found += "fewer --workers, unless it starts them on demand"
        return unknown("master", found)
    return fine("master", found)


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as reply:  # noqa: S310
        found: dict[str, Any] = json.load(reply)
    return found


def _check_spark(master: str) -> Finding:
    remedy = "start the master, or correct --spark_master_url=spark://HOST:PORT"
    if not master.startswith("spark://"):
        return unknown("master", f"{master}, which cannot be asked")
    refused = ""
    for place in master.removeprefix("spark://").split(","):
        refused = refusal(place, _SPARK_PORT)
        if not refused:
            return fine("master", f"spark://{place} takes connections")
    return wrong("master", f"{master} does not answer ({refused})", remedy)
