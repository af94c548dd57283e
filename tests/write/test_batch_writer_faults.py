"""The batch writer where something is wrong: items, lanes, the loop, the caller."""

import asyncio
import random
import threading

import pytest

from tests.support.fake_table import DECODER, FakeTable, item
from transforms.batch_writer import BatchWriter
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.event_loop import LoopThread
from transforms.throttle.clock import HeldClock
from transforms.throttle.limiter import UnlimitedLimiter
from transforms.writer_lanes import Outcome

NAMED = {"MissingKey", "WrongKeyType", "NumberOutOfRange", "InvalidItem"}
KEYLESS = [
    pytest.param(b'{"v":{"N":"1"}}', id="not-there"),
    pytest.param(b'{"id":{"M":{}},"v":{"N":"1"}}', id="a-map"),
    pytest.param(b'{"id":{"S":1},"v":{"N":"1"}}', id="no-text"),
    pytest.param(b'{"id":{"N":"' + b"1" * 39 + b'"},"v":{"N":"1"}}', id="39-digits"),
    pytest.param(b"[]", id="no-item"),
]


class LedgerLimiter(UnlimitedLimiter):
    """Keeps an account of what is reserved, and of what was charged."""

    def __init__(self):
        self.reserved = self.charged = 0.0

    def take_at_once(self, units):
        self.reserved += units
        return True

    def settle(self, reserved, consumed):
        self.reserved -= reserved
        self.charged += consumed


@pytest.fixture
def worker():
    thread = LoopThread("writer-test")
    yield thread
    thread.close()


def writer_to(table, worker, limiter=None, **options):
    return BatchWriter(
        table,
        limiter or UnlimitedLimiter(),
        worker.loop,
        clock=HeldClock(auto_advance=True),
        rng=random.Random(2),
        keys=DECODER,
        **options,
    )


def in_time(function):
    """Calls in a thread, which is given up on: a test must not hang."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(10)
    assert results, "it hangs"
    return results[0]


# --- items ----------------------------------------------------------------------------


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("bad", KEYLESS)
def test_an_item_whose_key_cannot_be_read_is_refused_alone(worker, deletes, bad):
    """I3: whatever a stage of the user's made of it."""
    table = FakeTable()
    writer = writer_to(table, worker, deletes=deletes)
    writer.submit([item("a"), bad, item("b")], None)
    (outcome,) = writer.drain()
    assert (outcome.written, outcome.superseded) == (2, 0)
    (refused,) = outcome.refused
    assert refused.attempts == 0
    assert refused.reason.partition(":")[0] in NAMED
    if not deletes:
        assert refused.wire == bad


def test_no_reason_shows_what_the_item_holds(worker):
    writer = writer_to(FakeTable(), worker)
    writer.submit([b'{"id":{"N":"4242x"}}', b'{"id":{"S":4242}}'], None)
    (outcome,) = writer.drain()
    assert len(outcome.refused) == 2
    assert not [r for r in outcome.refused if "4242" in r.reason]


def test_duplicates_beside_an_item_without_a_key_are_still_written(worker):
    table = FakeTable()
    table.key_of_keyless = "?"
    writer = writer_to(table, worker, keys_unique=True)
    writer.submit([item("a", 1), b'{"v":{"N":"1"}}', item("a", 2)], None)
    (outcome,) = writer.drain()
    assert (outcome.written, outcome.superseded, len(outcome.refused)) == (1, 1, 1)
    assert table.items == {"a": "2"}


def test_a_number_key_of_one_digit_and_forty_zeros_is_read():
    ten, spelled = b'{"id":{"N":"1' + b"0" * 40 + b'"}}', b'{"id":{"N":"1E40"}}'
    assert DECODER.key(ten) == DECODER.key(spelled)


# --- keys in flight -------------------------------------------------------------------


def test_keys_are_forgotten_when_their_own_items_are_written(worker):
    """Not when nothing is in flight, which in a long bundle may never be."""
    table = FakeTable()
    table.gates = {"slow": asyncio.Event()}
    writer = writer_to(table, worker)
    writer.submit([item("slow")], "slow")
    for number in range(50):
        writer.submit([item(f"{number}")], number)
    in_time(lambda: wait_for_outcomes(writer, 50))
    assert writer._keys_in_flight == {DECODER.key(item("slow"))}
    worker.loop.call_soon_threadsafe(table.gates["slow"].set)
    assert [outcome.token for outcome in writer.drain()] == ["slow"]
    assert writer._keys_in_flight == set()


def wait_for_outcomes(writer, count):
    outcomes: list[Outcome] = []
    while len(outcomes) < count:
        outcomes += writer.take_finished()
    return outcomes


