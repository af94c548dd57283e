"""Built jobs: a copy of the jar gets the run's values, and another graph is refused."""

import json
import stat
import zipfile

import apache_beam as beam
import pytest

from pipelines.commands import run
from pipelines.job_jar import (
    JOB_ENTRY,
    BuiltJob,
    check_graph,
    graph_of,
    keep_job,
    read_job,
    submit_command,
    with_run_spec,
)
from pipelines.submitted_job import SubmittedJob
from tests.support.processes import becomes_true
from transforms.dynamodb.errors import JobStoppedError, UserError

OPTIONS = "BEAM-PIPELINE/a-job/pipeline-options.json"
TEMPLATE = """\
template: 1
pipeline: copy
parameters:
  target: {type: table, required: true, help: where to}
job:
  source: eu-west-1/orders
  to: [{to: "${target}"}]
"""


@pytest.fixture
def jar(tmp_path):
    path = tmp_path / "job.jar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/Class.class", b"code")
        archive.writestr(OPTIONS, json.dumps({"beam:option:run_spec:v1": None, "a": 1}))
    keep_job(
        path, BuiltJob(format=1, runner="flink", template=TEMPLATE, graph=["Scan"])
    )
    return path


def test_a_copy_of_the_jar_has_the_run_spec_and_all_else(jar, tmp_path):
    before = jar.read_bytes()
    launched = tmp_path / "launched.jar"
    with_run_spec(jar, launched, '{"format": 1}')
    with zipfile.ZipFile(launched) as archive:
        assert json.loads(archive.read(OPTIONS)) == {
            "beam:option:run_spec:v1": '{"format": 1}',
            "a": 1,
        }
        assert sorted(archive.namelist()) == sorted(
            ["a/Class.class", OPTIONS, JOB_ENTRY]
        )
        assert archive.testzip() is None
    assert jar.read_bytes() == before


def test_a_jar_knows_what_it_was_built_of(jar):
    assert read_job(jar).graph == ["Scan"]
    assert read_job(jar).template == TEMPLATE


def test_a_jar_of_somebody_else_is_refused(tmp_path):
    other = tmp_path / "other.jar"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a", b"")
    with pytest.raises(UserError, match="no job that 'beam-dynamodb template build'"):
        read_job(other)
    with pytest.raises(UserError, match=r"nowhere\.jar is no job"):
        read_job(tmp_path / "nowhere.jar")


def test_a_jar_of_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "newer.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(JOB_ENTRY, json.dumps({"format": 7}))
    with pytest.raises(UserError, match="a job of format 7"):
        read_job(path)


def test_parameters_that_change_the_graph_ask_for_a_new_build(jar):
    pipeline = beam.Pipeline()
    _ = pipeline | "Scan" >> beam.Create([1]) | "Route 2" >> beam.Map(str)
    graph = graph_of(pipeline)
    assert "Route 2" in graph
    with pytest.raises(UserError, match=r"change the graph of .*build it again"):
        check_graph(jar, read_job(jar), graph)
    check_graph(jar, read_job(jar), ["Scan"])


def test_the_client_of_the_cluster_is_found_or_missed(jar, tmp_path, monkeypatch):
    monkeypatch.setenv("FLINK_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"there is no flink in .*FLINK_HOME"):
        submit_command("flink", jar, [])
    program = tmp_path / "bin" / "flink"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(stat.S_IRWXU)
    command = submit_command("flink", jar, ["-p", "2"])
    assert command == [str(program), "run", "-sae", "-p", "2", str(jar)]


def client_of(tmp_path, *lines):
    """A job whose client does what the lines say, and the log of it."""
    jar, log = tmp_path / "launched.jar", tmp_path / "submit.log"
    jar.touch()
    return SubmittedJob(["/bin/sh", "-c", "\n".join(lines)], log, jar), log, jar


def test_a_job_that_is_cancelled_lets_its_client_cancel_it(tmp_path):
    job, log, jar = client_of(
        tmp_path,
        "trap 'echo cancelled the job; exit 143' TERM",
        "echo begun",
        "while :; do sleep 0.1; done",
    )
    assert becomes_true(lambda: "begun" in log.read_text())
    job.cancel()
    with pytest.raises(JobStoppedError, match="sh ended with 143: cancelled the job"):
        job.wait_until_finish()
    assert not jar.exists()


def test_a_job_that_fails_says_what_its_client_said(tmp_path):
    job, _, _ = client_of(tmp_path, "echo 'Caused by: AnError: why'; echo at x; exit 1")
    with pytest.raises(JobStoppedError, match=r"1: Caused by: AnError: why; .*submit"):
        job.wait_until_finish()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--param=target=us-east-1/orders"], "--ledger is missing"),
        (["--workers=2", "--param=target"], "write --param NAME=VALUE"),
    ],
)
def test_a_launch_that_could_not_end_well_is_refused(jar, words, message, capsys):
    assert run(["template", "launch", str(jar), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output=x.jar"], "--runner-profile is missing"),
        (["--output=x.jar", "--runner-profile=local"], "for Flink and Spark only"),
        (["--outpt=x.jar"], "takes --output and --runner-profile, not --outpt"),
        (
            [
                *("--output=x.jar", "--runner-profile=flink"),
                *("--", "--s3_secret_access_key=abc"),
            ],
            "the flags of Beam: it would hold AWS credentials; give the workers a role",
        ),
    ],
    ids=["no profile", "no cluster", "a wrong word", "a secret"],
)
def test_a_build_that_cannot_be_is_refused(words, message, capsys):
    assert run(["template", "build", "copy", *words]) == 2
    assert message in capsys.readouterr().err


def test_only_a_copy_is_built_once(capsys):
    words = ["--output=x.jar", "--runner-profile=flink"]
    assert run(["template", "build", "backup", *words]) == 2
    assert "cannot be built once" in capsys.readouterr().err
