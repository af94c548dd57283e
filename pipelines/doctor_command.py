"""``beam-dynamodb doctor``: what a runner needs, and what of it is missing."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions

from pipelines import conversions as convert
from pipelines.beam_flags import check_beam_flags, is_flink
from pipelines.command_line import read_options
from pipelines.findings import Finding, Verdict, fine, wrong
from pipelines.flags import flag, flags_of
from pipelines.help_text import draw_help
from pipelines.job import run_watched
from pipelines.job_server import JOB_SERVER_LOG, running_job_server
from pipelines.launch import ExitCode
from pipelines.runner_checks import examine
from pipelines.runner_profiles import read_profile, with_local_parts
from pipelines.versions import difference, versions_here
from transforms.dynamodb.errors import JobStoppedError, UserError

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb doctor [--runner-profile NAME] [--workers N] [--run-job]
           [-- BEAM FLAGS]

Looks at all that a runner needs: Java, the job server, its ports, the cluster's master
and its version, the worker program, and the versions of Python, Beam and beam-dynamodb
on both sides. Says what to do about what is missing. No table is touched.

Examples
  beam-dynamodb doctor --runner-profile flink -- --flink_master=jobmanager:8081
  beam-dynamodb doctor --runner-profile spark --workers 2 --run-job \\
      -- --spark_master_url=spark://master:7077
"""

_TAIL = """\
Each line is one finding: ok; ? for what can be known on the cluster alone, or by a
download; WRONG, with its remedy.

Exit codes
  0 nothing is wrong   1 something is   2 a profile or flag that nobody knows
"""

_WHAT = "What to look at"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """What ``beam-dynamodb doctor`` takes."""

    runner_profile: str = field(
        default="local",
        metadata=flag(
            _WHAT,
            "local (as without one), prism, flink, spark, or a file of Beam flags",
            metavar="NAME",
            convert=convert.text,
        ),
    )
    workers: int = field(
        default=1,
        metadata=flag(
            _WHAT,
            "worker processes that the job will have; 1 by default. On Flink each "
            "needs a slot",
            metavar="N",
            convert=convert.whole_number(1, 10_000, "workers"),
        ),
    )
    run_job: bool = field(
        default=False,
        metadata=flag(
            _WHAT,
            "also run a job of no tables, in which each worker compares its versions "
            "with those here",
            convert=convert.switch,
        ),
    )


def help_text() -> str:
    """Returns the help of ``beam-dynamodb doctor``."""
    return draw_help(_HEAD, _TAIL, DoctorOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Prints what it finds, in a line each.

    Raises:
        UserError: a profile or a flag that nobody knows.
    """
    options, beam_words = read_options(words, DoctorOptions)
    profile = [*read_profile(options.runner_profile), *beam_words]
    known = frozenset(one.option for one in flags_of(DoctorOptions).values())
    beam_options = check_beam_flags(with_local_parts(profile), known)
    flink = beam_options.view_as(FlinkRunnerOptions)
    if is_flink(beam_options) and flink.parallelism < 1:
        flink.parallelism = options.workers
    is_well = _tell(examine(beam_options))
    if is_well and options.run_job:
        is_well = _tell([_try_job(beam_options, options.workers)])
    return ExitCode.DONE if is_well else ExitCode.REJECTED


def _tell(findings: Sequence[Finding]) -> bool:
    for finding in findings:
        print(f"{finding.verdict.value:6}{finding}", flush=True)
    return all(finding.verdict is not Verdict.WRONG for finding in findings)


class _CompareVersions(beam.DoFn):
    """Fails on a worker that differs from the launcher."""

    def __init__(self, launcher: dict[str, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._launcher = launcher

    def process(self, element: int) -> Iterator[int]:
        differs = difference(versions_here(), self._launcher)
        if differs:
            raise UserError(differs)
        yield element


def _try_job(beam_options: PipelineOptions, workers: int) -> Finding:
    pipeline = beam.Pipeline(options=beam_options)
    _ = (
        pipeline
        | "Some elements" >> beam.Create(range(4 * workers))
        | "To all workers" >> beam.Reshuffle()
        | "Compare versions" >> beam.ParDo(_CompareVersions(versions_here()))
    )
    log = Path(tempfile.mkdtemp(prefix="beam-dynamodb-doctor-"), JOB_SERVER_LOG)
    try:
        with running_job_server(pipeline.options, log):
            run_watched(pipeline, lambda: None)
    except (JobStoppedError, UserError) as error:
        remedy = "see the logs of the cluster's workers"
        return wrong("a job", str(error), f"see {log}" if log.exists() else remedy)
    log.unlink(missing_ok=True)
    log.parent.rmdir()
    return fine("a job", "ran to its end, and its workers have the launcher's versions")
