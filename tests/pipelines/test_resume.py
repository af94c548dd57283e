"""A run that was stopped or killed goes on where its receipts end."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import copy_command, launch
from pipelines.commands import run
from pipelines.demo.engines import Engine
from pipelines.run_spec import RunSpec
from tests.support.clusters import descendants_of
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true
from transforms.dynamodb.tables import TableRef
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.receipts import read_chains
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.run_context import RunContext

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

ITEMS, SEGMENTS = 4_000, 40
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def source(dynoxide: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "LEASE_SECONDS", 0.1)
    name = make_table(dynoxide, "eu-west-1", unique_name(), "id")
    client = dynoxide.dynamodb("eu-west-1")
    for start in range(0, ITEMS, 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": {"id": {"S": f"{n}"}, "n": {"N": str(n)}}}}
            for n in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={name: requests})
    return name


@pytest.fixture
def words(dynoxide: Engine, source: str) -> list[str]:
    """A copy of many small pages, slow enough to be stopped on its way."""
    target = make_table(dynoxide, "us-west-2", unique_name(), "id")
    words = ["copy", "--source", f"eu-west-1/{source}", "--run-dir", "kept"]
    words += ["--source-endpoint", dynoxide.endpoint_url("eu-west-1")]
    words += ["--segments", str(SEGMENTS), "--page-limit", "1"]
    words += ["--to", f"us-west-2/{target}", "--write-units", "1000"]
    return [*words, "--endpoint", dynoxide.endpoint_url("us-west-2")]


def all_items(engine: Engine, region: str, name: str) -> dict[str, dict[str, Any]]:
    pages = engine.dynamodb(region).get_paginator("scan").paginate(TableName=name)
    return {item["id"]["S"]: item for page in pages for item in page["Items"]}


def names(words: list[str]) -> list[str]:
    flags = ("--source", "--to")
    return [words[words.index(flag) + 1].partition("/")[2] for flag in flags]


def settled_pages() -> int:
    """Pages that have receipts so far; 0 before the ledger is there."""
    if not Path("kept/ledger.sqlite").exists():
        return 0
    run_id = json.loads(Path("kept/run.json").read_text())["run"]["run_id"]
    chains = read_chains(SQLiteStore("kept/ledger.sqlite"), run_id).values()
    return sum(chain.counts.get("pages", 0) for chain in chains)


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", *words],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def has_run_json() -> bool:
    return Path("kept/run.json").exists()


def assert_goes_on(engine: Engine, words: list[str], capsys: Any) -> None:
    """Resumes in this process; the target is whole, and the account balances."""
    assert run(["copy", "--resume", "kept"]) == 0
    source, target = names(words)
    copied = all_items(engine, "us-west-2", target)
    assert copied == all_items(engine, "eu-west-1", source)
    account = capsys.readouterr().out.splitlines()[-1]
    assert account == f"items: scanned {ITEMS:,}; us-west-2: written {ITEMS:,}"


def test_a_killed_launcher_loses_nothing(dynoxide, words, capsys):
    process = start(words)
    try:
        assert becomes_true(has_run_json)
        wanted = random.randrange(5, 40)
        assert becomes_true(lambda: settled_pages() >= wanted)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    assert settled_pages() >= wanted
    assert_goes_on(dynoxide, words, capsys)


def test_a_launcher_that_was_only_asleep_is_fenced_off(dynoxide, words, capsys):
    """It goes on when its run was taken up by another one; and then it stops."""
    process = start(words)
    try:
        assert becomes_true(has_run_json)
        assert becomes_true(lambda: settled_pages() >= 5)
        os.killpg(process.pid, signal.SIGSTOP)
        assert_goes_on(dynoxide, words, capsys)
        os.killpg(process.pid, signal.SIGCONT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 3, output[-2_000:]
    assert "was taken up by another process" in output
    source, target = names(words)
    copied = all_items(dynoxide, "us-west-2", target)
    assert copied == all_items(dynoxide, "eu-west-1", source)


def test_a_killed_launcher_whose_ledger_is_a_table_loses_nothing(
    dynoxide, words, capsys
):
    """Receipts come each 5 s there: what was written since is written again."""
    table = TableRef(
        unique_name("ledger"),
        "eu-west-1",
        endpoint_url=dynoxide.endpoint_url("eu-west-1"),
    )
    words[words.index("--write-units") + 1] = "400"  # 10 s
    place = words.index("--to")
    words[place:place] = ["--ledger", f"dynamodb:{table.name}"]
    process = start(words)
    try:
        assert becomes_true(has_run_json)
        run_id = json.loads(Path("kept/run.json").read_text())["run"]["run_id"]
        store = open_store(LedgerLocation(table))
        assert becomes_true(lambda: bool(read_chains(store, run_id)))
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    assert_goes_on(dynoxide, words, capsys)


def worker_processes(pid: int) -> list[int]:
    """The Python processes in which a local job's steps run; not their shells."""
    commands = {
        each: Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
        for each in descendants_of(pid)
    }
    return [
        each
        for each, command in commands.items()
        if b"apache_beam.runners.worker.sdk_worker_main" in command
    ]


