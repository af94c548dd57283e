"""The flags after ``--``: known ones pass, and no other."""

from collections.abc import Iterator
from concurrent import futures

import grpc  # type: ignore[import-untyped]
import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from pipelines.beam_flags import LOCAL_RUNNER, check_beam_flags, is_local
from transforms.dynamodb.errors import UserError

OURS = frozenset({"--dry-run"})


def check(*words: str) -> PipelineOptions:
    return check_beam_flags(words, OURS)


@pytest.mark.parametrize(
    "words",
    [[], ["--runner=DirectRunner"], ["--runner", "DirectRunner"], ["--runner=direct"]],
)
def test_the_local_runner_is_beams_in_process_one(words):
    options = check(*words)
    assert options.view_as(StandardOptions).runner == LOCAL_RUNNER
    assert is_local(options)


def test_another_runner_is_left_alone():
    options = check("--runner=FlinkRunner", "--parallelism", "4")
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    assert options.view_as(FlinkRunnerOptions).parallelism == 4
    assert not is_local(options)


def test_options_of_java_runners_pass():
    options = check("--runner=FlinkRunner", "--max_bundle_size=10", "--object_reuse")
    retained = options.get_all_options(retain_unknown_options=True)
    assert retained["max_bundle_size"] == "10"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--runer=FlinkRunner"], "--runer is no option .* did you mean --runner"),
        (["--paralelism", "4"], "did you mean --parallelism"),
        (["--max_bundle_sise=3"], "did you mean --max_bundle_size"),
        (["--zzzzzz"], "take it out"),
        (["--dry-run"], "--dry-run is an option of beam-dynamodb: say it before"),
        (["FlinkRunner"], "'FlinkRunner' stands alone"),
        (["--parallelism=four"], "invalid int value"),
    ],
)
def test_a_flag_that_nobody_knows_is_refused(words, message):
    with pytest.raises(UserError, match=message):
        check(*words)


class JobServer(beam_job_api_pb2_grpc.JobServiceServicer):
    """A job server that has one option of its own."""

    def DescribePipelineOptions(self, request, context):  # noqa: N802 - gRPC's name
        own = beam_job_api_pb2.PipelineOptionDescriptor(name="house_option")
        return beam_job_api_pb2.DescribePipelineOptionsResponse(options=[own])


@pytest.fixture
def job_server() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(JobServer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_running_job_server_is_asked_for_its_own_options(job_server):
    check("--runner=PortableRunner", f"--job_endpoint={job_server}", "--house_option=1")
    with pytest.raises(UserError, match="--house_option is no option"):
        check("--runner=PortableRunner", "--house_option=1")


def test_a_job_server_that_does_not_answer_is_named():
    with pytest.raises(
        UserError, match=r"the job server at 127\.0\.0\.1:1 does not answer"
    ):
        check("--runner=PortableRunner", "--job_endpoint=127.0.0.1:1")
