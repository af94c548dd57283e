"""Progress rows: many processes and threads write, one reader sums."""

import multiprocessing
import os
import pickle
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.progress import (
    ProgressWriter,
    progress_writer_for,
    read_progress,
)
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.ledger.store import LedgerStore, Row
from transforms.throttle.clock import HeldClock

PROCESSES = 4
ADDS = 300
RUN = "20261124-041500-ab12cd"


@pytest.fixture
def location(tmp_path: Path) -> LedgerLocation:
    return LedgerLocation.in_directory(tmp_path)


@pytest.fixture
def store(location: LedgerLocation) -> LedgerStore:
    return open_store(location)


def count_in_a_process(location: LedgerLocation, barrier: Barrier) -> None:
    barrier.wait(30)  # all make the file at once
    writer = progress_writer_for(location, RUN)
    for number in range(ADDS):
        writer.add("scanned", number)
        if number % 10 == 0:
            writer.flush()
    writer.close()


def test_writers_of_many_processes_lose_and_repeat_nothing(location, store):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    workers = [
        context.Process(target=count_in_a_process, args=(location, barrier))
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    seen = [0]
    while any(worker.is_alive() for worker in workers):
        seen.append(read_progress(store, RUN).get("scanned", 0))
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert seen == sorted(seen)  # totals never go back
    assert read_progress(store, RUN) == {"scanned": PROCESSES * sum(range(ADDS))}


def test_threads_of_one_process_share_a_writer_without_losing_a_count(store):
    clock = HeldClock()
    writer = ProgressWriter(store, RUN, "worker", clock=clock)

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
    assert read_progress(store, RUN) == {"written/oregon": 4 * ADDS}


def test_a_forked_child_counts_in_a_row_of_its_own(location, store):
    parent = progress_writer_for(location, RUN)
    parent.add("scanned", 1)
    parent.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            writer = progress_writer_for(location, RUN)
            writer.add("scanned", 10)
            writer.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    parent.add("scanned", 100)
    parent.close()
    assert read_progress(store, RUN) == {"scanned": 111}


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
        store = SQLiteStore(Path(directory, "ledger.sqlite"))
        clock = HeldClock()
        writers = {
            name: ProgressWriter(store, RUN, name, clock=clock)
            for name in ("one", "two", "three")
        }
        expected: Counter[str] = Counter()
        for worker, name, amount, pause in adds:
            clock.move(pause)
            writers[worker].add(name, amount)
            expected[name] += amount
        for writer in writers.values():
            writer.close()
        assert Counter(read_progress(store, RUN)) == expected
        store.close()


def test_adds_are_written_together_after_half_a_second(store):
    clock = HeldClock()
    writer = ProgressWriter(store, RUN, "worker", clock=clock)
    for _ in range(5):
        clock.move(0.09)
        writer.add("scanned", 1)
    assert read_progress(store, RUN) == {}
    clock.move(0.06)
    writer.add("scanned", 1)
    assert read_progress(store, RUN) == {"scanned": 6}
    clock.move(0.4)
    writer.add("scanned", 1)
    assert read_progress(store, RUN) == {"scanned": 6}
    writer.flush()
    assert read_progress(store, RUN) == {"scanned": 7}


def test_a_process_has_one_writer_for_a_run(location):
    writer = progress_writer_for(location, RUN)
    assert progress_writer_for(LedgerLocation.parse(str(location)), RUN) is writer
    assert progress_writer_for(location, "another run") is not writer


def test_runs_that_share_a_ledger_are_counted_apart(store):
    for run_id, amount in (("one", 1), ("two", 2)):
        writer = ProgressWriter(store, run_id, "worker")
        writer.add("scanned", amount)
        writer.close()
    assert read_progress(store, "one") == {"scanned": 1}
    assert read_progress(store, "two") == {"scanned": 2}
    assert read_progress(store, "three") == {}


class Flaky(SQLiteStore):
    """A store that does not answer while `is_down`."""

    is_down = False

    def put_many(self, rows: Iterable[Row]) -> None:
        if self.is_down:
            raise LedgerUnreachableError("nobody answers")
        super().put_many(rows)


def test_a_ledger_out_of_reach_stops_nothing_and_is_made_good_later(tmp_path, caplog):
    store = Flaky(tmp_path / "ledger.sqlite")
    writer = ProgressWriter(store, RUN, "worker")
    store.is_down = True
    for _ in range(5):
        writer.add("scanned", 3)
        writer.flush()
    assert len(caplog.records) == 3  # at the first, second and fourth
    store.is_down = False
    writer.close()
    assert read_progress(store, RUN) == {"scanned": 15}


def test_a_missing_run_directory_is_named_with_a_remedy(tmp_path):
    path = tmp_path / "gone" / "ledger.sqlite"
    writer = ProgressWriter(SQLiteStore(path), RUN, "worker")
    writer.add("scanned", 1)
    with pytest.raises(LedgerError) as caught:
        writer.flush()
    assert str(path) in str(caught.value)
    assert "run directory must exist" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_writer_does_not_pickle(store):
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(ProgressWriter(store, RUN, "worker"))
