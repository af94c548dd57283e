"""Submissions by boto3: a step to a cluster, a job run to EMR on EKS."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoRegionError,
    ParamValidationError,
)

from pipelines.emr.artefacts import BOOTSTRAP_NAME, LaunchedJob, step
from pipelines.emr.placement import Placement
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["run_on_eks", "submit_step"]

_TAKES_STEPS = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
_APPLICATIONS = {"flink": "Flink", "spark": "Spark"}
_POLL_SECONDS = 10.0
_WRONG = (
    "InvalidRequestException",
    "NoSuchBucket",
    "NoSuchCluster",
    "ResourceNotFoundException",
    "ValidationException",
)


def submit_step(place: Placement, job: LaunchedJob) -> str:
    """Puts the job on S3 and adds the step; returns what to tell the user.

    Raises:
        UserError: there is no such cluster or bucket, or the cluster is another than
            the step is made for.
        JobStoppedError: AWS refused, or did not answer.
    """
    assert place.cluster is not None  # read_placement asks for it
    made = step(place, job)
    with _explained(f"cluster {place.cluster}"):
        emr = _client("emr", place.region)
        _check_cluster(emr, place)
        _upload(place.region, job.path, job.address(place.code))
        added = emr.add_job_flow_steps(
            JobFlowId=place.cluster,
            Steps=[
                {
                    "Name": made["Name"],
                    "ActionOnFailure": made["ActionOnFailure"],
                    "HadoopJarStep": {"Jar": made["Jar"], "Args": made["Args"]},
                }
            ],
        )
    (step_id,) = added["StepIds"]
    return (
        f"step {step_id} of cluster {place.cluster}; see aws emr describe-step "
        f"--cluster-id {place.cluster} --step-id {step_id}\n"
    )


def _check_cluster(emr: Any, place: Placement) -> None:
    cluster = emr.describe_cluster(ClusterId=place.cluster)["Cluster"]
    state = cluster["Status"]["State"]
    if state not in _TAKES_STEPS:
        raise UserError(f"cluster {place.cluster} is {state} and takes no steps")
    release = cluster.get("ReleaseLabel", "of none")
    if release != place.release:
        raise UserError(
            f"cluster {place.cluster} is of release {release}, not {place.release}; "
            "say --release as it is"
        )
    wanted = _APPLICATIONS[place.engine]
    there = {one["Name"].lower() for one in cluster.get("Applications", [])}
    if wanted.lower() not in there:
        raise UserError(
            f"cluster {place.cluster} has no {wanted}; make one with it "
            f"(--applications Name={wanted})"
        )
    actions = emr.list_bootstrap_actions(ClusterId=place.cluster)["BootstrapActions"]
    paths = [action.get("ScriptPath") or "" for action in actions]
    if f"{place.code}/{BOOTSTRAP_NAME}" not in paths:
        raise UserError(
            f"cluster {place.cluster} was made without the bootstrap action "
            f"{place.code}/{BOOTSTRAP_NAME}, so its nodes have no workers of ours; "
            "docs/emr.md says how to make one"
        )


def run_on_eks(
    jar: Path,
    manifest: Mapping[str, Any],
    *,
    region: str | None,
    started: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
) -> None:
    """Runs a jar, with its values in it, and waits for its end.

    Args:
        jar: what is put on S3, beside where the manifest says that it is.
        manifest: of `eks_manifest`.
        region: of the virtual cluster.
        started: is told the job run's id.
        clock: sleeps between two looks.

    Raises:
        UserError: there is no such virtual cluster.
        JobStoppedError: the job failed, or was cancelled; says why.
    """
    cluster = manifest["virtualClusterId"]
    driver = manifest["jobDriver"]["sparkSubmitJobDriver"]
    token = uuid.uuid4().hex
    where = f"{driver['entryPoint'].rpartition('/')[0]}/{token}.jar"
    with _explained(f"virtual cluster {cluster}"):
        emr = _client("emr-containers", region)
        emr.describe_virtual_cluster(id=cluster)
        _upload(region, jar, where)
        spark = {"sparkSubmitJobDriver": {**driver, "entryPoint": where}}
        run = emr.start_job_run(
            **{**manifest, "jobDriver": spark, "clientToken": token}
        )["id"]
        started(run)
        state, reason = _wait(emr, cluster, run, clock or SystemClock())
    if state != "COMPLETED":
        logs = manifest["configurationOverrides"]["monitoringConfiguration"]
        place = logs["s3MonitoringConfiguration"]["logUri"]
        raise JobStoppedError(
            f"job run {run} of virtual cluster {cluster} is {state}: {reason}; its "
            f"logs are in {place}"
        )


def _wait(emr: Any, cluster: str, run: str, clock: Clock) -> tuple[str, str]:
    while True:
        found = emr.describe_job_run(id=run, virtualClusterId=cluster)["jobRun"]
        if found["state"] in ("COMPLETED", "FAILED", "CANCELLED"):
            reason = (
                found.get("stateDetails") or found.get("failureReason") or "no word"
            )
            return found["state"], reason
        worker_loop().run(clock.sleep(_POLL_SECONDS))


def _upload(region: str | None, path: Path, where: str) -> None:
    place = urlsplit(where)
    s3 = _client("s3", region)
    s3.upload_file(str(path), place.netloc, place.path.lstrip("/"))


def _client(service: str, region: str | None) -> Any:
    session = boto3.session.Session(region_name=region)
    return cast("Any", session).client(service)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Says what went wrong in words of ours."""
    try:
        yield
    except NoRegionError as error:
        raise UserError("no region is set; say --region eu-west-1") from error
    except ParamValidationError as error:
        raise UserError(f"{what}: {error}") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        text = f"{what}: {error.response['Error'].get('Message', code)}"
        if code in _WRONG:
            raise UserError(text) from error
        raise JobStoppedError(text) from error
    except (BotoCoreError, boto3.exceptions.S3UploadFailedError) as error:
        raise JobStoppedError(f"{what}: {error}") from error
