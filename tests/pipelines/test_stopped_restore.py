"""A restore that somebody stops ends soon, at whatever rate it was writing."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
ITEMS = 2_000
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def words(dynoxide: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A restore that would take minutes."""
    monkeypatch.chdir(tmp_path)
    source = make_table(dynoxide, REGION, unique_name(), "id")
    client = dynoxide.dynamodb(REGION)
    for start in range(0, ITEMS, 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": {"id": {"S": f"{n}"}, "data": {"S": "x" * 500}}}}
            for n in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={source: requests})
    endpoint = ["--endpoint", dynoxide.endpoint_url(REGION)]
    backup = ["backup", "--source", f"{REGION}/{source}", "--to", "kept", *endpoint]
    assert run([*backup, "--read-units", "unlimited"]) == 0
    target = make_table(dynoxide, REGION, unique_name(), "id")
    words = ["restore", "--backup", "kept", "--run-dir", "ran", *endpoint]
    return [*words, "--to", f"{REGION}/{target}", "--write-units", "20"]


def written(dynoxide: Engine, words: list[str]) -> int:
    name = words[words.index("--to") + 1].partition("/")[2]
    found = dynoxide.dynamodb(REGION).scan(TableName=name, Select="COUNT")
    return int(found["Count"])


def test_a_restore_hears_that_it_is_to_stop(dynoxide, words):
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *words],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert becomes_true(lambda: written(dynoxide, words) > 0)
        process.send_signal(signal.SIGTERM)
        # Less than what the launcher would wait before it ends its workers by force.
        output, _ = process.communicate(timeout=25)
    finally:
        process.kill()
    assert process.returncode == 3, output
    assert 0 < written(dynoxide, words) < ITEMS
    assert "Traceback" not in output
