"""Launches on EMR: the same input, the same bytes; no secrets; strict words."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from pipelines.commands import run
from pipelines.emr.artefacts import LaunchedJob, bootstrap_script, step
from pipelines.emr.placement import read_placement
from pipelines.emr.releases import check_release
from tests.support.emr import (
    CODE,
    COPY,
    PARAMS,
    PLACE,
    REGION,
    TEMPLATE,
    launched,
    place_for,
    refused,
)
from transforms.dynamodb.errors import UserError


def test_the_same_launch_gives_the_same_bytes_of_a_step(template, capsys):
    words = (template, *PLACE, *PARAMS, *COPY, "--", "-Dx=y")
    text = launched(capsys, *words)
    assert text == launched(capsys, *words)
    (made,) = json.loads(text)
    assert (made["Type"], made["Jar"]) == ("CUSTOM_JAR", "command-runner.jar")
    assert made["Args"][-1] == "-Dx=y"
    digest = hashlib.sha256(TEMPLATE.encode()).hexdigest()[:16]
    assert f"{CODE}/jobs/ours-{digest}.yaml" in made["Args"]
    assert "--flink_version=1.20" in made["Args"]


def test_the_bootstrap_action_is_printed_as_it_is(template, capsys):
    text = launched(capsys, template, *PLACE, "--show", "bootstrap")
    assert text == bootstrap_script()
    subprocess.run(["bash", "-n"], input=text, text=True, check=True, timeout=10)


CANARIES = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARY0001",
    "AWS_SECRET_ACCESS_KEY": "canary/secret/canary/secret/canary/secre",
    "AWS_SESSION_TOKEN": "canary-token-canary-token",
    "HASH_KEY": "canary-of-the-hash",
}


def test_no_artefact_holds_what_the_launcher_may_do(template, capsys, monkeypatch):
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    target = "- {to: '${target}', hash_key: 'env:HASH_KEY', columns: id}"
    Path(template).write_text(TEMPLATE.replace("- {to: '${target}'}", target))
    text = launched(capsys, template, *PLACE, *PARAMS, *COPY)
    text += launched(capsys, template, *PLACE, "--show", "bootstrap")
    assert run(["template", "render", template, *PARAMS]) == 0
    text += capsys.readouterr().out
    assert "env:HASH_KEY" in text
    assert not [value for value in CANARIES.values() if value in text]


@pytest.mark.parametrize(
    "said",
    ["--filter=a = 'AKIACANARYCANARY0001'", "--param=filter=ASIACANARYCANARY0001"],
)
def test_a_secret_that_was_said_is_refused_and_not_shown(template, capsys, said):
    error = refused(capsys, template, *PLACE, *PARAMS, *COPY, said)
    assert "credentials" in error
    assert "CANARY" not in error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (("--on", "emr"), ("--on", "managed-flink"), "runs no Python workers"),
        (("--on", "emr"), ("--on", "erm"), "did you mean emr?"),
        (("--release", "emr-7.8.0"), (), "--release is missing"),
        (("--release", "emr-7.8.0"), ("--release", "7.8"), "no release label"),
        (("--release", "emr-7.8.0"), ("--release", "emr-6.15.0"), "no Python 3.11"),
        (("--release", "emr-7.8.0"), ("--release", "emr-7.2.0"), "use emr-7.4.0 to"),
        (("--release", "emr-7.8.0"), ("--release", "emr-8.0.0"), "use emr-7.4.0 to"),
        (("--code", CODE), ("--code", "ours/code"), "no place on S3"),
        (("--engine", "flink"), (), "--engine is missing"),
        (("--engine", "flink"), ("--engine", "storm"), "there are flink and spark"),
        (("--region", REGION), ("--region", "Ireland"), "--region Ireland"),
        (("--region", REGION), ("--submit",), "--cluster is missing"),
        (("--region", REGION), ("--cluster", "mine"), "not of the form j-"),
        (("--region", REGION), ("--show", "all"), "there are step and bootstrap"),
        (("--region", REGION), ("--code", CODE), "--code is said twice"),
        (("--region", REGION), ("--cluster", "--submit"), "--cluster has no value"),
        (("--ledger", "dynamodb:eu-west-1/runs"), (), "--ledger is missing"),
        (("--ledger", "dynamodb:eu-west-1/runs"), ("--ledger", "sqlite:x"), "--ledger"),
        (("--run-dir", "s3://ours/runs"), (), "--run-dir is missing"),
        (("--workers", "2"), (), "--workers is missing"),
        (("--workers", "2"), ("--wrkers", "2"), "did you mean --workers?"),
        (("--param", "target=us-east-1/orders"), (), "--param target=… is missing"),
        (("--param", "target=us-east-1/orders"), ("--param", "x=1"), "no such param"),
    ],
)
def test_a_word_that_is_wrong_is_told_before_anything_happens(
    template, capsys, old, new, message
):
    words = [*PLACE, *PARAMS, *COPY]
    at = next(n for n in range(len(words)) if tuple(words[n : n + 2]) == old)
    words[at : at + 2] = new
    assert message in refused(capsys, template, *words)


def test_what_cannot_be_built_is_not_launched_on_emr(template, capsys):
    Path(template).write_text(
        "template: 1\npipeline: backup\njob: {source: eu-west-1/orders, to: s3://x/y}\n"
    )
    assert "a backup cannot be built" in refused(capsys, template, *PLACE, *COPY)


def test_a_template_is_not_launched_on_eks(template, capsys):
    words = [
        *("--on", "emr-on-eks", "--release", "emr-7.8.0-latest", "--code", CODE),
        *("--engine", "spark", "--cluster", "123abc", "--image", "ours:1"),
        *("--role", "arn:aws:iam::123456789012:role/job"),
    ]
    assert "build it first" in refused(capsys, template, *words, *PARAMS, *COPY)


def test_the_engine_of_a_jar_is_that_it_was_built_for():
    words = [word for word in PLACE if word not in ("--engine", "flink")]
    place, left = read_placement([*words, "--x", "--", "--on"], "spark")
    assert (place.engine, place.flink_version) == ("spark", None)
    assert left == ["--x", "--", "--on"]
    with pytest.raises(UserError, match="the jar was built for spark"):
        read_placement(PLACE, "spark")


def test_flink_is_that_of_the_release():
    assert check_release("emr-7.5.0", "flink") == "1.19"
    assert check_release("emr-7.13.0", "flink") == "1.20"
    assert check_release("emr-7.1.0", "spark") is None


def test_a_step_that_is_longer_than_emr_takes_is_refused(tmp_path):
    jar = tmp_path / "copy.jar"
    jar.write_bytes(b"")
    job = LaunchedJob(
        path=jar, params={}, words=("x" * 11_000,), submit_words=(), workers=1
    )
    with pytest.raises(UserError, match="EMR takes 10,240"):
        step(place_for("spark"), job)
