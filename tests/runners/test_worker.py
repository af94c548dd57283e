"""The boot program of workers: it asks its runner, and tells Beam's loop the answer."""

import os
import subprocess
import sys
from concurrent import futures

import grpc  # type: ignore[import-untyped]
import pytest
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker import sdk_worker_main

from pipelines import worker
from pipelines.runner_profiles import worker_command


def make_info() -> beam_provision_api_pb2.ProvisionInfo:
    info = beam_provision_api_pb2.ProvisionInfo(
        control_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:1"),
        logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:2"),
        runner_capabilities=["a:1", "b:1"],
    )
    info.pipeline_options.update({"beam:option:run_spec:v1": "{}"})
    return info


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    asked_by = ""
    endpoint = ""

    def GetProvisionInfo(self, request, context):  # noqa: N802 - Beam's name
        self.asked_by = dict(context.invocation_metadata())["worker_id"]
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=make_info())


@pytest.fixture
def provision():
    service = Provision()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(service, server)
    service.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield service
    server.stop(None).wait()


def test_a_worker_asks_for_its_orders_and_obeys(provision, monkeypatch):
    seen: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", seen)
    monkeypatch.setattr(sdk_worker_main, "main", lambda _words: None)
    words = ["--id=1-1", f"--provision_endpoint={provision.endpoint}", "--future=1"]
    assert worker.main(words) == 0
    assert provision.asked_by == seen["WORKER_ID"] == "1-1"
    assert seen["CONTROL_API_SERVICE_DESCRIPTOR"] == 'url: "localhost:1"\n'
    assert "STATUS_API_SERVICE_DESCRIPTOR" not in seen
    assert "run_spec" in seen["PIPELINE_OPTIONS"]
    assert seen["RUNNER_CAPABILITIES"] == "a:1 b:1"


def test_the_program_is_installed_beside_python_and_explains_itself():
    assert str(worker_command()).startswith(sys.prefix)
    done = subprocess.run(
        [worker_command()], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "--id" in done.stderr
    assert "people do not" in done.stderr
