"""Progress rows: many processes and threads write, one reader sums."""

import multiprocessing
import os
import pickle
import sqlite3
import tempfile
import threading
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ledger.progress import (
    LEDGER_FILE_NAME,
    LedgerError,
    ProgressWriter,
    progress_writer_for,
    read_progress,
)
from transforms.throttle.clock import HeldClock

PROCESSES = 6
ADDS = 300


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / LEDGER_FILE_NAME


def count_in_a_process(path: Path, barrier: Barrier) -> None:
    barrier.wait(30)  # all make the file at once
    writer = progress_writer_for(path)
    for number in range(ADDS):
        writer.add("scanned", number)
        if number % 10 == 0:
            writer.flush()
    writer.close()


def test_writers_of_many_processes_lose_and_repeat_nothing(ledger):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    workers = [
        context.Process(target=count_in_a_process, args=(ledger, barrier))
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    seen = [0]
    while any(worker.is_alive() for worker in workers):
        seen.append(read_progress(ledger).get("scanned", 0))
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert seen == sorted(seen)  # totals never go back
    assert read_progress(ledger) == {"scanned": PROCESSES * sum(range(ADDS))}


def test_threads_of_one_process_share_a_writer_without_losing_a_count(ledger):
    clock = HeldClock()
    writer = ProgressWriter(ledger, "worker", clock=clock)

    def count() -> None:
        for _ in range(ADDS):
            clock.move(0.01)
            writer.add("written/oregon", 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert read_progress(ledger) == {"written/oregon": 4 * ADDS}


def test_a_forked_child_counts_in_rows_of_its_own(ledger):
    parent = progress_writer_for(ledger)
    parent.add("scanned", 1)
    parent.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            writer = progress_writer_for(ledger)
            writer.add("scanned", 10)
            writer.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    parent.add("scanned", 100)
    parent.close()
    assert read_progress(ledger) == {"scanned": 111}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two", "three"]),
            st.sampled_from(["scanned", "filtered", "written/oregon"]),
            st.integers(0, 10**12),
            st.floats(0, 1),
        ),
        max_size=20,
    )
)
def test_the_sums_are_those_of_all_adds_whenever_they_were_written(adds):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, LEDGER_FILE_NAME)
        clock = HeldClock()
        writers = {
            name: ProgressWriter(path, name, clock=clock)
            for name in ("one", "two", "three")
        }
        expected: Counter[str] = Counter()
        for worker, name, amount, pause in adds:
            clock.move(pause)
            writers[worker].add(name, amount)
            expected[name] += amount
        for writer in writers.values():
            writer.close()
        assert Counter(read_progress(path)) == expected


def test_adds_are_written_together_after_half_a_second(ledger):
    clock = HeldClock()
    writer = ProgressWriter(ledger, "worker", clock=clock)
    for _ in range(5):
        clock.move(0.09)
        writer.add("scanned", 1)
    assert read_progress(ledger) == {}
    clock.move(0.06)
    writer.add("scanned", 1)
    assert read_progress(ledger) == {"scanned": 6}
    clock.move(0.4)
    writer.add("scanned", 1)
    assert read_progress(ledger) == {"scanned": 6}
    writer.flush()
    assert read_progress(ledger) == {"scanned": 7}


def test_a_process_has_one_writer_for_a_file_however_it_is_named(ledger, monkeypatch):
    monkeypatch.chdir(ledger.parent)
    writer = progress_writer_for(ledger)
    assert progress_writer_for(str(ledger)) is writer
    assert progress_writer_for(ledger.name) is writer
    assert progress_writer_for(ledger.with_name("other.sqlite")) is not writer


def test_without_a_path_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = progress_writer_for(None)
    writer.add("scanned", 5)
    writer.flush()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_not_begun_has_no_progress(ledger):
    assert read_progress(ledger) == {}
    sqlite3.connect(ledger).close()
    assert read_progress(ledger) == {}
    assert read_progress(str(ledger)) == {}


def test_a_missing_run_directory_is_named_with_a_remedy(tmp_path):
    path = tmp_path / "gone" / LEDGER_FILE_NAME
    with pytest.raises(LedgerError) as caught:
        ProgressWriter(path, "worker")
    assert str(path) in str(caught.value)
    assert "run directory must exist" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_was(ledger):
    ledger.write_bytes(b"not a database, but somebody's notes " * 100)
    before = ledger.read_bytes()
    with pytest.raises(LedgerError, match="cannot write"):
        ProgressWriter(ledger, "worker")
    with pytest.raises(LedgerError, match="cannot read"):
        read_progress(ledger)
    assert ledger.read_bytes() == before


def test_a_failed_write_is_made_good_by_the_next_one(ledger):
    writer = ProgressWriter(ledger, "worker")
    writer.add("scanned", 3)
    hidden = ledger.rename(ledger.with_name("hidden"))
    ledger.mkdir()
    with pytest.raises(LedgerError, match="cannot write"):
        writer.flush()
    ledger.rmdir()
    hidden.rename(ledger)
    writer.add("scanned", 4)
    writer.close()
    assert read_progress(ledger) == {"scanned": 7}


def test_a_writer_does_not_pickle(ledger):
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(ProgressWriter(ledger, "worker"))


def test_a_reader_is_not_held_up_by_a_writer_in_the_middle_of_a_transaction(ledger):
    writer = ProgressWriter(ledger, "worker")
    writer.add("scanned", 1)
    writer.close()
    other = sqlite3.connect(ledger)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE progress SET amount = 99")
    assert read_progress(ledger) == {"scanned": 1}
    other.rollback()
    other.close()
