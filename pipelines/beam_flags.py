"""The flags after ``--``: every one is known to Beam or to a runner, or refused.

Beam itself only warns about a flag that it does not know, and then runs without it.
A job that writes to production tables must not start that way.
"""

import argparse
from collections.abc import Sequence
from functools import cache
from typing import NoReturn

import grpc  # type: ignore[import-untyped]
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    StandardOptions,
    _BeamArgumentParser,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from pipelines.flags import did_you_mean
from pipelines.runner_options import RUNNER_OPTIONS
from transforms.dynamodb.errors import UserError

__all__ = ["LOCAL_RUNNER", "beam_options", "check_beam_flags", "is_flink", "is_local"]

LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_LOCAL_NAMES = frozenset(
    {"", LOCAL_RUNNER.lower(), "fnapirunner", "directrunner", "direct"}
)
_JOB_SERVER_TIMEOUT_SECONDS = 10.0


class _Parser(_BeamArgumentParser):
    """Beam's own parser, which raises instead of printing usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"after --: {message}")


@cache
def _beam_parser() -> _Parser:
    """Every option of every PipelineOptions class that is loaded."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for options in {str(one): one for one in PipelineOptions.__subclasses__()}.values():
        options._add_argparse_args(parser)  # noqa: SLF001 - as PipelineOptions does
    return parser


@cache
def beam_options() -> frozenset[str]:
    """Returns the options that Beam's Python SDK and Java job servers take."""
    actions = _beam_parser()._actions  # noqa: SLF001 - argparse has no other way
    sdk = frozenset(option for action in actions for option in action.option_strings)
    return sdk | {f"--{name}" for name in RUNNER_OPTIONS}


def check_beam_flags(words: Sequence[str], ours: frozenset[str]) -> PipelineOptions:
    """Returns Beam's options for the words after ``--``.

    Args:
        words: the words, as ``--runner=FlinkRunner`` or ``--runner FlinkRunner``.
        ours: the options that belong before ``--``, for a better error.

    Raises:
        UserError: a word that is no option, an option nobody knows, a bad value, or
            a job server that was named and does not answer.
    """
    known = beam_options()
    values, _ = _beam_parser().parse_known_args(list(words))
    if endpoint := _running_job_server(values):
        known |= _job_server_options(endpoint)
    takes_value = False
    for word in words:
        option = word.split("=", 1)[0]
        if word.startswith("--") and option not in known:
            raise UserError(_explain(option, known, ours))
        if not word.startswith("--") and not takes_value:
            raise UserError(f"after --: {word!r} stands alone; give Beam's flags only")
        takes_value = word.startswith("--") and "=" not in word
    return PipelineOptions(_name_runner(list(words)))


def is_local(options: PipelineOptions) -> bool:
    """True if the job runs in this process and its children."""
    return (options.view_as(StandardOptions).runner or "").lower() in _LOCAL_NAMES


def is_flink(options: PipelineOptions) -> bool:
    """True if the job runs on Flink, whose parallelism is said apart."""
    return (options.view_as(StandardOptions).runner or "").lower() == "flinkrunner"


def _name_runner(words: list[str]) -> list[str]:
    """Names Beam's in-process runner, where DirectRunner would download another."""
    if is_local(PipelineOptions(words)):
        return [*words, f"--runner={LOCAL_RUNNER}"]
    return words


def _explain(option: str, known: frozenset[str], ours: frozenset[str]) -> str:
    if option in ours:
        return f"{option} is an option of beam-dynamodb: say it before the --"
    near = did_you_mean(option, known)
    remedy = near or "; take it out, or name the job server that takes it"
    return f"after --: {option} is no option of Beam or of a runner it knows{remedy}"


def _running_job_server(values: argparse.Namespace) -> str | None:
    endpoint: str | None = values.job_endpoint
    return endpoint if endpoint and endpoint != "embed" else None


def _job_server_options(endpoint: str) -> frozenset[str]:
    request = beam_job_api_pb2.DescribePipelineOptionsRequest()
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        try:
            reply = service.DescribePipelineOptions(
                request, timeout=_JOB_SERVER_TIMEOUT_SECONDS
            )
        except grpc.RpcError as error:
            raise UserError(
                f"after --: the job server at {endpoint} does not answer; start it, "
                "or correct --job_endpoint"
            ) from error
    return frozenset(f"--{option.name}" for option in reply.options)
