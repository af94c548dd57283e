"""A job that is built once and launched many times: a jar of Beam's, with our values.

    build:  pipeline without a run spec --job server--> JAR; JOB_ENTRY added
    launch: copy of JAR, run spec put into its pipeline options
            --flink run | spark-submit--> the cluster

`JarRunner` is a Beam runner: instead of submitting the pipeline that it is given, it
launches the built one, if both are the same graph. So a launch takes the way of every
other run: checks, plan, run directory, ledger, progress, receipts, account.
"""

import os
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.runners.runner import PipelineResult, PipelineRunner

from pipelines.emr.submission import run_on_eks
from pipelines.run_directory import RunDirectory
from pipelines.run_spec import RunSpec, RunSpecOptions
from pipelines.submitted_job import EndedJob, SubmittedJob
from transforms.dynamodb.errors import UserError

__all__ = [
    "JOB_ENTRY",
    "BuiltJob",
    "JarOptions",
    "JarRunner",
    "graph_of",
    "keep_job",
    "read_job",
    "submit_command",
    "with_run_spec",
]

JOB_ENTRY = "beam-dynamodb/job.json"
"""Where a jar keeps what it was built of."""

JOB_FORMAT = 1

_OPTIONS_ENTRY = "pipeline-options.json"
_RUN_SPEC_OPTION = "beam:option:run_spec:v1"
_SPARK_CLASS = "org.apache.beam.runners.spark.SparkPipelineRunner"
_LOG = "submit.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltJob:
    """What a jar was built of.

    Attributes:
        format: of this value, `JOB_FORMAT`.
        runner: ``flink`` or ``spark``.
        template: the template's text: the specification of the parameters.
        graph: the labels of the pipeline's steps, in order.
    """

    format: int
    runner: str
    template: str
    graph: list[str]


def graph_of(pipeline: beam.Pipeline) -> list[str]:
    """Returns what a pipeline's graph is made of: its steps' labels, in order."""
    labels: list[str] = []

    class _Labels(PipelineVisitor):
        def visit_transform(self, transform_node: AppliedPTransform) -> None:
            labels.append(transform_node.full_label)

    pipeline.visit(_Labels())
    return labels


def keep_job(jar: Path, job: BuiltJob) -> None:
    """Adds to a jar what it was built of."""
    with zipfile.ZipFile(jar, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(JOB_ENTRY, msgspec.json.encode(job))


def read_job(jar: Path) -> BuiltJob:
    """Returns what a jar was built of.

    Raises:
        UserError: no such file, or not one that ``template build`` made.
    """
    try:
        with zipfile.ZipFile(jar) as archive:
            said = msgspec.json.decode(archive.read(JOB_ENTRY))
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise UserError(
            f"{jar} is no job that 'beam-dynamodb template build' made: {error}"
        ) from error
    if said["format"] != JOB_FORMAT:
        raise UserError(
            f"{jar} is a job of format {said['format']}, and this version launches "
            f"{JOB_FORMAT}; use the beam-dynamodb that built it, or build it again"
        )
    return msgspec.convert(said, BuiltJob)


def with_run_spec(jar: Path, target: Path, run_spec: str) -> None:
    """Copies a jar and sets the run spec of the copy."""
    shutil.copyfile(jar, target)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for entry in list(archive.filelist):
            if not entry.filename.endswith(f"/{_OPTIONS_ENTRY}"):
                continue
            options = msgspec.json.decode(archive.read(entry))
            options[_RUN_SPEC_OPTION] = run_spec
            # Out of the directory, so that readers find the new one alone.
            archive.filelist.remove(entry)
            del archive.NameToInfo[entry.filename]
            archive.writestr(entry.filename, msgspec.json.encode(options))


def submit_command(runner: str, jar: Path, words: Iterable[str]) -> list[str]:
    """Returns the command line that submits a jar.

    Args:
        runner: ``flink`` or ``spark``.
        jar: the copy with a run spec.
        words: more options of ``flink run`` or ``spark-submit``.

    Raises:
        UserError: that program is not on this machine.
    """
    if runner == "flink":
        words = list(words)
        # A client that is ended cancels its job.
        ends = [] if {"-d", "--detached"} & set(words) else ["-sae"]
        return [_program("FLINK_HOME", "flink"), "run", *ends, *words, str(jar)]
    program = _program("SPARK_HOME", "spark-submit")
    return [program, *words, "--class", _SPARK_CLASS, str(jar)]


def _program(home: str, name: str) -> str:
    folder = os.environ.get(home)
    found = shutil.which(str(Path(folder, "bin", name)) if folder else name)
    if not found:
        where = f"in {folder}/bin ({home})" if folder else f"on PATH, and no {home}"
        raise UserError(f"there is no {name} {where}; install the cluster's client")
    return found


class JarOptions(PipelineOptions):
    """What a launch of a built job takes; set by ``template launch``."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument("--job_jar", help="A jar that template build made.")
        parser.add_argument(
            "--submit_words",
            default="[]",
            help="Options of flink run or spark-submit, a JSON list.",
        )
        parser.add_argument(
            "--eks_manifest", help="A job run of EMR on EKS, JSON; instead of them."
        )
        parser.add_argument("--eks_region", help="Where its virtual cluster is.")


class JarRunner(PipelineRunner):
    """Launches a built job instead of the pipeline that it is given."""

    def run_pipeline(
        self, pipeline: beam.Pipeline, options: PipelineOptions
    ) -> PipelineResult:
        """Submits the jar; a job of EMR on EKS has ended then.

        Raises:
            UserError: the pipeline is another graph than the jar's.
            JobStoppedError: the job of EMR on EKS failed.
        """
        said = options.view_as(JarOptions)
        jar = Path(said.job_jar)
        job = read_job(jar)
        check_graph(jar, job, graph_of(pipeline))
        run_spec: str = options.view_as(RunSpecOptions).run_spec.get()
        directory = _local_directory(RunSpec.parse(run_spec))
        launched = directory / "job.jar"
        with_run_spec(jar, launched, run_spec)
        words = msgspec.json.decode(said.submit_words, type=list[str])
        if not said.eks_manifest:
            command = submit_command(job.runner, launched, words)
            return SubmittedJob(command, directory / _LOG, launched)
        manifest = msgspec.json.decode(said.eks_manifest)
        try:
            run_on_eks(launched, manifest, region=said.eks_region)
        finally:
            launched.unlink(missing_ok=True)
        return EndedJob()


def _local_directory(spec: RunSpec) -> Path:
    """Where the run keeps what only this machine needs."""
    kept: str = spec.options.run_dir
    shared = "://" in kept
    return RunDirectory.of_run(spec.run.run_id).path if shared else Path(kept)


def check_graph(jar: Path, job: BuiltJob, graph: list[str]) -> None:
    """Refuses a launch that needs another graph.

    Raises:
        UserError: names the steps that differ.
    """
    if job.graph == graph:
        return
    differing = sorted(set(job.graph) ^ set(graph))
    raise UserError(
        f"these parameters change the graph of {jar} ({', '.join(differing[:3])}): the "
        "number of targets is part of it; build it again by 'template build'"
    )
