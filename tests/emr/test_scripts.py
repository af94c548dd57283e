"""The scripts of a launch on EMR, run with an aws and a beam-dynamodb of the tests."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from pipelines.emr.artefacts import LaunchedJob, bootstrap_script, step
from tests.support.emr import (
    CODE,
    place_for,
)


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A directory as S3, behind an `aws` that knows `s3 cp` alone."""
    programs = tmp_path / "programs"
    programs.mkdir()
    write_program(
        programs / "aws",
        f"""
        import pathlib, shutil, sys
        words = [word for word in sys.argv[3:] if not word.startswith("--")]
        where, target = words[-2:]
        source = pathlib.Path({str(tmp_path)!r}, where.removeprefix("s3://"))
        if "--recursive" in sys.argv:
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
        """,
    )
    (programs / "python3.11").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    code = tmp_path / "ours" / "code"
    code.mkdir(parents=True)
    return code


def write_program(path: Path, text: str) -> None:
    lines = [line.removeprefix(" " * 8) for line in text.splitlines()]
    path.write_text(f"#!{sys.executable}\n" + "\n".join(lines))
    path.chmod(0o755)


@pytest.mark.parametrize("engine", ["flink", "spark"])
@pytest.mark.parametrize("suffix", ["jar", "yaml"])
def test_a_step_launches_by_our_command_what_it_fetched(
    bucket, tmp_path, suffix, engine
):
    job = LaunchedJob(
        path=tmp_path / f"copy.{suffix}",
        params={"filter": "a = 'x y'", "target": "us-east-1/orders"},
        words=("--workers", "2"),
        submit_words=("--conf", "a=b c"),
        workers=2,
    )
    job.path.write_text("the job")
    stored = tmp_path / job.address(CODE).removeprefix("s3://")
    stored.parent.mkdir()
    stored.write_text("the job")
    log = tmp_path / "log"
    (tmp_path / "env" / "bin").mkdir(parents=True)
    write_program(
        tmp_path / "env" / "bin" / "beam-dynamodb",
        f"""
        import json, sys
        with open({str(log)!r}, "a") as log:
            print(json.dumps(sys.argv[1:]), file=log)
        if "build" not in sys.argv:
            sys.exit(1)
        """,
    )
    made = step(place_for(engine), job, str(tmp_path / "env"))
    done = subprocess.run(made["Args"], check=False, timeout=30)
    assert done.returncode == 1  # as the launch: EMR calls the step failed
    *built, launch = map(json.loads, log.read_text().splitlines())
    params = ["--param=filter=a = 'x y'", "--param=target=us-east-1/orders"]
    assert launch[:2] == ["template", "launch"]
    assert launch[2].endswith("/job.jar")
    assert launch[3:7] == [*params, "--workers", "2"]
    assert launch[-2:] == ["--conf", "a=b c"]
    count = "-p" if engine == "flink" else "--num-executors"
    assert launch[launch.index(count) + 1] == "2"
    assert bool(built) == (suffix == "yaml")
    for build in built:
        flags = ["--flink_version=1.19"] if engine == "flink" else []
        assert build[-4 - len(flags) :] == [f"emr-{engine}", *params, "--", *flags]


def make_wheel(path: Path, name: str, version: str, scripts: str = "") -> str:
    """Writes a wheel that holds nothing but console scripts; returns its hash."""
    info = f"{name}-{version}.dist-info"
    named = f"Name: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": "def main():\n    print('here')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\n{named}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": scripts,
    }
    lines = [f"{each},{digest(text)},{len(text)}\n" for each, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    wheel = path / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def digest(text: str) -> str:
    found = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return "sha256=" + found.rstrip("=")


def bootstrap(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-s", "--", CODE, str(tmp_path / "env")],
        input=bootstrap_script(),
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def code(bucket):
    """A place with a lock, wheels for it, and a wheel that stands for ours."""
    (bucket / "wheels").mkdir()
    tools = make_wheel(bucket / "wheels", "setuptools", "99.0")
    other = make_wheel(bucket / "wheels", "other", "1.0")
    hashes = {"other==1.0": other, "setuptools==99.0": tools}
    lock = [f"{name} \\\n    --hash=sha256:{one}\n" for name, one in hashes.items()]
    (bucket / "requirements.lock").write_text("".join(lock))
    scripts = "[console_scripts]\nbeam-dynamodb-worker = beam_dynamodb:main\n"
    make_wheel(bucket, "beam_dynamodb", "0.1.0", scripts)
    return bucket


def test_the_bootstrap_lays_an_environment_with_our_worker(code, tmp_path):
    done = bootstrap(tmp_path)
    assert done.returncode == 0, done.stderr
    worker = tmp_path / "env" / "bin" / "beam-dynamodb-worker"
    said = subprocess.run(
        [worker], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == "here\n"


def test_a_package_that_is_not_the_locks_is_refused(code, tmp_path):
    make_wheel(code / "wheels", "other", "1.0", "# altered")
    done = bootstrap(tmp_path)
    assert done.returncode == 1
    assert "pip could not install" in done.stderr


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("requirements.lock", "has no requirements.lock"),
        ("beam_dynamodb-0.1.0-py3-none-any.whl", "has no wheel of beam-dynamodb"),
    ],
)
def test_code_that_is_not_whole_is_named(code, tmp_path, missing, message):
    (code / missing).unlink()
    done = bootstrap(tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
