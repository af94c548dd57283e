"""The batch writer against a table that keeps state and fails on demand."""

import asyncio
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_table import DECODER, FakeTable, item
from transforms.batch_requests import (
    MAX_ITEMS_PER_REQUEST,
    MAX_REQUEST_BYTES,
    split_items,
)
from transforms.batch_writer import BatchWriter
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.operations import batch_put_body
from transforms.throttle.clock import HeldClock
from transforms.throttle.limiter import UnlimitedLimiter
from transforms.writer_lanes import Outcome


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def writer_to(table, loop, *, limiter=None, clock=None, **options):
    return BatchWriter(
        table,
        limiter or UnlimitedLimiter(),
        loop,
        clock=clock or HeldClock(auto_advance=True),
        rng=random.Random(2),
        keys=DECODER,
        **options,
    )


def accounted(outcome):
    return outcome.written + outcome.superseded + len(outcome.refused)


@given(st.lists(st.integers(0, 3_000_000), max_size=60))
def test_requests_hold_at_most_25_items_and_16_mb_in_order(sizes):
    items = [bytes(1) * size for size in sizes]
    groups = list(split_items(items))
    assert [each for group, _ in groups for each in group] == items
    for group, size_bytes in groups:
        assert 1 <= len(group) <= MAX_ITEMS_PER_REQUEST
        assert sum(map(len, group)) == size_bytes
        assert len(batch_put_body("t", group)) <= MAX_REQUEST_BYTES


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "bad1", "bad2", "d"]), max_size=40),
        max_size=6,
    ),
    st.floats(0, 0.7),
    st.booleans(),
)
def test_every_item_is_written_superseded_or_refused(loop, batches, share, unique):
    """I2, I3 and "last wins" under duplicates, bad items and unprocessed ones."""
    table = FakeTable(random.Random(3), share)
    writer = writer_to(table, loop, keys_unique=unique)
    expected: dict[str, str] = {}
    outcomes: list[Outcome] = []
    version = 0
    for batch in batches:
        wires = []
        for key in batch:
            version += 1
            wires.append(item(key, version))
            if "bad" not in key:
                expected[key] = str(version)
        writer.submit(wires, token=len(outcomes))
        if unique:  # the promise is broken here, but within one submit at most
            outcomes += writer.drain()
    outcomes += writer.drain()
    assert sum(o.items for o in outcomes) == sum(map(len, batches))
    assert all(accounted(o) == o.items for o in outcomes)
    if not unique:
        assert table.items == expected
    assert all("bad" in r.wire.decode() for o in outcomes for r in o.refused)


def test_deletes_send_keys_alone(loop):
    table = FakeTable()
    table.items = {"a": "1", "b": "2"}
    writer = writer_to(table, loop, deletes=True)
    writer.submit([item("a", 5)], None)
    assert [o.written for o in writer.drain()] == [1]
    assert table.items == {"b": "2"}


def test_submit_waits_while_too_many_bytes_are_in_flight(loop):
    table = FakeTable()
    table.gate = asyncio.Event()
    wires = [item(f"{n}") for n in range(1000)]
    bound = 4 * sum(map(len, wires[:100]))
    writer = writer_to(table, loop, keys_unique=True, max_bytes_in_flight=bound)

    def feed():
        for start in range(0, 1000, 100):
            writer.submit(wires[start : start + 100], start)

    feeder = threading.Thread(target=feed)
    feeder.start()
    feeder.join(0.3)
    assert feeder.is_alive()
    loop.call_soon_threadsafe(table.gate.set)
    feeder.join(10)
    assert not feeder.is_alive()
    assert sum(o.written for o in writer.drain()) == 1000
    assert writer.peak_bytes_in_flight <= bound


def test_an_error_that_stops_the_job_reaches_the_caller(loop):
    table = FakeTable()
    table.stop_with = JobStoppedError("the table is gone")
    writer = writer_to(table, loop)
    writer.submit([item("a")], None)
    with pytest.raises(JobStoppedError, match="gone"):
        writer.drain()
    with pytest.raises(JobStoppedError, match="gone"):
        writer.submit([item("b")], None)


def test_items_unprocessed_for_ever_stop_the_job(loop):
    writer = writer_to(FakeTable(unprocessed_share=1.0), loop, deadline_seconds=60)
    writer.submit([item("a")], None)
    with pytest.raises(JobStoppedError, match="unprocessed for 60 s"):
        writer.drain()


class LateTable(FakeTable):
    """Leaves all items of its first four requests unprocessed."""

    def _write(self, requests):
        self.unprocessed_share = float(self.requests < 5)
        return super()._write(requests)


class SlowLimiter(UnlimitedLimiter):
    """Lets a request go every thousand seconds."""

    def __init__(self, clock):
        self.clock = clock

    def take_at_once(self, units):
        return False

    async def acquire(self, units):
        if units:
            await self.clock.sleep(1_000)


def test_unprocessed_items_that_wait_for_our_own_rate_use_up_no_deadline(loop):
    clock = HeldClock(auto_advance=True)
    writer = writer_to(
        LateTable(), loop, limiter=SlowLimiter(clock), clock=clock, deadline_seconds=60
    )
    writer.submit([item("a")], None)
    (outcome,) = writer.drain()
    assert outcome.written == 1
    assert clock.monotonic() >= 5_000


def test_a_defect_in_the_writer_does_not_hang_the_job(loop):
    table = FakeTable()
    table.stop_with = ZeroDivisionError("oops")
    writer = writer_to(table, loop)
    writer.submit([item("a")], None)
    with pytest.raises(JobStoppedError, match="ZeroDivisionError"):
        writer.drain()


def test_an_empty_submit_finishes_at_once(loop):
    writer = writer_to(FakeTable(), loop)
    writer.submit([], "empty")
    assert [o.token for o in writer.drain()] == ["empty"]
