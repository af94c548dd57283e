"""A launch on EMR, as the tests of it say it."""

from typing import Any

from pipelines.commands import run
from pipelines.emr.placement import Placement

REGION = "eu-west-1"
CODE = "s3://ours/code"
TEMPLATE = """\
template: 1
pipeline: copy
summary: for tests
parameters:
  source: {type: table, required: true, help: what to read}
  target: {type: table, required: true, help: what to write}
  percent: {type: number, default: 10, help: how fast}
  filter: {type: text, help: which}
job:
  source: ${source}
  read_percent: ${percent}
  filter: ${filter}
  to:
    - {to: '${target}'}
"""
PARAMS = ("--param=source=eu-west-1/orders", "--param", "target=us-east-1/orders")
COPY = (
    *("--workers", "2", "--ledger", "dynamodb:eu-west-1/runs"),
    *("--run-dir", "s3://ours/runs"),
)
PLACE = (
    *("--on", "emr", "--release", "emr-7.8.0", "--code", CODE, "--engine", "flink"),
    *("--region", REGION),
)


def place_for(engine: Any) -> Placement:
    version = "1.19" if engine == "flink" else None
    return Placement(
        on="emr", release="emr-7.5.0", code=CODE, engine=engine, flink_version=version
    )


def launched(capsys, *words: str) -> str:
    code = run(["template", "launch", *words])
    said = capsys.readouterr()
    assert code == 0, said.err
    return str(said.out)


def refused(capsys, *words: str) -> str:
    assert run(["template", "launch", *words]) == 2
    return str(capsys.readouterr().err)
