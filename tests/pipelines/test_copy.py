"""The copy, end to end: real tables, the real runner, an independent look."""

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true, is_alive
from transforms.dynamodb.tables import TableRef
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.progress import read_progress
from transforms.ledger.store import RUNS

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

ITEMS = 300
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def source(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table of 300 items in eu-west-1; a third of them are of a red colour."""
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, "eu-west-1", unique_name(), "id")
    client = moto.dynamodb("eu-west-1")
    for start in range(0, ITEMS, 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": make_item(number)}}
            for number in range(start, start + 25)
        ]
        client.batch_write_item(RequestItems={name: requests})
    return name


def make_item(number: int) -> dict[str, Any]:
    return {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "colour": {"S": "red" if number % 3 == 0 else "blue"},
        "tags": {"SS": ["x", "y"]},
    }


def all_items(engine: Engine, region: str, name: str) -> dict[str, dict[str, Any]]:
    pages = engine.dynamodb(region).get_paginator("scan").paginate(TableName=name)
    return {item["id"]["S"]: item for page in pages for item in page["Items"]}


def copy_words(engine: Engine, source: str, *words: str) -> list[str]:
    endpoint = engine.endpoint_url("eu-west-1")
    return ["copy", "--source", f"eu-west-1/{source}", "--endpoint", endpoint, *words]


def test_one_scan_fills_two_regions_each_in_its_own_way(moto, source, capsys):
    west = make_table(moto, "us-west-2", unique_name(), "id")
    east = make_table(moto, "us-east-1", unique_name(), "id")
    words = copy_words(moto, source, "--read-units", "unlimited")
    words += ["--to", f"us-west-2/{west}", "--name", "oregon"]
    words += ["--filter", "colour = 'red'", "--columns", "id,n:number"]
    words += ["--to", f"us-east-1/{east}", "--name", "virginia"]
    assert run(words) == 0
    assert all_items(moto, "us-east-1", east) == all_items(moto, "eu-west-1", source)
    assert all_items(moto, "us-west-2", west) == {
        f"item-{n}": {"id": {"S": f"item-{n}"}, "number": {"N": str(n)}}
        for n in range(0, ITEMS, 3)
    }
    assert capsys.readouterr().out.splitlines()[-1] == (
        "items: scanned 300; oregon: written 100, filtered 200; virginia: written 300"
    )


def test_a_shared_filter_is_evaluated_once_an_item(moto, source, capsys):
    targets = [
        (region, make_table(moto, region, unique_name(), "id"))
        for region in ("us-west-2", "us-east-1")
    ]
    words = copy_words(moto, source, "--filter", "colour = 'red'")
    for region, name in targets:
        words += ["--to", f"{region}/{name}"]
    assert run(words) == 0
    for region, name in targets:
        assert len(all_items(moto, region, name)) == ITEMS // 3
    assert capsys.readouterr().out.splitlines()[-1] == (
        "items: scanned 300; us-west-2: written 100, filtered 200; "
        "us-east-1: written 100, filtered 200"
    )


def test_a_job_file_does_what_its_flags_do(moto, source, capsys):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    Path("job.yaml").write_text(
        f"source: eu-west-1/{source}\n"
        f"endpoint: {moto.endpoint_url('eu-west-1')}\n"
        f"to:\n  - to: us-west-2/{target}\n    filter: n < 10\n"
    )
    assert run(["copy", "--job", "job.yaml"]) == 0
    assert len(all_items(moto, "us-west-2", target)) == 10
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "items: scanned 300; us-west-2: written 10, filtered 290"


def test_a_delete_route_removes_what_has_the_same_keys(moto, source):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    to = ["--to", f"us-west-2/{target}"]
    assert run(copy_words(moto, source, *to)) == 0
    red = ["--filter", "colour = 'red'", "--mode", "delete"]
    assert run(copy_words(moto, source, *to, *red)) == 0
    left = all_items(moto, "us-west-2", target)
    assert len(left) == 200
    assert {item["colour"]["S"] for item in left.values()} == {"blue"}


def test_a_second_run_gives_the_same_target(moto, source):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    words = copy_words(moto, source, "--to", f"us-west-2/{target}")
    assert run(words) == 0
    once = all_items(moto, "us-west-2", target)
    assert run(words) == 0
    assert all_items(moto, "us-west-2", target) == once


def test_the_run_directory_is_private(moto, source):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    assert run(copy_words(moto, source, "--to", f"us-west-2/{target}")) == 0
    (kept,) = Path(".beam-dynamodb/runs").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert (kept / "ledger.sqlite").exists()
    assert not (kept / "rejected").exists() or not list((kept / "rejected").iterdir())


def test_a_ledger_in_a_table_is_made_on_demand_and_has_the_progress(moto, source):
    target, ledger = make_table(moto, "us-west-2", unique_name(), "id"), unique_name()
    words = ["--ledger", f"dynamodb:{ledger}", "--to", f"us-west-2/{target}"]
    assert run(copy_words(moto, source, *words)) == 0
    (kept,) = Path(".beam-dynamodb/runs").iterdir()
    assert not (kept / "ledger.sqlite").exists()
    table = TableRef.parse(
        f"eu-west-1/{ledger}", endpoint_url=moto.endpoint_url("eu-west-1")
    )
    store = open_store(LedgerLocation(table))
    assert [row.sort for row in store.rows(RUNS)] == [kept.name]
    assert read_progress(store, kept.name)["scanned"] == ITEMS


# What moto takes in one item, in bytes; the service takes 409,600.
MOTO_ITEM_BYTES = 405_000
SECRET = "what an item holds is nobody's business"


@pytest.fixture
def too_large_renamed(moto: Engine, source: str) -> list[str]:
    """A target, and columns whose longer name makes one item too large for it."""
    filler = SECRET.ljust(MOTO_ITEM_BYTES - 100, ".")
    moto.dynamodb("eu-west-1").put_item(
        TableName=source, Item={"id": {"S": "odd"}, "data": {"S": filler}}
    )
    target = make_table(moto, "us-west-2", unique_name(), "id")
    columns = f"id,n,data:{'d' * 200}"
    return ["--to", f"us-west-2/{target}", "--columns", columns]


def test_a_refused_item_is_kept_and_the_others_arrive(
    moto, source, too_large_renamed, capsys
):
    words = ["--run-dir", "kept", *too_large_renamed]
    assert run(copy_words(moto, source, *words)) == 1
    target = too_large_renamed[1].rpartition("/")[2]
    assert len(all_items(moto, "us-west-2", target)) == ITEMS
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == (
        "items: scanned 301; us-west-2: written 300, rejected 1"
    )
    assert SECRET not in printed.out + printed.err
    (kept,) = Path("kept/rejected/us-west-2").iterdir()
    (line,) = gzip.decompress(kept.read_bytes()).splitlines()
    assert json.loads(line)["item"]["id"] == {"S": "odd"}


def test_a_refused_item_stops_the_job_if_asked_to(
    moto, source, too_large_renamed, capsys
):
    words = ["--on-reject", "fail", *too_large_renamed]
    assert run(copy_words(moto, source, *words)) == 3
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("beam-dynamodb: error: the job failed: ")
    assert SECRET not in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_copy_leaves_at_once_and_leaves_no_process(moto, source, number):
    target = make_table(moto, "us-west-2", unique_name(), "id")
    # 1,000 segments are 1,000 requests or more, and 1 unit a second pays for few.
    words = ["--read-units", "1", "--segments", "1000", "--workers", "2"]
    words = copy_words(moto, source, *words, "--to", f"us-west-2/{target}")
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *words],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        # Beam's workers may warn of extras that are not installed before that.
        assert any(line.startswith("scanned ") for line in process.stderr)
        process.send_signal(number)
        _, error = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 3
    assert error.splitlines()[-1].startswith("beam-dynamodb: stopped")
    assert becomes_true(lambda: not members(process.pid))


def members(group: int) -> list[str]:
    """The names of the processes of a process group that are alive (Linux)."""
    found = []
    for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")):
        with suppress(OSError):
            if os.getpgid(pid) == group and is_alive(pid):
                found.append(Path(f"/proc/{pid}/comm").read_text())
    return found


def test_several_worker_processes_share_a_copy(moto, source, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ROOT)  # they are processes of their own
    target = make_table(moto, "us-west-2", unique_name(), "id")
    words = copy_words(moto, source, "--workers", "2", "--to", f"us-west-2/{target}")
    assert run(words) == 0
    assert all_items(moto, "us-west-2", target) == all_items(moto, "eu-west-1", source)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "items: scanned 300; us-west-2: written 300"