def test_an_equal_key_waits_for_the_earlier_one_alone(worker):
    table = FakeTable()
    table.gates = {"slow": asyncio.Event(), "a": asyncio.Event()}
    writer = writer_to(table, worker)
    writer.submit([item("slow", 1)], "slow")
    writer.submit([item("a", 1)], "first")
    second = threading.Thread(target=writer.submit, args=([item("a", 2)], "second"))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    worker.loop.call_soon_threadsafe(table.gates["a"].set)
    second.join(10)
    assert not second.is_alive()
    worker.loop.call_soon_threadsafe(table.gates["slow"].set)
    assert {outcome.token for outcome in writer.drain()} == {"slow", "first", "second"}
    assert table.items["a"] == "2"


# --- lanes and the loop ---------------------------------------------------------------


def test_requests_queued_while_all_lanes_end_find_a_lane(worker):
    """Lanes that have ended but are still counted would leave the queue for ever."""
    table = FakeTable()
    gate = table.gate = asyncio.Event()
    table.yields = False
    writer = writer_to(table, worker, keys_unique=True)
    for number in range(32):
        writer.submit([item(f"{number}")], number)
    in_time(lambda: wait_for_requests(table, 32))

    def finish_all_and_queue_one() -> None:
        gate.set()
        writer.submit([item("late")], "late")

    worker.loop.call_soon_threadsafe(finish_all_and_queue_one)
    outcomes = in_time(lambda: wait_for_outcomes(writer, 33))
    assert {outcome.written for outcome in outcomes} == {1}


def wait_for_requests(table, count):
    while table.requests < count:
        pass
    return True


def test_closing_cancels_what_is_in_flight_and_leaves_the_loop_clean(worker):
    table, limiter = FakeTable(), LedgerLimiter()
    table.gate = asyncio.Event()
    writer = writer_to(table, worker, limiter, keys_unique=True)
    for number in range(40):  # more than there are lanes
        writer.submit([item(f"{number}")], number)
    in_time(lambda: wait_for_requests(table, 32))
    writer.close()

    async def tasks_left() -> int:
        await asyncio.sleep(0)
        return len(asyncio.all_tasks() - {asyncio.current_task()})

    assert worker.run(tasks_left()) == 0
    assert limiter.reserved == 0
    # Cancelled writes may have been charged.
    estimates = [1 + len(item(f"{number}")) / 1024 for number in range(32)]
    assert limiter.charged == pytest.approx(sum(estimates))
    with pytest.raises(JobStoppedError, match="was closed"):
        writer.drain()
    with pytest.raises(JobStoppedError, match="was closed"):
        writer.submit([item("a")], None)


def test_what_fails_at_once_gives_its_reservation_back(worker):
    table, limiter = FakeTable(), LedgerLimiter()
    table.stop_with = JobStoppedError("the table is gone")
    writer = writer_to(table, worker, limiter)
    writer.submit([item("a")], None)
    with pytest.raises(JobStoppedError, match="gone"):
        writer.drain()
    assert (limiter.reserved, limiter.charged) == (0, 0)


def test_a_loop_that_ends_wakes_the_caller():
    worker = LoopThread("ends")
    table = FakeTable()
    table.gate = asyncio.Event()
    writer = writer_to(table, worker)
    writer.submit([item("a")], None)
    in_time(lambda: wait_for_requests(table, 1))
    worker.close()
    with pytest.raises(JobStoppedError, match="loop was closed"):
        writer.drain()


class FailingLimiter(UnlimitedLimiter):
    """Learns from its table what may be spent, and is told that nobody may ask."""

    def __init__(self, error):
        self.error = error

    async def acquire(self, units):
        await asyncio.sleep(0)
        raise self.error


@pytest.mark.parametrize(
    "error", [JobStoppedError("denied"), OSError("denied")], ids=["typed", "a defect"]
)
def test_a_limiter_that_fails_stops_the_job_instead_of_hanging_it(worker, error):
    """A lane that just ended would leave its queue, and whoever drains, for ever."""
    writer = writer_to(FakeTable(), worker, FailingLimiter(error))
    writer.submit([item("a")], None)

    def drain() -> str:
        with pytest.raises(JobStoppedError, match="denied") as caught:
            writer.drain()
        return str(caught.value)

    assert "denied" in in_time(drain)


def test_an_error_within_a_halved_request_counts_no_item_twice(worker):
    """The bundle fails, and is written again from its start."""
    table = FakeTable()
    writer = writer_to(table, worker)
    table.stop_after = 2  # the whole is refused, its first half written
    writer.submit([item("a"), item("b"), item("c"), item("bad")], None)
    with pytest.raises(JobStoppedError, match="after 2 requests"):
        writer.drain()
    assert set(table.items) == {"a", "b"}
    again = writer_to(table, worker)
    table.stop_after = None
    again.submit([item("a"), item("b"), item("c"), item("bad")], None)
    (outcome,) = again.drain()
    assert (outcome.written, len(outcome.refused)) == (3, 1)
    assert set(table.items) == {"a", "b", "c"}
