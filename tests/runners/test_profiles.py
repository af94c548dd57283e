"""Every runner without a cluster runs the shipped template, as docs/runners.md says."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.findings import refusal
from pipelines.runner_profiles import worker_command
from tests.runners.scenarios import ROOT, account, finish
from tests.support.clusters import HOST, free_port
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(600)]

ITEMS = {f"item-{number}": str(number) for number in range(40)}


def prepare(engine):
    """A table of `ITEMS`, and an empty one."""
    source = make_table(engine, "eu-west-1", unique_name(), "id")
    client = engine.dynamodb("eu-west-1")
    for key, number in ITEMS.items():
        item = {"id": {"S": key}, "n": {"N": number}}
        client.put_item(TableName=source, Item=item)
    return source, make_table(engine, "us-east-1", unique_name(), "id")


def launch(engine, folder, profile, *flags):
    """`template launch` as people type it; the items that arrived must be all."""
    source, target = prepare(engine)
    words = ["template", "launch", "pipelines/templates/copy.yaml"]
    words += ["--param", f"source=eu-west-1/{source}"]
    words += ["--param", f"target=us-east-1/{target}"]
    words += ["--param", f"endpoint={engine.endpoint_url('eu-west-1')}"]
    words += ["--runner-profile", profile, "--workers", "1"]
    words += ["--run-dir", str(folder / "run")]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *words, "--", *flags],
        cwd=ROOT,
        env=os.environ | engine.environment() | {"SPARK_LOCAL_IP": HOST},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        code, printed = finish(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, printed
    assert account(printed) == "items: scanned 40; us-east-1: written 40"
    found = engine.dynamodb("us-east-1").scan(TableName=target)["Items"]
    assert {each["id"]["S"]: each["n"]["N"] for each in found} == ITEMS


@contextmanager
def worker_pool(folder: Path) -> Iterator[str]:
    """A pool of workers, started as docs/runners.md says."""
    port = free_port()
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    command += [f"--service_port={port}", f"--container_executable={worker_command()}"]
    with (folder / "pool.log").open("wb") as log:
        pool = subprocess.Popen(
            command,
            env=os.environ | {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert becomes_true(lambda: not refusal(f"{HOST}:{port}", port))
        yield f"localhost:{port}"
    finally:
        os.killpg(pool.pid, signal.SIGKILL)
        pool.wait()


def test_the_template_is_launched_in_this_process(moto, tmp_path):
    launch(moto, tmp_path, "local")


@pytest.mark.prism
def test_the_template_is_launched_on_prism(moto, tmp_path):
    launch(moto, tmp_path, "prism")


@pytest.mark.runner
def test_the_template_is_launched_on_embedded_flink(moto, tmp_path):
    launch(moto, tmp_path, "flink", "--flink_master=[local]")


@pytest.mark.runner
def test_the_template_is_launched_on_embedded_spark(moto, tmp_path):
    launch(moto, tmp_path, "spark", "--spark_master_url=local[*]")


@pytest.mark.runner
def test_workers_come_from_a_pool(moto, tmp_path):
    with worker_pool(tmp_path) as place:
        flags = ["--environment_type=EXTERNAL", f"--environment_config={place}"]
        launch(moto, tmp_path, "flink", *flags)
