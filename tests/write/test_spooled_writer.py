"""A route that lags lets the others go on: what waits is on disk, in order, bounded."""

import asyncio
import random
import threading

import pytest

from tests.support.fake_table import DECODER, FakeTable, item
from tests.support.processes import becomes_true
from transforms import spooled_writer
from transforms.batch_writer import BatchWriter
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.event_loop import LoopThread
from transforms.outcomes import Refused
from transforms.spool import Isolation, Spool
from transforms.spooled_writer import SpooledWriter
from transforms.throttle.clock import HeldClock
from transforms.throttle.limiter import UnlimitedLimiter

IN_FLIGHT = 2_000  # bytes; an item has some 30


@pytest.fixture
def worker():
    thread = LoopThread("spooled-writer-test")
    yield thread
    thread.close()


@pytest.fixture
def table():
    """A table in a region that is away, until its gate is opened."""
    table = FakeTable()
    table.gate = asyncio.Event()
    return table


@pytest.fixture
def make_writer(table, worker):
    made = []

    def make(spool_bytes=1_000_000, *, is_stopped=lambda: False, keys_unique=True):
        lanes = BatchWriter(
            table,
            UnlimitedLimiter(),
            worker.loop,
            clock=HeldClock(auto_advance=True),
            rng=random.Random(2),
            keys=DECODER,
            keys_unique=keys_unique,
            max_bytes_in_flight=IN_FLIGHT,
        )
        made.append(SpooledWriter(lanes, Spool(Isolation(spool_bytes)), is_stopped))
        return made[-1]

    yield make
    for writer in made:
        writer.close()


@pytest.fixture
def come_back(table, worker):
    return lambda: worker.loop.call_soon_threadsafe(table.gate.set)


def page(number, size=20):
    return [item(f"{number}-{n}", number) for n in range(size)]


def submit(writer, pages):
    for number in range(pages):
        writer.submit(page(number), number)


def test_a_caller_goes_on_while_the_region_is_away_and_all_is_written_after(
    make_writer, table, come_back
):
    writer = make_writer()
    submit(writer, 200)  # returns: 120 KB of items, with 2 KB in flight
    assert not table.items
    assert writer._writer.peak_bytes_in_flight <= IN_FLIGHT
    assert writer._in_memory <= spooled_writer.PAGES_IN_MEMORY
    assert writer.take_finished() == []  # no outcome, so no receipt, before its time
    come_back()
    outcomes = writer.drain()
    assert sorted(outcome.token for outcome in outcomes) == list(range(200))
    assert {outcome.written for outcome in outcomes} == {20}
    assert len(table.items) == 4_000


def test_equal_keys_keep_their_order_through_the_spool(make_writer, table, come_back):
    writer = make_writer(keys_unique=False)
    for version in range(60):
        writer.submit([item("a", version), item(f"{version}")], version)
    come_back()
    writer.drain()
    assert table.items["a"] == "59"


def test_a_full_spool_holds_the_caller_up_until_there_is_room(
    make_writer, table, come_back
):
    writer = make_writer(spool_bytes=3_000)
    caller = threading.Thread(target=submit, args=(writer, 100))
    caller.start()
    caller.join(0.3)
    assert caller.is_alive()
    assert len(writer._waiting) < 20
    come_back()
    caller.join(20)
    assert not caller.is_alive()
    writer.drain()
    assert len(table.items) == 2_000


def test_a_full_disk_holds_the_caller_up_and_loses_nothing(
    make_writer, table, come_back, monkeypatch, caplog
):
    monkeypatch.setattr("transforms.spool._LEAVE_FREE_BYTES", 10**18)
    writer = make_writer()
    caller = threading.Thread(target=submit, args=(writer, 100))
    caller.start()
    caller.join(0.3)
    assert caller.is_alive()
    come_back()
    caller.join(20)
    assert not caller.is_alive()
    writer.drain()
    assert len(table.items) == 2_000
    assert caplog.text.count("can't grow") < 100  # said when it begins, not each time


def test_items_that_were_never_sent_come_back_with_their_page(make_writer, come_back):
    writer = make_writer()
    refused = [Refused(b'{"id":{"S":""}}', "EmptyKey: of the mapping", 0)]
    for number in range(40):
        writer.submit(page(number, 1), number, refused)
    come_back()
    for outcome in writer.drain():
        assert (outcome.items, outcome.written, outcome.refused) == (2, 1, refused)


def test_a_job_that_fails_is_told_to_the_caller_who_waits(make_writer, table):
    table.stop_with, table.gate = JobStoppedError("the table is gone"), None
    writer = make_writer(spool_bytes=3_000)
    with pytest.raises(JobStoppedError, match="gone"):
        submit(writer, 500)
    with pytest.raises(JobStoppedError, match="gone"):
        writer.drain()


def test_a_spool_that_cannot_be_read_back_stops_the_job(
    make_writer, come_back, monkeypatch
):
    writer = make_writer()
    submit(writer, 60)

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.pread", broken)
    come_back()
    with pytest.raises(JobStoppedError, match="cannot be read back"):
        writer.drain()


def test_a_stop_finishes_what_is_in_flight_and_drops_what_waits(
    make_writer, table, come_back
):
    stopped = threading.Event()
    writer = make_writer(is_stopped=stopped.is_set)
    submit(writer, 200)
    stopped.set()
    results = []
    drain = threading.Thread(target=lambda: results.append(writer.drain()))
    drain.start()
    assert becomes_true(lambda: writer.dropped > 0)
    come_back()
    drain.join(20)
    (outcomes,) = results
    assert len(outcomes) + writer.dropped == 200
    assert len(table.items) == 20 * len(outcomes)


def test_closing_ends_the_thread_and_gives_the_disk_back(make_writer):
    writer = make_writer()
    submit(writer, 100)
    writer.close()
    writer._thread.join(10)
    assert not writer._thread.is_alive()
    assert writer._spool._file is None
    with pytest.raises(JobStoppedError, match="closed"):
        writer.submit(page(1), 1)
