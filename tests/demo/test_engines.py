"""Engines start, answer for every region, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pipelines.demo.engines import (
    DYNOXIDE_VARIABLE,
    LOCAL_ENDPOINT_VARIABLE,
    DynamoDBLocalEngine,
    DynoxideEngine,
    Engine,
    EngineError,
    MotoEngine,
    find_dynoxide,
)
from tests.support.engines import make_table, unique_name
from tests.support.processes import ends, is_alive

_STARTS_AN_ENGINE_AND_WAITS = textwrap.dedent(
    """
    import signal
    from pipelines.demo.engines import MotoEngine
    engine = MotoEngine()
    engine.start()
    print(engine._server._process.pid, flush=True)
    signal.pause()
    """
)


def test_a_table_in_one_region_is_not_in_another(engine: Engine):
    name = make_table(engine, "eu-west-1", unique_name(), "id", "day:N")

    assert name in tables_in(engine, "eu-west-1")
    assert name not in tables_in(engine, "us-east-1")


def tables_in(engine: Engine, region: str) -> set[str]:
    pages = engine.dynamodb(region).get_paginator("list_tables").paginate()
    return {name for page in pages for name in page["TableNames"]}


def test_an_item_comes_back_as_it_was_put(engine: Engine):
    name = make_table(engine, "us-west-2", unique_name(), "id")
    item: dict[str, Any] = {
        "id": {"S": "a"},
        "n": {"N": "1"},
        "s": {"SS": ["x", "y"]},
        "b": {"B": b"\0"},
    }
    client = engine.dynamodb("us-west-2")

    client.put_item(TableName=name, Item=item)

    assert client.get_item(TableName=name, Key={"id": {"S": "a"}})["Item"] == item


@pytest.mark.emulator
def test_a_stopped_engine_is_gone_and_says_so():
    engine = MotoEngine()
    with engine:
        process = engine._server._process
        assert process is not None
        assert is_alive(process.pid)

    assert process.returncode is not None
    with pytest.raises(EngineError, match="moto is not running; start it first"):
        engine.endpoint_url("eu-west-1")


@pytest.mark.emulator
def test_an_engine_can_be_stopped_twice_and_started_again():
    engine = MotoEngine()
    engine.stop()
    with engine:
        engine.dynamodb("eu-west-1").list_tables()
    engine.stop()
    with engine:
        assert engine.dynamodb("eu-west-1").list_tables()["TableNames"] == []


@pytest.mark.emulator
@pytest.mark.skipif(sys.platform != "linux", reason="the tie to the parent is Linux's")
def test_an_engine_dies_with_a_parent_that_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", _STARTS_AN_ENGINE_AND_WAITS],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        engine_pid = int(parent.stdout.readline())
        assert is_alive(engine_pid)
        parent.kill()

    assert parent.returncode == -signal.SIGKILL
    assert ends(engine_pid)


def test_an_engine_that_ends_at_once_shows_its_log(tmp_path: Path):
    program = _program(tmp_path, "echo it is broken >&2; exit 3")
    engine = DynoxideEngine(["eu-west-1"], program=program)

    with (
        pytest.raises(EngineError, match=r"(?s)ended with 3;.*it is broken"),
        engine,
    ):
        pass


def test_an_engine_that_lost_its_port_takes_another(tmp_path: Path):
    started = tmp_path / "started"
    server = "from http.server import test; import sys; test(port=int(sys.argv[1]))"
    program = _program(
        tmp_path,
        f'[ -e "{started}" ] || {{ : > "{started}"; exit 1; }}',
        f'exec "{sys.executable}" -c "{server}" "$5"',
    )

    with DynoxideEngine(["eu-west-1"], program=program) as engine:
        assert engine.endpoint_url("eu-west-1").startswith("http://127.0.0.1:")


def test_a_region_that_is_not_served_is_named(tmp_path: Path):
    engine = DynoxideEngine(["eu-west-1"], program=_program(tmp_path, "exit 0"))

    with pytest.raises(EngineError, match="dynoxide serves eu-west-1, not us-east-1"):
        engine.endpoint_url("us-east-1")


def test_dynoxide_is_found_by_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = _program(tmp_path, "exit 0")
    monkeypatch.setenv(DYNOXIDE_VARIABLE, str(program))

    assert find_dynoxide() == program


def test_a_variable_that_names_no_program_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(DYNOXIDE_VARIABLE, os.devnull)

    with pytest.raises(EngineError, match="which cannot be run"):
        find_dynoxide()


def test_dynamodb_local_is_used_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(LOCAL_ENDPOINT_VARIABLE, raising=False)
    with pytest.raises(EngineError, match=LOCAL_ENDPOINT_VARIABLE):
        DynamoDBLocalEngine()

    monkeypatch.setenv(LOCAL_ENDPOINT_VARIABLE, "http://127.0.0.1:8000")
    assert DynamoDBLocalEngine().endpoint_url("eu-west-1") == "http://127.0.0.1:8000"


def _program(folder: Path, *lines: str) -> Path:
    program = folder / "dynoxide"
    program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    program.chmod(0o755)
    return program
