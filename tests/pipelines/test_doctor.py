"""The doctor: what is wrong is named with its remedy; a copy refuses the same."""

import json
import socket
import stat
import sys
import zipfile
from contextlib import closing
from dataclasses import dataclass

import pytest

from pipelines.commands import run
from pipelines.versions import versions_here
from tests.support.engines import make_table, unique_name
from tests.support.http_server import QuietHandler, serving

DRIVER = "org/apache/beam/runners/flink/FlinkJobServerDriver.class"
VERSION = "META-INF/maven/org.apache.beam/beam-runners-flink-1.19/pom.xml"
JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"


def program(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(stat.S_IRWXU)
    return path


def worker_of(path, **versions):
    said = json.dumps(versions_here() | versions)
    return program(path, f"echo '{said}'")


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A Java, a job server and a worker program with which nothing is wrong."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    jar = tmp_path / "job-server.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr(DRIVER, b"")
        archive.writestr(VERSION, b"")
    return {
        "runner": "FlinkRunner",
        "flink_job_server_jar": jar,
        "job_server_java_launcher": program(tmp_path / "java", JAVA_17),
        "environment_type": "PROCESS",
        "environment_config": json.dumps(
            {"command": str(worker_of(tmp_path / "worker"))}
        ),
    }


@dataclass(frozen=True)
class JobManager:
    place: str
    replies: dict[str, dict[str, object]]


@pytest.fixture
def flink():
    """A job manager as its REST interface shows it."""
    replies: dict[str, dict[str, object]] = {
        "/config": {"flink-version": "1.19.1"},
        "/overview": {"taskmanagers": 2, "slots-total": 2},
    }

    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802 (the name that http.server calls)
            body = json.dumps(replies[self.path]).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as place:
        yield JobManager(place, replies)


def nobody():
    """A place where nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return f"127.0.0.1:{one.getsockname()[1]}"


def flags(parts, **others):
    return [f"--{name}={value}" for name, value in (parts | others).items()]


def doctor(capsys, parts, *words, **others):
    code = run(["doctor", *words, "--", *flags(parts, **others)])
    return code, capsys.readouterr().out


def test_nothing_is_wrong_with_this_process(capsys):
    assert run(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}, apache-beam" in printed
    assert "WRONG" not in printed


def test_a_cluster_with_all_that_it_needs_is_found_well(capsys, parts, flink):
    code, printed = doctor(
        capsys, parts, "--workers", "2", flink_master=flink.place, job_port=0
    )
    assert code == 0, printed
    subjects = [line[6:].partition(":")[0] for line in printed.splitlines()]
    assert subjects == ["Java", "job server", "master", "launcher", "workers"]
    assert f"{flink.place} is Flink 1.19.1 with 2 task managers, 2 slots" in printed


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("job_server_java_launcher", "/nowhere/java", "/nowhere/java does not start"),
        ("flink_job_server_jar", "/nowhere.jar", "no file /nowhere.jar; 'deploy/job-"),
        ("flink_job_server_jar", __file__, "is no job server for flink"),
        ("environment_config", "{}", "has no command; name it in"),
        ("environment_config", '{"command": "/nowhere"}', "no program /nowhere"),
        ("flink_master", "127.0.0.1:wrong", "is no job manager of Flink"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(capsys, parts, flag, value, message):
    code, printed = doctor(capsys, parts, **{flag: value})
    assert code == 1
    wrong = [line for line in printed.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 1
    assert message in wrong[0]


def test_an_old_java_is_wrong(capsys, parts, tmp_path):
    old = program(tmp_path / "old", "echo 'java version \"1.8.0_402\"' >&2")
    code, printed = doctor(capsys, parts, job_server_java_launcher=old)
    assert (code, "is a Java 8; install a Java 17" in printed) == (1, True)


def test_a_port_that_is_taken_is_wrong(capsys, parts):
    with closing(socket.create_server(("localhost", 0))) as taken:
        port = taken.getsockname()[1]
        code, printed = doctor(capsys, parts, job_port=port)
    assert code == 1
    assert f"--job_port: {port} cannot be had" in printed


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        (
            {"/config": {"flink-version": "1.20.0"}},
            "the job server is for Flink 1.19",
        ),
        ({"/config": {}}, "is no job manager of Flink"),
    ],
)
def test_a_cluster_that_cannot_run_the_job_is_wrong(
    capsys, parts, flink, replies, message
):
    flink.replies.update(replies)
    code, printed = doctor(capsys, parts, "--workers", "2", flink_master=flink.place)
    assert code == 1
    assert message in printed


def test_slots_that_may_come_on_demand_are_not_known(capsys, parts, flink):
    flink.replies["/overview"] = {"taskmanagers": 0, "slots-total": 0}
    code, printed = doctor(capsys, parts, "--workers", "2", flink_master=flink.place)
    assert code == 0
    assert "?     master" in printed
    assert "2 are wanted: start task managers, or say fewer --workers" in printed


def test_a_spark_master_that_does_not_answer_is_wrong(capsys, parts):
    place = nobody()
    parts["runner"] = "SparkRunner"
    code, printed = doctor(capsys, parts, spark_master_url=f"spark://{place}")
    assert code == 1
    assert f"spark://{place} does not answer (Connection refused); start" in printed


def test_a_worker_of_other_versions_is_wrong(capsys, parts, tmp_path):
    other = worker_of(tmp_path / "other", **{"apache-beam": "2.60.0"})
    config = json.dumps({"command": str(other)})
    code, printed = doctor(capsys, parts, environment_config=config)
    assert code == 1
    assert f"{other}: this worker has apache-beam 2.60.0, its launcher" in printed
    assert "install the same on both" in printed


def test_a_worker_program_of_somebody_else_is_not_known(capsys, parts, tmp_path):
    config = json.dumps({"command": str(program(tmp_path / "boot", "exit 2"))})
    code, printed = doctor(capsys, parts, environment_config=config)
    assert code == 0
    assert "does not say its versions; the job asks it" in printed


def test_workers_on_other_machines_are_asked_by_the_job(capsys, parts):
    code, printed = doctor(
        capsys,
        parts,
        runner="SparkRunner",
        spark_master_url="yarn",
        environment_config='{"command": "/opt/only/there"}',
    )
    assert code == 0
    assert "?     workers: /opt/only/there is not on this machine" in printed


def test_a_worker_pool_that_does_not_answer_is_wrong(capsys, parts):
    place = nobody()
    code, printed = doctor(
        capsys, parts, environment_type="EXTERNAL", environment_config=place
    )
    assert code == 1
    assert f"no pool answers at {place}" in printed
    assert "worker_pool_main --service_port=PORT" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--runner-profile", "flnk"], "did you mean flink?"),
        (["--", "--flink_mastr=x"], "did you mean --flink_master"),
        (["--run-jb"], "did you mean --run-job"),
    ],
)
def test_what_nobody_knows_is_bad_input(words, message, capsys):
    assert run(["doctor", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_workers_of_a_job_compare_their_versions(capsys):
    assert run(["doctor", "--run-job"]) == 0
    assert "its workers have the launcher's versions" in capsys.readouterr().out


@pytest.mark.emulator
@pytest.mark.parametrize("what", ["master", "worker", "flag"])
def test_a_copy_is_refused_before_anything_is_submitted(
    moto, capsys, parts, tmp_path, what
):
    source = make_table(moto, "eu-west-1", unique_name(), "id")
    target = make_table(moto, "us-east-1", unique_name(), "id")
    place = nobody()
    other = json.dumps({"command": str(worker_of(tmp_path / "w", Python="3.9"))})
    others, message = {
        "master": ({"flink_master": place}, f"{place} does not answer"),
        "worker": ({"environment_config": other}, "this worker has Python 3.9"),
        "flag": ({"flink_mastr": place}, "did you mean --flink_master"),
    }[what]
    words = ["copy", "--source", f"eu-west-1/{source}", "--to", f"us-east-1/{target}"]
    words += ["--source-endpoint", moto.endpoint_url("eu-west-1")]
    words += ["--endpoint", moto.endpoint_url("us-east-1"), "--workers", "2"]
    run_dir = tmp_path / "run"
    words += ["--run-dir", str(run_dir), "--", *flags(parts, **others)]
    assert run(words) == 2
    assert message in capsys.readouterr().err
    assert not run_dir.exists()
