"""The rate of a running job, shown and changed through its ledger."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true
from transforms.ledger.lease_rows import WHOLE, Pool, pool_partition, read_pool
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.store import RUNS, LedgerStore, Row

RUN = "20261124-041500-ab12cd"
READ, WRITE = "read eu-west-1/birds", "write us-west-2/birds"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerStore:
    """The ledger of a run in the usual place, with two budgets."""
    monkeypatch.chdir(tmp_path)
    directory = Path(".beam-dynamodb/runs", RUN)
    directory.mkdir(parents=True)
    store = open_store(LedgerLocation.in_directory(directory))
    store.put_many([Row(RUNS, RUN, 1, b"")])
    for budget in (READ, WRITE):
        pool = Pool(budget, 0, WHOLE, 400.0, "", "40% of 1,000 WCU")
        assert store.commit([pool.changed(RUN, 0)])
    return store


def rates(store: LedgerStore) -> dict[str, str]:
    pools = [Pool.of_row(row) for row in store.rows(pool_partition(RUN))]
    return {pool.budget: pool.rate for pool in pools}


def test_it_shows_each_budget_and_why(store, capsys):
    assert run(["rate", RUN]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{READ}: 400 units/s, 40% of 1,000 WCU",
        f"{WRITE}: 400 units/s, 40% of 1,000 WCU",
    ]


@pytest.mark.parametrize(
    ("said", "written"),
    [("20%", "20%"), ("500/s", "500 units/s"), ("0", "0"), ("own", "")],
)
def test_it_writes_what_all_workers_then_follow(store, said, written):
    assert run(["rate", RUN, "--set", said]) == 0
    assert rates(store) == {READ: written, WRITE: written}


def test_one_budget_alone_can_be_changed(store):
    assert run(["rate", RUN, "--set", "5%", "--of", "write"]) == 0
    assert rates(store) == {READ: "", WRITE: "5%"}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "name the run first"),
        (["no-such-run"], "there is no run 'no-such-run'"),
        ([RUN, "--set", "fast"], "cannot read the rate 'fast'"),
        ([RUN, "--set", "200%"], "at most 150"),
        ([RUN, "--set", "unlimited"], "can't be set while a job runs"),
        ([RUN, "--set", "5%", "--of", "bees"], "no budget with 'bees' in its name"),
        (["another", "--ledger", "sqlite:other"], "knows no run 'another'"),
    ],
)
def test_what_cannot_be_done_is_refused(store, capsys, words, error):
    assert run(["rate", *words]) == 2
    assert error in capsys.readouterr().err


@pytest.fixture
def slow_copy(
    moto: Engine,
    engine_credentials: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A copy of 2,000 items at 5 units a second; gives its run directory."""
    monkeypatch.chdir(tmp_path)
    source = make_table(moto, "eu-west-1", unique_name(), "id")
    target = make_table(moto, "us-west-2", unique_name(), "id")
    client = moto.dynamodb("eu-west-1")
    for start in range(0, 2000, 25):
        items = [{"id": {"S": f"{number}"}} for number in range(start, start + 25)]
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        client.batch_write_item(RequestItems={source: requests})
    words = ["copy", "--endpoint", moto.endpoint_url("eu-west-1"), "--run-dir", "run"]
    words += ["--source", f"eu-west-1/{source}", "--to", f"us-west-2/{target}"]
    words += ["--write-units", "2", "--read-units", "2000"]
    command = [sys.executable, "-m", "pipelines", *words]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment) as process:
        yield tmp_path / "run"
        process.send_signal(signal.SIGKILL)


@pytest.mark.emulator
@pytest.mark.slow
def test_a_running_copy_is_made_faster(slow_copy, capsys):
    store = open_store(LedgerLocation.in_directory(slow_copy))

    def has_a_budget() -> bool:
        if not (slow_copy / "ledger.sqlite").exists():
            return False
        runs = store.rows(RUNS)
        return bool(runs) and len(store.rows(pool_partition(runs[-1].sort))) == 2

    # Beam takes its time to start on a busy machine.
    assert any(becomes_true(has_a_budget) for _ in range(4))
    run_id = store.rows(RUNS)[-1].sort
    (write,) = [
        row.sort for row in store.rows(pool_partition(run_id)) if "write" in row.sort
    ]
    assert run(["rate", str(slow_copy), "--set", "5000/s", "--of", "write"]) == 0

    def is_faster() -> bool:
        pool = read_pool(store, run_id, write)
        return pool is not None and pool.promise == 5000

    assert becomes_true(is_faster)
