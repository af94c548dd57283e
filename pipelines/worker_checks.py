"""The Python workers of a job: which they are, and whether they are the launcher's."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from pipelines.beam_flags import is_local
from pipelines.cluster_checks import is_here
from pipelines.findings import Finding, fine, output_of, refusal, unknown, wrong
from pipelines.job_jar import JarOptions
from pipelines.job_server import needs_job_server
from pipelines.versions import difference, versions_here
from pipelines.worker import VERSIONS_OPTION, WORKER_COMMAND

__all__ = ["check_workers"]

_POOL_PORT = 50_000


def check_workers(options: PipelineOptions) -> Iterator[Finding]:
    """Looks at the workers, as far as they can be asked from here."""
    here = ", ".join(f"{name} {number}" for name, number in versions_here().items())
    yield fine("launcher", here)
    if is_local(options):
        yield fine("workers", "processes of this Python")
        return
    if options.view_as(JarOptions).job_jar:
        yield unknown("workers", "those that the jar was built for")
        return
    portable = options.view_as(PortableOptions)
    kind = portable.environment_type or "DOCKER"
    look: Callable[[PipelineOptions], Finding] | None = {
        "PROCESS": _process_worker,
        "EXTERNAL": _worker_pool,
        "DOCKER": _container,
        "LOOPBACK": _loopback,
    }.get(kind)
    if look is not None:
        yield look(options)


def _loopback(options: PipelineOptions) -> Finding:
    del options
    return fine("workers", "threads of the launching process (LOOPBACK)")


def _process_worker(options: PipelineOptions) -> Finding:
    """Asks the worker program for its versions, if it is on this machine."""
    remedy = 'name it in --environment_config={"command": "PATH"}, by its whole path'
    config = options.view_as(PortableOptions).environment_config or ""
    try:
        command = str(json.loads(config)["command"])
    except (ValueError, KeyError, TypeError):
        return wrong("workers", f"--environment_config={config} has no command", remedy)
    program = shutil.which(command)
    if program is None:
        if _workers_are_here(options):
            install = f"install beam-dynamodb there, or {remedy}"
            return wrong("workers", f"there is no program {command}", install)
        found = f"{command} is not on this machine; the job asks it when it begins"
        return unknown("workers", found)
    return _versions_of(program)


def _versions_of(program: str) -> Finding:
    try:
        said = json.loads(output_of([program, VERSIONS_OPTION]).splitlines()[-1])
        differs = difference(dict(said), versions_here())
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError):
        if Path(program).name == WORKER_COMMAND:
            remedy = "install the launcher's beam-dynamodb beside it"
            return wrong("workers", f"{program} does not say its versions", remedy)
        found = f"{program}, which does not say its versions; the job asks it"
        return unknown("workers", found)
    if differs:
        found, _, remedy = differs.rpartition("; ")
        return wrong("workers", f"{program}: {found}", remedy)
    return fine("workers", f"{program} has the launcher's versions")


def _workers_are_here(options: PipelineOptions) -> bool:
    if needs_job_server(options):
        return is_here(options)
    return not options.view_as(PortableOptions).job_endpoint


def _worker_pool(options: PipelineOptions) -> Finding:
    place = options.view_as(PortableOptions).environment_config or ""
    place = place.partition("://")[2] or place
    if not place or not _workers_are_here(options):
        found = f"a pool at {place or 'no address'} of each node; the job asks it"
        return unknown("workers", found)
    refused = refusal(place, _POOL_PORT)
    if refused:
        remedy = (
            "start it: python -m apache_beam.runners.worker.worker_pool_main "
            f"--service_port=PORT --container_executable=PATH/{WORKER_COMMAND}"
        )
        return wrong("workers", f"no pool answers at {place} ({refused})", remedy)
    return fine("workers", f"a pool answers at {place}; the job asks its versions")


def _container(options: PipelineOptions) -> Finding:
    image = options.view_as(PortableOptions).environment_config
    image = image or "Beam's own image, which lacks beam-dynamodb"
    if _workers_are_here(options) and shutil.which("docker") is None:
        remedy = (
            "install docker, or say --environment_type=PROCESS with a worker program"
        )
        return wrong("workers", f"there is no docker to run {image}", remedy)
    found = f"containers of {image}, whose versions the job asks"
    return unknown("workers", found)
