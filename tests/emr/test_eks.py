"""Launches on EMR on EKS: a pure manifest, and job runs that moto takes."""

import io
import json
import shlex
import threading
import time
import zipfile
from typing import Any

import apache_beam as beam
import pytest

from pipelines import copy_tables, template_jars
from pipelines.commands import run
from pipelines.emr import submission
from pipelines.job_jar import BuiltJob, graph_of, keep_job
from pipelines.run_spec import RunSpecOptions
from pipelines.template import read_template
from tests.support.emr import CODE, COPY, PARAMS, REGION, TEMPLATE, launched, refused
from tests.support.engines import make_table, unique_name
from tests.support.objects import make_bucket, object_store
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.throttle.clock import HeldClock

ROLE = "arn:aws:iam::123456789012:role/job"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARY0002",
    "AWS_SECRET_ACCESS_KEY": "canary/of/the/secret",
    "AWS_SESSION_TOKEN": "canary-of-the-token",
}
OPTIONS = "BEAM-PIPELINE/a-job/pipeline-options.json"


def place(code: str, cluster: str) -> list[str]:
    return [
        *("--on", "emr-on-eks", "--release", "emr-7.8.0-latest", "--code", code),
        *("--cluster", cluster, "--image", "ours:1", "--role", ROLE),
        *("--region", REGION),
    ]


@pytest.fixture
def jar(template, tmp_path):
    """A jar without Beam's classes, of the graph that the template's copy has."""
    path = tmp_path / "copy.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(OPTIONS, json.dumps({"beam:option:run_spec:v1": None}))
    pipeline = beam.Pipeline()
    options = template_jars._options_of(read_template(template), {})
    run_spec = pipeline.options.view_as(RunSpecOptions).run_spec
    copy_tables.build(pipeline, options, run_spec)
    graph = graph_of(pipeline)
    keep_job(path, BuiltJob(format=1, runner="spark", template=TEMPLATE, graph=graph))
    return path


def test_the_same_launch_gives_the_same_bytes_of_a_manifest(jar, capsys):
    words = (str(jar), *place(CODE, "123abc"), *PARAMS, *COPY, "--", "--conf", "a=b c")
    text = launched(capsys, *words)
    assert text == launched(capsys, *words)
    manifest = json.loads(text)
    assert manifest["virtualClusterId"] == "123abc"
    driver = manifest["jobDriver"]["sparkSubmitJobDriver"]
    assert driver["entryPoint"].startswith(f"{CODE}/jobs/copy-")
    said = shlex.split(driver["sparkSubmitParameters"])
    assert said[-2:] == ["--conf", "a=b c"]
    assert "spark.executor.instances=2" in said
    assert "spark.kubernetes.container.image=ours:1" in said


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("--release", "emr-7.8.0", "no release label of EMR on EKS"),
        ("--cluster", "j-ABC", "not of the form"),
        ("--role", "job", "not of the form arn:aws:iam"),
        ("--image", None, "--image is missing"),
        ("--role", None, "--role is missing"),
        ("--cluster", None, "--cluster is missing"),
    ],
)
def test_a_wrong_word_is_refused(jar, capsys, name, value, message):
    words = place(CODE, "123abc")
    at = words.index(name)
    words[at : at + 2] = [name, value] if value else []
    assert message in refused(capsys, str(jar), *words, *PARAMS, *COPY)


def manifest_for(code: str, cluster: str) -> dict[str, Any]:
    driver = {"entryPoint": f"{code}/jobs/copy-1.jar", "sparkSubmitParameters": "-v"}
    logs = {"s3MonitoringConfiguration": {"logUri": f"{code}/logs/"}}
    return {
        "name": "beam-dynamodb-copy",
        "virtualClusterId": cluster,
        "executionRoleArn": ROLE,
        "releaseLabel": "emr-7.8.0-latest",
        "jobDriver": {"sparkSubmitJobDriver": driver},
        "configurationOverrides": {"monitoringConfiguration": logs},
    }


def make_cluster(aws: Any) -> str:
    name = unique_name("ours").replace(".", "-")
    made: str = aws("emr-containers").create_virtual_cluster(
        name=name,
        containerProvider={
            "type": "EKS",
            "id": name,
            "info": {"eksInfo": {"namespace": name}},
        },
    )["id"]
    return made


