"""What a launch on EMR is made of, as text: the same input gives the same bytes.

A step runs on the cluster's primary node. It fetches the job from S3 and launches it
there by our own command, with all checks, the ledger and the account of a copy:

    step -> aws s3 cp JOB -> template launch JAR … -> flink run | spark-submit -> YARN

A template that was not built is built there first. On EKS there is no such node: the
jar goes there with its values in it.
"""

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.emr.placement import Placement
from pipelines.template_values import refuse_secrets
from transforms.dynamodb.errors import UserError

__all__ = [
    "BOOTSTRAP_NAME",
    "PREFIX",
    "LaunchedJob",
    "bootstrap_script",
    "eks_manifest",
    "step",
    "step_text",
]

PREFIX = "/opt/beam-dynamodb"
"""Where the environment is on every node, and in the image."""

BOOTSTRAP_NAME = "bootstrap.sh"

# API_AddJobFlowSteps: the strings of a step, together.
_MOST_CHARACTERS = 10_240
_SPARK_CLASS = "org.apache.beam.runners.spark.SparkPipelineRunner"

# $1 the job on S3, $2 the environment; then the words of the launch.
_LAUNCH_JAR = """\
set -eu
folder=$(mktemp -d)
aws s3 cp --only-show-errors "$1" "$folder/job.jar"
command=$2/bin/beam-dynamodb
shift 2
"$command" template launch "$folder/job.jar" "$@"
"""
# $3 how many words of --param follow, which the build gets too; $4 flags of Beam.
_BUILD_AND_LAUNCH = """\
set -eu
folder=$(mktemp -d)
aws s3 cp --only-show-errors "$1" "$folder/job.yaml"
command=$2/bin/beam-dynamodb
profile=$3
flags=$4
count=$5
shift 5
"$command" template build "$folder/job.yaml" --output "$folder/job.jar" \\
  --runner-profile "$profile" "${@:1:count}" -- $flags
"$command" template launch "$folder/job.jar" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedJob:
    """What is launched.

    Attributes:
        path: of the jar, or of the template.
        params: parameters by name, as given.
        words: options of the copy, before ``--``.
        submit_words: options of ``flink run`` or ``spark-submit``, after it.
        workers: how many Python processes.
    """

    path: Path
    params: dict[str, str]
    words: tuple[str, ...]
    submit_words: tuple[str, ...]
    workers: int

    @property
    def is_jar(self) -> bool:
        """Whether it was built."""
        return self.path.suffix == ".jar"

    def address(self, code: str) -> str:
        """Returns where on S3 it goes: named by its content, so nothing is replaced."""
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]
        return f"{code}/jobs/{self.path.stem}-{digest}{self.path.suffix}"


def bootstrap_script() -> str:
    """Returns the bootstrap action's script."""
    return Path(__file__).with_name(BOOTSTRAP_NAME).read_text(encoding="utf-8")


def step(place: Placement, job: LaunchedJob, prefix: str = PREFIX) -> dict[str, Any]:
    """Returns a step, as ``aws emr add-steps`` reads it.

    Args:
        place: where it goes.
        job: what is launched.
        prefix: where the environment is on the primary node.

    Raises:
        UserError: it is longer than EMR allows, or would hold credentials.
    """
    params = [f"--param={name}={value}" for name, value in job.params.items()]
    launch = [*params, *job.words, "--", *_submit_words(place, job)]
    head = [job.address(place.code), prefix]
    script = _LAUNCH_JAR
    if not job.is_jar:
        script = _BUILD_AND_LAUNCH
        flags = f"--flink_version={place.flink_version}" if place.flink_version else ""
        head += [f"emr-{place.engine}", flags, str(len(params))]
    made = {
        "Type": "CUSTOM_JAR",
        "Name": f"beam-dynamodb {job.path.stem}",
        "ActionOnFailure": "CONTINUE",
        "Jar": "command-runner.jar",
        "Args": ["bash", "-c", script, "beam-dynamodb-step", *head, *launch],
    }
    length = sum(map(len, made["Args"]))
    if length > _MOST_CHARACTERS:
        raise UserError(
            f"the step has {length:,} characters, and EMR takes {_MOST_CHARACTERS:,}; "
            "put long values into the template"
        )
    return made


def step_text(place: Placement, job: LaunchedJob) -> str:
    """Returns a file for ``aws emr add-steps --steps file://…``."""
    return _text([step(place, job)], job)


def eks_manifest(place: Placement, job: LaunchedJob) -> str:
    """Returns a job run of EMR on EKS, as ``start-job-run --cli-input-json`` reads it.

    Its entry point is the jar as it was built. A submission puts the jar with the
    values of its run in that place's folder, and names that one instead.

    Raises:
        UserError: it would hold credentials.
    """
    conf = {
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.cores": "1",
        "spark.executor.instances": str(job.workers),
        "spark.kubernetes.container.image": place.image,
    }
    words = ["--class", _SPARK_CLASS]
    for name, value in conf.items():
        words += ["--conf", f"{name}={value}"]
    document = {
        "name": f"beam-dynamodb-{job.path.stem}",
        "virtualClusterId": place.cluster,
        "executionRoleArn": place.role,
        "releaseLabel": place.release,
        "jobDriver": {
            "sparkSubmitJobDriver": {
                "entryPoint": job.address(place.code),
                "sparkSubmitParameters": shlex.join([*words, *job.submit_words]),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": f"{place.code}/logs/"}
            }
        },
    }
    return _text(document, job)


def _submit_words(place: Placement, job: LaunchedJob) -> Sequence[str]:
    """What a cluster needs so that each worker is a process; the user's come last."""
    count = str(job.workers)
    if place.engine == "flink":
        ours = [
            *("-t", "yarn-per-job", "-p", count),
            # A task manager has one Python process, whatever its slots.
            "-Dtaskmanager.numberOfTaskSlots=1",
            "-Drestart-strategy.type=fixed-delay",
            "-Drestart-strategy.fixed-delay.attempts=3",
        ]
    else:
        ours = [
            *("--deploy-mode", "client"),
            *("--num-executors", count, "--executor-cores", "1"),
            *("--conf", "spark.dynamicAllocation.enabled=false"),
        ]
    return [*ours, *job.submit_words]


def _text(document: Any, job: LaunchedJob) -> str:
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    refuse_secrets(str(job.path), text)
    return text