def test_one_killed_worker_of_two_stops_the_job_and_loses_nothing(
    dynoxide, words, capsys
):
    place = words.index("--to")
    process = start([*words[:place], "--workers", "2", *words[place:]])
    try:
        assert becomes_true(has_run_json)
        assert becomes_true(lambda: settled_pages() >= 5)
        workers = worker_processes(process.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 3, output[-2_000:]
    assert f"copy --resume {Path('kept').absolute()}" in output.splitlines()[-1]
    assert_goes_on(dynoxide, words, capsys)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_copy_finishes_what_is_on_its_way(dynoxide, words, capsys, number):
    process = start(words)
    try:
        assert becomes_true(has_run_json)
        assert becomes_true(lambda: settled_pages() >= 5)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 3
    last = output.splitlines()[-1]
    assert last.endswith(
        f"goes on with: beam-dynamodb copy --resume {Path('kept').absolute()}"
    )
    # Nothing was written that has no receipt.
    _, target = names(words)
    written = len(all_items(dynoxide, "us-west-2", target))
    run_id = json.loads(Path("kept/run.json").read_text())["run"]["run_id"]
    chains = read_chains(SQLiteStore("kept/ledger.sqlite"), run_id).values()
    assert sum(chain.counts["written/us-west-2"] for chain in chains) == written < ITEMS
    assert_goes_on(dynoxide, words, capsys)


def test_a_finished_run_that_is_gone_on_with_reads_nothing_again(
    dynoxide, words, capsys
):
    assert run(words) == 0
    _, target = names(words)
    client = dynoxide.dynamodb("us-west-2")
    client.delete_item(TableName=target, Key={"id": {"S": "7"}})
    assert run(["copy", "--resume", "kept", "--workers", "1"]) == 0
    assert "7" not in all_items(dynoxide, "us-west-2", target)
    account = capsys.readouterr().out.splitlines()[-1]
    assert account == f"items: scanned {ITEMS:,}; us-west-2: written {ITEMS:,}"


def test_what_the_run_was_not_told_is_refused(dynoxide, words, capsys):
    assert run(words) == 0
    changed = [*words, "--filter", "n < 5"]
    assert run([*changed, "--resume", "kept"]) == 2
    assert "--to is not as the run was told" in capsys.readouterr().err
    assert run([*words, "--resume", "kept"]) == 0


def test_a_table_made_anew_is_refused(dynoxide, words, capsys):
    assert run(words) == 0
    _, target = names(words)
    dynoxide.dynamodb("us-west-2").delete_table(TableName=target)
    make_table(dynoxide, "us-west-2", target, "id")
    assert run(["copy", "--resume", "kept"]) == 2
    assert "made again since" in capsys.readouterr().err


def test_a_pause_and_a_timetable_said_on_the_way_hold_for_the_workers(
    words, tmp_path, monkeypatch
):
    place = words.index("--to")
    assert run([*words[:place], "--pause-file", "wait", *words[place:]]) == 0
    told: list[RunContext] = []

    def remember(_started: object, spec: RunSpec, _plan: object) -> int:
        told.append(spec.run)
        return 0

    monkeypatch.setattr(copy_command, "_run", remember)
    monkeypatch.chdir("/")
    assert run(["copy", "--resume", str(tmp_path / "kept")]) == 0
    assert told[0].pause_file == str(tmp_path / "wait")
    assert told[0].rate_schedule is None
    again = ["copy", "--resume", str(tmp_path / "kept"), "--workers", "2"]
    again += ["--pause-file", "/hold", "--rate-schedule", "08:00-20:00=10%; UTC"]
    assert run(again) == 0
    assert told[1].pause_file == "/hold"
    assert told[1].rate_schedule == "08:00-20:00=10%; UTC"
    assert (told[1].workers, told[1].epoch) == (2, 3)


@pytest.mark.parametrize("name", ["no-such-run", ""])
def test_a_run_that_is_not_there_is_refused(source, capsys, name):
    assert run(["copy", "--resume", name]) == 2
    assert "name" in capsys.readouterr().err
