"""Runner profiles: found by name, directory or path; read strictly; overruled."""

from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PortableOptions

from pipelines.beam_flags import check_beam_flags
from pipelines.launch import check_runner
from pipelines.run_options import RunOptions
from pipelines.runner_profiles import (
    profile_names,
    read_profile,
    with_local_parts,
    worker_command,
)
from transforms.dynamodb.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_own_profiles(monkeypatch, tmp_path):
    for name in ("PROFILES", "FLINK_JOB_SERVER_JAR", "SPARK_JOB_SERVER_JAR", "PRISM"):
        monkeypatch.delenv(f"BEAM_DYNAMODB_{name}", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


SHIPPED = ["emr-flink", "emr-spark", "flink", "local", "prism", "spark"]


def test_what_profiles_are_shipped():
    assert sorted(profile_names()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_flag_of_a_shipped_profile_is_known(name):
    check_beam_flags(read_profile(name), frozenset())


def test_a_profile_names_the_worker_program_of_this_python():
    assert f'{{"command": "{worker_command()}"}}' in "".join(read_profile("flink"))


def test_what_is_said_after_the_dashes_wins():
    options = RunOptions(runner_profile="flink", workers=3)
    words = ["--environment_type=LOOPBACK", "--parallelism=2"]
    beam_options = check_runner(options, words, RunOptions)
    assert beam_options.view_as(PortableOptions).environment_type == "LOOPBACK"
    assert beam_options.view_as(FlinkRunnerOptions).parallelism == 2


def test_the_parallelism_of_flink_is_the_number_of_workers():
    options = RunOptions(runner_profile="flink", workers=3)
    beam_options = check_runner(options, [], RunOptions)
    assert beam_options.view_as(FlinkRunnerOptions).parallelism == 3


def test_a_profile_of_ones_own_is_a_file_or_in_a_directory(tmp_path, monkeypatch):
    (tmp_path / "ours.flags").write_text("# a remark\n\n--runner=SparkRunner\n")
    assert read_profile(str(tmp_path / "ours.flags")) == ["--runner=SparkRunner"]
    monkeypatch.setenv("BEAM_DYNAMODB_PROFILES", str(tmp_path))
    assert read_profile("ours") == ["--runner=SparkRunner"]
    assert "ours" in profile_names()


def test_a_misspelt_profile_is_told_its_neighbour():
    with pytest.raises(UserError, match=r"flnk: no such profile; did you mean flink\?"):
        read_profile("flnk")


def test_a_line_that_is_no_flag_is_shown_with_its_place(tmp_path):
    path = tmp_path / "bad.flags"
    path.write_text("--runner=FlinkRunner\nparallelism 4\n")
    with pytest.raises(UserError, match=r"bad.flags:2: 'parallelism 4' is no flag"):
        read_profile(str(path))


def test_a_profile_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.flags"):
        read_profile("./nowhere.flags")


def test_a_job_server_in_the_cache_is_used_unless_another_is_named(tmp_path):
    jar = tmp_path / "cache/beam-dynamodb/job-servers/beam-flink-job-server.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    assert with_local_parts(["--runner=FlinkRunner"])[1:] == [
        f"--flink_job_server_jar={jar}"
    ]
    named = ["--runner", "FlinkRunner", "--flink_job_server_jar=mine.jar"]
    assert with_local_parts(named) == named
    running = ["--runner=FlinkRunner", "--job_endpoint=localhost:8099"]
    assert with_local_parts(running) == running


def test_a_job_server_in_the_cache_is_not_used_for_another_flink(tmp_path):
    pom = (ROOT / "deploy" / "job-servers" / "pom.xml").read_text(encoding="utf-8")
    assert "<flink.beam.version>1.19</flink.beam.version>" in pom
    jar = tmp_path / "cache/beam-dynamodb/job-servers/beam-flink-job-server.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    ours = ["--runner=FlinkRunner", "--flink_version=1.19"]
    assert with_local_parts(ours) == [*ours, f"--flink_job_server_jar={jar}"]
    other = ["--runner=FlinkRunner", "--flink_version=1.20"]
    assert with_local_parts(other) == other