class Ending:
    """A client of EMR on EKS whose job runs end, as none of moto's does by itself."""

    def __init__(self, inner: Any, *states: str) -> None:
        self._inner, self._states = inner, list(states)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def describe_job_run(self, **words: Any) -> Any:
        found = self._inner.describe_job_run(**words)["jobRun"]
        return {"jobRun": found | {"state": self._states.pop(0), "stateDetails": "x"}}


def sent_jar(moto: Any, aws: Any, cluster: str) -> bytes:
    """What the one job run of a cluster has as its entry point."""
    runs = aws("emr-containers").list_job_runs(virtualClusterId=cluster)["jobRuns"]
    (driver,) = [job["jobDriver"]["sparkSubmitJobDriver"] for job in runs]
    bucket, _, key = driver["entryPoint"].removeprefix("s3://").partition("/")
    stored: bytes = object_store(moto).get_object(Bucket=bucket, Key=key)["Body"].read()
    return stored


@pytest.mark.emulator
class TestSubmission:
    @pytest.fixture(autouse=True)
    def _settle(self, moto, monkeypatch):
        self.moto, self.code = moto, f"s3://{make_bucket(moto)}/code"
        self.patch = monkeypatch

    @pytest.mark.parametrize("last", ["COMPLETED", "FAILED"])
    def test_a_job_run_is_waited_for(self, aws, tmp_path, last):
        cluster = make_cluster(aws)
        jar = tmp_path / "job.jar"
        jar.write_bytes(b"with its values")
        made = submission._client

        def client(service: str, region: str | None) -> Any:
            found = made(service, region)
            states = ("PENDING", "RUNNING", last)
            return Ending(found, *states) if service == "emr-containers" else found

        self.patch.setattr(submission, "_client", client)
        clock = HeldClock(auto_advance=True)
        said = manifest_for(self.code, cluster)
        if last == "COMPLETED":
            submission.run_on_eks(jar, said, region=REGION, clock=clock)
            assert clock.monotonic() >= 20
        else:
            with pytest.raises(JobStoppedError, match="is FAILED: x; its logs are in"):
                submission.run_on_eks(jar, said, region=REGION, clock=clock)
        assert sent_jar(self.moto, aws, cluster) == b"with its values"

    @pytest.mark.usefixtures("aws")
    def test_an_unknown_virtual_cluster_is_named(self, tmp_path):
        said = manifest_for(self.code, "nonesuch")
        with pytest.raises(UserError, match="virtual cluster nonesuch"):
            submission.run_on_eks(tmp_path / "job.jar", said, region=REGION)

    def test_a_launch_makes_its_checks_and_sends_the_jar_with_its_values(
        self, aws, jar, capsys
    ):
        self.patch.setattr(submission, "_POLL_SECONDS", 0.1)
        for name, value in CREDENTIALS.items():
            self.patch.setenv(name, value)
        self.patch.setenv("PATH", "/there/is/no/docker")  # the image is EKS's matter
        cluster = make_cluster(aws)
        tables = {
            name: f"{region}/{make_table(self.moto, region, unique_name(), 'id')}"
            for name, region in (("source", REGION), ("target", "us-east-1"))
        }
        words = [
            *("template", "launch", str(jar), *place(self.code, cluster), "--submit"),
            *(f"--param={name}={table}" for name, table in tables.items()),
            *("--workers", "2", "--ledger", f"dynamodb:{REGION}/runs"),
            *("--run-dir", f"{self.code}/runs", "--yes"),
        ]
        cancelling = threading.Thread(target=cancel, args=(aws, cluster), daemon=True)
        cancelling.start()
        assert run(words) == 3
        cancelling.join(timeout=60)
        assert f"of virtual cluster {cluster} is CANCELLED" in capsys.readouterr().err
        with zipfile.ZipFile(io.BytesIO(sent_jar(self.moto, aws, cluster))) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        options = json.loads(entries[OPTIONS])
        everything = b"".join(entries.values()).decode()
        assert not [one for one in CREDENTIALS.values() if one in everything]
        spec = json.loads(options["beam:option:run_spec:v1"])
        assert spec["options"]["source"] == tables["source"]
        assert spec["options"]["run_dir"].startswith(f"{self.code}/runs")


def cancel(aws: Any, cluster: str) -> None:
    """Cancels the first job run of a cluster, once there is one."""
    client = aws("emr-containers")
    for _ in range(600):
        for job in client.list_job_runs(virtualClusterId=cluster)["jobRuns"]:
            client.cancel_job_run(id=job["id"], virtualClusterId=cluster)
            return
        time.sleep(0.1)  # noqa: TID251 - moto's server runs in real time
