"""``template build`` and the launch of what it built."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import apache_beam as beam
import msgspec
from apache_beam.options.pipeline_options import PortableOptions

from pipelines import copy_tables
from pipelines.beam_flags import check_beam_flags
from pipelines.cluster_checks import check_master, runner_name
from pipelines.command_line import read_options
from pipelines.findings import Verdict
from pipelines.job import run_watched
from pipelines.job_jar import JOB_FORMAT, BuiltJob, graph_of, keep_job
from pipelines.job_server import JOB_SERVER_LOG, running_job_server
from pipelines.options import CopyOptions
from pipelines.run_spec import RunSpecOptions
from pipelines.runner_profiles import read_profile, with_local_parts
from pipelines.target_options import TargetOptions
from pipelines.template import Template
from pipelines.template_values import refuse_secrets
from transforms.dynamodb.errors import JobStoppedError, UserError

__all__ = ["build_jar", "jar_words", "refuse_master"]

# How flink run and spark-submit name the master.
_MASTER_OPTIONS = {"flink": ("-m", "--jobmanager"), "spark": ("--master",)}


def build_jar(
    template: Template,
    given: dict[str, str],
    *,
    profile: str,
    output: Path,
    beam_words: Sequence[str],
) -> BuiltJob:
    """Builds a job that can be launched many times.

    Args:
        template: of a copy.
        given: parameters that the graph needs; the others are told at launch.
        profile: ``flink``, ``spark``, or one of them in a file.
        output: the jar to write.
        beam_words: more flags of Beam.

    Raises:
        UserError: another pipeline or runner, or a flag or parameter that is wrong,
            or would put a secret into the jar.
        JobStoppedError: the jar could not be made.
    """
    if template.pipeline != "copy":
        raise UserError(
            f"{template.path}: a {template.pipeline} cannot be built once and launched "
            "many times; use template launch"
        )
    options = _options_of(template, given)
    words = [*read_profile(profile), *beam_words]
    refuse_secrets("the flags of Beam", "\n".join(words))
    words.append(f"--output_executable_path={output.absolute()}")
    beam_options = check_beam_flags(with_local_parts(words), frozenset())
    runner = runner_name(beam_options)
    if runner not in _MASTER_OPTIONS:
        raise UserError(
            f"--runner-profile {profile}: jobs are built for Flink and Spark only"
        )
    beam_options.view_as(PortableOptions).environment_type = (
        beam_options.view_as(PortableOptions).environment_type or "PROCESS"
    )
    pipeline = beam.Pipeline(options=beam_options)
    run_spec = pipeline.options.view_as(RunSpecOptions).run_spec
    copy_tables.build(pipeline, options, run_spec)
    log = output.absolute().with_suffix(f".{JOB_SERVER_LOG}")
    with running_job_server(pipeline.options, log):
        run_watched(pipeline, lambda: None)
    if not output.is_file():
        raise JobStoppedError(f"no jar was made; {log} says why")
    log.unlink()
    job = BuiltJob(
        format=JOB_FORMAT,
        runner=runner,
        template=Path(template.path).read_text(encoding="utf-8"),
        graph=graph_of(pipeline),
    )
    keep_job(output, job)
    return job


def jar_words(jar: Path, words: Sequence[str]) -> list[str]:
    """Returns the words for Beam that make a command launch a built job.

    Args:
        jar: what ``template build`` made.
        words: options of ``flink run`` or ``spark-submit``.
    """
    said = msgspec.json.encode(list(words)).decode()
    return [
        "--runner=pipelines.job_jar.JarRunner",
        f"--job_jar={jar.absolute()}",
        f"--submit_words={said}",
    ]


def refuse_master(job: BuiltJob, words: Sequence[str]) -> None:
    """Refuses a launch on a cluster whose master does not answer.

    Args:
        job: tells whether it is Flink or Spark.
        words: as `jar_words` has them; where none names a master, the client's own
            configuration does, and is not asked.

    Raises:
        UserError: it does not answer.
    """
    options = _MASTER_OPTIONS[job.runner]
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option not in options:
            continue
        master = value if equals else "".join(words[place + 1 : place + 2])
        finding = check_master(job.runner, master)
        if finding.verdict is Verdict.WRONG:
            raise UserError(f"{finding.subject}: {finding.found}; correct {option}")


def _options_of(template: Template, given: dict[str, str]) -> CopyOptions:
    with tempfile.TemporaryDirectory(prefix="beam-dynamodb-") as folder:
        job = Path(folder, "job.yaml")
        job.write_text(template.outline(given), encoding="utf-8")
        return read_options(["--job", str(job)], CopyOptions, TargetOptions)[0]
