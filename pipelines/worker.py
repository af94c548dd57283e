"""``beam-dynamodb-worker``: starts a Python worker, as the boot of Beam's images does.

    runner --id, --provision_endpoint--> here --GetProvisionInfo--> variables
    here --> Beam's own worker loop, in this process

A runner starts it where ``--environment_type=PROCESS`` names it, a worker pool where
``--container_executable`` does. Unlike Beam's boot program it needs no Go, and it
stages nothing: this package must be installed beside it. With ``--versions`` alone it
says which versions it would run, in JSON: `beam-dynamodb doctor` asks it.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import grpc  # type: ignore[import-untyped]
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import (  # type: ignore[import-untyped]
    json_format,
    text_format,
)

from pipelines.versions import versions_here

__all__ = ["VERSIONS_OPTION", "WORKER_COMMAND", "main", "worker_variables"]

WORKER_COMMAND = "beam-dynamodb-worker"
"""The console script; it stands beside the Python that it runs on."""

VERSIONS_OPTION = "--versions"
"""What makes it say its versions."""

_PROVISION_SECONDS = 60.0
_EXIT_NOT_STARTED = 3


def main(words: Sequence[str] | None = None) -> int:
    """Runs a worker until its runner lets it go.

    Args:
        words: the command line; this process's own by default.
    """
    said = list(sys.argv[1:] if words is None else words)
    if said == [VERSIONS_OPTION]:
        print(json.dumps(versions_here()))
        return 0
    given = _parse(said)
    info = _ask(given.provision_endpoint, given.id)
    os.environ.update(worker_variables(info, given.id))
    sdk_worker_main.main(sys.argv)
    return 0


def worker_variables(
    info: beam_provision_api_pb2.ProvisionInfo, worker_id: str
) -> dict[str, str]:
    """Returns the variables under which Beam's worker loop looks for its orders."""
    endpoints = {
        "CONTROL_API_SERVICE_DESCRIPTOR": info.control_endpoint,
        "LOGGING_API_SERVICE_DESCRIPTOR": info.logging_endpoint,
        "STATUS_API_SERVICE_DESCRIPTOR": info.status_endpoint,
    }
    variables = {
        name: _as_text(endpoint) for name, endpoint in endpoints.items() if endpoint.url
    }
    return variables | {
        "WORKER_ID": worker_id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def _as_text(endpoint: endpoints_pb2.ApiServiceDescriptor) -> str:
    text: str = text_format.MessageToString(endpoint)
    return text


class _Parser(argparse.ArgumentParser):
    """Says in one line what was wrong: it is read in the log of a task manager."""

    def error(self, message: str) -> NoReturn:
        _give_up(f"{message}; a Beam runner starts this program, people do not")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog=WORKER_COMMAND, allow_abbrev=False, description=__doc__)
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    # Said by runners too; the provision service says the same, and more.
    for name in ("artifact", "control", "logging", "status"):
        parser.add_argument(f"--{name}_endpoint", default="")
    return parser.parse_known_args(list(words))[0]


def _ask(endpoint: str, worker_id: str) -> beam_provision_api_pb2.ProvisionInfo:
    request = beam_provision_api_pb2.GetProvisionInfoRequest()
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        try:
            reply = service.GetProvisionInfo(
                request,
                metadata=[("worker_id", worker_id)],
                timeout=_PROVISION_SECONDS,
                wait_for_ready=True,
            )
        except grpc.RpcError as error:
            _give_up(f"the provision service at {endpoint} does not answer: {error}")
    info: beam_provision_api_pb2.ProvisionInfo = reply.info
    return info


def _give_up(text: str) -> NoReturn:
    print(f"{WORKER_COMMAND}: error: {text}", file=sys.stderr)
    sys.exit(_EXIT_NOT_STARTED)
