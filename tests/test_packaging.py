"""What is shipped: the sdist that Beam stages to the workers, and its metadata."""

import os
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.stager import Stager

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
TOP_LEVEL = {"pipelines", "transforms"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what the sdist is made of, so that no build touches the checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SHIPPED:
        shutil.copy(ROOT / name, folder)
    for name in ("pipelines", "transforms", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--sdist", "-o", folder, "."],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(sdist, tmp_path_factory):
    """The sdist installed as a worker without network installs it."""
    folder = tmp_path_factory.mktemp("site")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "-t", folder, sdist],
        check=True,
        capture_output=True,
    )
    return folder


def names_in(archive_path):
    """The names of the files in an sdist, without the folder they all lie in."""
    with tarfile.open(archive_path) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    return {name.partition("/")[2] for name in files}


def metadata(installed, name):
    [folder] = installed.glob("beam_dynamodb-*.dist-info")
    return (folder / name).read_text(encoding="utf-8")


def test_the_sdist_holds_the_two_packages_and_no_tests(sdist):
    names = names_in(sdist)
    assert {"setup.py", "pyproject.toml", "LICENSE"} <= names
    modules = {Path(name).parts[0] for name in names if name.endswith(".py")}
    assert modules == TOP_LEVEL | {"setup.py"}


def test_only_the_two_packages_are_at_the_top(installed):
    assert set(metadata(installed, "top_level.txt").split()) == TOP_LEVEL


def test_every_file_of_the_packages_is_installed(installed):
    for package in TOP_LEVEL:
        shipped = {
            path.relative_to(ROOT)
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert {str(name) for name in shipped if not (installed / name).exists()} == (
            set()
        )


def test_the_types_are_declared_to_be_checked(installed):
    assert all((installed / package / "py.typed").exists() for package in TOP_LEVEL)


def test_the_console_scripts_are_named_after_the_project(installed):
    entry_points = ConfigParser()
    entry_points.read_string(metadata(installed, "entry_points.txt"))
    assert dict(entry_points["console_scripts"]) == {
        "beam-dynamodb": "pipelines.cli:main",
        "beam-dynamodb-worker": "pipelines.worker:main",
    }


def test_beam_stages_the_package_by_the_absolute_path_of_setup_py(checkout, tmp_path):
    options = PipelineOptions([f"--setup_file={checkout / 'setup.py'}"])
    Stager.create_job_resources(
        options, str(tmp_path), log_submission_env_dependencies=False
    )
    [staged] = tmp_path.glob("*.tar.gz")
    assert {"pipelines/cli.py", "transforms/py.typed"} <= names_in(staged)


def test_the_shim_alone_builds_the_same_package(checkout, sdist, tmp_path):
    shim = [sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", tmp_path]
    subprocess.run(shim, cwd=checkout, check=True, capture_output=True)
    [built] = tmp_path.glob("*.tar.gz")
    assert names_in(built) == names_in(sdist)


def test_the_installed_package_is_found_without_the_checkout(installed, tmp_path):
    where = subprocess.run(
        [sys.executable, "-c", "import pipelines; print(pipelines.__file__)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert Path(where.strip()).is_relative_to(installed)
