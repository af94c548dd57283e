"""The images in deploy/ are not built here: what their files say is right."""

import re
from pathlib import Path

import pytest

from pipelines.emr.artefacts import PREFIX
from pipelines.runner_profiles import read_profile

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "deploy" / "Dockerfile"
EKS = ROOT / "deploy" / "emr-on-eks" / "Dockerfile"
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each instruction and its words, continued lines joined."""
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (one.partition(" ") for one in joined)]


def test_the_workers_image_has_the_beam_of_the_lock():
    said = dict(rest.split("=") for word, rest in instructions(WORKER) if word == "ARG")
    assert f"apache-beam=={said['BEAM']} " in LOCK
    assert said["PYTHON"] in ("3.10", "3.11", "3.12", "3.13")


@pytest.mark.parametrize("path", [WORKER, EKS], ids=lambda path: path.parent.name)
def test_an_image_runs_as_somebody_other_than_root(path):
    users = [rest for word, rest in instructions(path) if word == "USER"]
    assert users[-1] not in ("root", "0")


@pytest.mark.parametrize("path", [WORKER, EKS], ids=lambda path: path.parent.name)
def test_an_image_holds_what_the_context_lets_in_each_checked_by_its_hash(path):
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    (copy,) = [rest for word, rest in instructions(path) if word == "COPY"]
    assert "!requirements.lock" in allowed
    assert "!dist/*.whl" in allowed
    assert copy.split()[:-1] == ["requirements.lock", "dist/beam_dynamodb-*.whl"]
    runs = " ".join(rest for word, rest in instructions(path) if word == "RUN")
    installs = re.findall(r"pip install.*?(?=&&|$)", runs)
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)


def test_the_image_for_eks_has_its_worker_where_the_profile_looks():
    (command,) = [one for one in read_profile("emr-spark") if "command" in one]
    worker = f"{PREFIX}/bin/beam-dynamodb-worker"
    assert worker in command
    assert worker in EKS.read_text(encoding="utf-8")
