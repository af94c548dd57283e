"""A backup that was killed or stopped goes on: no page is read twice, none is missing.

The table changes while nobody reads it, so that what the backup holds tells when it
was read.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines import launch
from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true
from transforms.archive.manifest import read_manifest
from transforms.archive.sources import find_backup
from transforms.ledger.page_groups import PageGroup, read_groups, selected
from transforms.ledger.sqlite_store import SQLiteStore

pytestmark = [pytest.mark.dynoxide, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
ITEMS, ITEM_BYTES = 2_000, 2_000  # four files of a megabyte
ROOT = str(Path(__file__).parents[2])
KILLED_BEFORE_THE_MANIFEST = """
import os, signal, sys
from transforms.archive import write_backup
write_backup.finish_backup = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from pipelines.commands import run
run(sys.argv[1:])
"""
FORMATS = {
    "dynamodb-json": [],
    "parquet": ["--format", "parquet", "--lossless", "--partition-by", "part"],
}


@pytest.fixture
def source(dynoxide: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "LEASE_SECONDS", 0.1)
    name = make_table(dynoxide, REGION, unique_name(), "id")
    put_all(dynoxide, name, "old")
    return name


def put_all(engine: Engine, name: str, age: str) -> None:
    for start in range(0, ITEMS, 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": make_item(n, age)}}
            for n in range(start, start + 25)
        ]
        engine.dynamodb(REGION).batch_write_item(RequestItems={name: requests})


def make_item(number: int, age: str) -> dict[str, Any]:
    return {
        "id": {"S": f"{number}"},
        "part": {"S": f"p{number % 3}"},
        "age": {"S": age},
        "data": {"S": "x" * ITEM_BYTES},
    }


def backup_words(engine: Engine, source: str, form: str, *, slow: bool) -> list[str]:
    words = ["backup", "--source", f"{REGION}/{source}", "--to", "kept"]
    words += ["--endpoint", engine.endpoint_url(REGION), "--run-dir", "ran"]
    words += ["--segments", "8", "--page-limit", "20", "--file-mb", "1"]
    words += ["--read-units", "150" if slow else "unlimited"]
    return [*words, *FORMATS[form]]


def groups() -> list[PageGroup]:
    if not Path("ran/run.json").exists() or not Path("ran/ledger.sqlite").exists():
        return []
    run_id = json.loads(Path("ran/run.json").read_text())["run"]["run_id"]
    return selected(read_groups(SQLiteStore("ran/ledger.sqlite"), run_id))


def settled_items() -> int:
    return sum(group.counts.get("scanned", 0) for group in groups())


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def ages(form: str) -> dict[str, str]:
    """Every item of the backup, by id, with its age; each is there once."""
    (directory,) = (path.parent for path in Path("kept").rglob("_started"))
    assert find_backup(str(directory.absolute())).items == ITEMS
    found: list[tuple[str, str]] = []
    for path in sorted(Path(directory, "data").rglob("*.*")):
        if form == "parquet":
            rows = pq.read_table(path, columns=["id", "age"], partitioning=None)
            found += zip(*(column.to_pylist() for column in rows), strict=True)
        else:
            for line in gzip.decompress(path.read_bytes()).splitlines():
                item = json.loads(line)["Item"]
                found.append((item["id"]["S"], item["age"]["S"]))
    assert len(found) == ITEMS
    return dict(found)


def assert_goes_on(engine: Engine, source: str, form: str, capsys: Any) -> None:
    """What was settled before the table changed is old, and all else new."""
    settled = settled_items()
    assert settled > 0
    put_all(engine, source, "new")
    assert run(["backup", "--resume", "ran"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert f"complete already: items: scanned {settled:,}; backup: written " in str(out)
    assert f"items: scanned {ITEMS:,}; backup: written {ITEMS:,}" in out
    found = ages(form)
    assert len(found) == ITEMS
    assert list(found.values()).count("old") == settled
    assert not list(Path("kept").rglob("_temporary/**/*.*"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_killed_backup_reads_no_page_of_a_complete_file_again(
    dynoxide, source, capsys, form
):
    process = start("-m", "pipelines", *backup_words(dynoxide, source, form, slow=True))
    try:
        assert becomes_true(lambda: len(groups()) >= (1 if form == "parquet" else 2))
    finally:
        kill(process)
    assert not list(Path("kept").rglob("*manifest*"))
    assert settled_items() < ITEMS
    assert_goes_on(dynoxide, source, form, capsys)


def test_a_backup_killed_between_data_and_manifest_needs_no_page_again(
    dynoxide, source, capsys
):
    words = backup_words(dynoxide, source, "dynamodb-json", slow=False)
    process = start("-c", KILLED_BEFORE_THE_MANIFEST, *words)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, output
    assert list(Path("kept").rglob("data/*.gz"))
    assert not list(Path("kept").rglob("*manifest*"))
    assert settled_items() == ITEMS
    assert_goes_on(dynoxide, source, "dynamodb-json", capsys)


def test_a_stopped_backup_says_how_to_go_on_and_a_whole_one_is_verified(
    dynoxide, source, capsys
):
    words = [*backup_words(dynoxide, source, "dynamodb-json", slow=True), "--verify"]
    process = start("-m", "pipelines", *words)
    try:
        assert becomes_true(lambda: len(groups()) >= 1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 3
    last = output.splitlines()[-1]
    command = f"beam-dynamodb backup --resume {Path('ran').absolute()}"
    assert last.endswith(f"goes on with: {command}")
    assert_goes_on(dynoxide, source, "dynamodb-json", capsys)
    # A whole one is not made again, and verified as it was told.
    assert run(["backup", "--resume", "ran"]) == 0
    said = capsys.readouterr().out
    assert "is whole; nothing is read again" in said
    assert f"verified: {ITEMS:,} items read back" in said


def test_another_commands_run_is_refused(dynoxide, source, capsys):
    words = backup_words(dynoxide, source, "dynamodb-json", slow=False)
    assert run(words) == 0
    (directory,) = (path.parent for path in Path("kept").rglob("_started"))
    manifest = read_manifest(str(directory.absolute()))
    assert manifest is not None
    assert manifest.items == ITEMS
    assert run(["copy", "--resume", "ran"]) == 2
    assert "is none of beam-dynamodb copy's" in capsys.readouterr().err
