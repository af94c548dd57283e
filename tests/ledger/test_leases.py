"""Leases: the sum never exceeds the promise (I5), and nothing lies unused for long.

Most of these run in the simulation of benchmarks/throttle_simulation.py: the code under
test is the real one, the clocks are held, and each worker's clock is wrong in its way.
"""

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from functools import partial
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.throttle_simulation import Event, ScriptedPromise, Simulation, churn
from tests.support.engines import unique_name
from tests.support.faulty_proxy.recording import worst_window
from tests.support.processes import becomes_true
from transforms.dynamodb.tables import TableRef
from transforms.ledger.dynamodb_store import DynamoDBStore
from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.lease_rows import WHOLE, read_leases
from transforms.ledger.leased_limiter import LeasedLimiter
from transforms.ledger.leases import LEASE_SECONDS, MARGIN_SECONDS, LeaseHolder
from transforms.ledger.receipts import FencedError
from transforms.ledger.run_record import RunRecord, keep_record, take_up
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.ledger.store import LedgerStore
from transforms.throttle.clock import Clock, HeldClock, SystemClock
from transforms.throttle.token_bucket import TokenBucket

# After a death: the lease, the margin, and the look that finds it over.
HANDOVER_SECONDS = LEASE_SECONDS + MARGIN_SECONDS + 4.0
PROMISE = 100.0


def play(
    seconds: float, *events: Event, workers: int = 3, **options: float
) -> Simulation:
    simulation = Simulation(PROMISE, **options)  # type: ignore[arg-type]
    joins = [Event(0.1 * number, "join", number) for number in range(workers)]
    simulation.run(seconds, [*joins, *events])
    return simulation


KINDS = ["join", "kill", "stop", "go_on", "idle", "work", "ledger_down", "ledger_up"]
events_of = st.builds(
    Event,
    st.floats(0, 50).map(lambda at: round(at, 2)),
    st.sampled_from([*KINDS, "promise"]),
    st.integers(0, 5),
    st.sampled_from([5.0, 40.0, 100.0, 300.0]),
)


@settings(max_examples=25)
@given(
    st.lists(events_of, max_size=25),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([5.0, 25.0, 100.0]),
)
def test_whatever_happens_the_promise_is_never_exceeded(events, seed, error, units):
    joins = [Event(0.1 * number, "join", number) for number in range(6)]
    simulation = Simulation(
        PROMISE, seed=seed, estimate_error=error, request_units=units
    )
    simulation.run(55, [*joins, *events])
    assert simulation.breach() is None
    parts = read_leases(simulation.store, "run", "write us-west-2/birds")
    if parts.pool is None:  # the ledger was away all the time
        assert simulation.charges == []
        return
    assert parts.pool.free + sum(lease.parts for lease in parts.leases) == WHOLE


def test_the_harness_sees_a_promise_that_is_exceeded():
    simulation = play(30)
    simulation.charges = sorted(simulation.charges * 2)
    assert simulation.breach() is not None


def test_a_workers_promise_is_used_whole_whoever_comes_and_goes():
    script = churn(8, 300, random.Random(5), per_minute=0)
    simulation = Simulation(PROMISE, seed=5)
    simulation.run(300, script)
    assert simulation.breach() is None
    assert 0.96 < simulation.used(30, 300) < 1.04  # clocks are up to 4 % off


def test_what_a_dead_worker_held_is_used_again_after_its_lease_and_margin():
    simulation = play(90, Event(30, "kill", 0), Event(30, "kill", 1))
    assert simulation.breach() is None
    assert simulation.used(31, 38) < 0.5  # it is not taken from the living
    assert simulation.used(30 + HANDOVER_SECONDS + 1, 90) > 0.95


def test_an_idle_worker_passes_its_part_on_within_a_lease():
    simulation = play(70, Event(30, "idle", 0), Event(30, "idle", 1))
    assert simulation.breach() is None
    assert simulation.used(30 + LEASE_SECONDS, 70) > 0.95


def test_a_worker_that_comes_back_to_work_gets_a_fair_part_again():
    simulation = play(120, Event(20, "idle", 0), Event(70, "work", 0), workers=2)
    assert simulation.used(30, 120) > 0.95
    leases = read_leases(simulation.store, "run", "write us-west-2/birds").leases
    assert [lease.parts for lease in leases] == pytest.approx([WHOLE / 2] * 2, rel=0.05)


def test_a_stopped_process_spends_nothing_more_under_its_old_lease():
    simulation = play(120, Event(30, "stop", 0), Event(80, "go_on", 0), workers=2)
    assert simulation.breach() is None
    assert simulation.used(30 + HANDOVER_SECONDS + 1, 80) > 0.95


def test_a_new_promise_is_in_force_within_a_lease():
    simulation = play(90, Event(30, "promise", 0, 300), Event(60, "promise", 0, 30))
    assert simulation.breach() is None
    assert simulation.used(36, 60) > 0.95
    assert 0.9 < simulation.used(60 + LEASE_SECONDS, 90) < 1.1


def test_a_promise_of_nothing_stops_all_until_there_is_one_again():
    simulation = play(90, Event(30, "promise", 0, 0), Event(60, "promise", 0, 100))
    assert simulation.breach() is None
    units = [u for at, u in simulation.charges if 30 + LEASE_SECONDS < at < 60]
    assert units == []
    assert simulation.used(66, 90) > 0.95


def test_workers_stop_when_their_lease_ends_while_the_ledger_is_away():
    simulation = play(120, Event(30, "ledger_down"), Event(80, "ledger_up"))
    late = [at for at, _ in simulation.charges if 30 + LEASE_SECONDS + 1 < at < 80]
    assert late == []
    assert simulation.used(87, 120) > 0.95
    assert simulation.breach() is None


def test_a_lease_costs_at_most_four_writes_a_worker_and_period():
    simulation = play(30, workers=5)
    before = simulation.store.written_rows
    again = play(130, workers=5)
    rows = again.store.written_rows - before
    assert rows / 5 / (100 / LEASE_SECONDS) <= 4


def holder_of(
    store: LedgerStore, clock: Clock, promise: float, name: str, **options: object
) -> LeasedLimiter:
    return LeasedLimiter(
        TokenBucket.without_lease(clock),
        lambda bucket: LeaseHolder(
            store,
            "run",
            "budget",
            bucket,
            ScriptedPromise(lambda: promise),
            worker_id=name,
            clock=clock,
            rng=random.Random(name),
            **options,  # type: ignore[arg-type]
        ),
    )


def test_who_asks_for_nothing_any_more_gives_everything_back(tmp_path):
    store = SQLiteStore(tmp_path / "ledger.sqlite")

    async def direct(function):
        return function()

    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        limiter = holder_of(store, clock, 100, "one", run_blocking=direct)
        assert not limiter.take_at_once(10)  # nobody keeps a lease yet
        await limiter.acquire(10)
        assert limiter.take_at_once(10)
        assert read_leases(store, "run", "budget").leases[0].parts == WHOLE
        await clock.sleep(3 * LEASE_SECONDS)
        assert not limiter.take_at_once(10)
        read = read_leases(store, "run", "budget")
        assert read.leases == []
        assert read.pool is not None
        assert read.pool.free == WHOLE
        await limiter.acquire(10)  # and may come back
        assert read_leases(store, "run", "budget").leases[0].parts == WHOLE

    asyncio.run(scenario())


def test_a_worker_of_an_earlier_epoch_spends_nothing_once_its_lease_is_over(tmp_path):
    """So a resumption that waits for one lease writes after the last of them."""
    store = SQLiteStore(tmp_path / "ledger.sqlite")
    keep_record(store, RunRecord("run", "{}", "{}"))

    async def direct(function):
        return function()

    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        late = holder_of(store, clock, 100, "late", run_blocking=direct)
        await late.acquire(10)
        take_up(store, RunRecord("run", "{}", "{}"))
        taken_up_at, spent_at = clock.monotonic(), []

        async def spend_for_ever() -> None:
            while True:
                await late.acquire(10)
                spent_at.append(clock.monotonic())

        with pytest.raises(FencedError, match="taken up by another process"):
            await spend_for_ever()
        assert taken_up_at < spent_at[-1] <= taken_up_at + LEASE_SECONDS
        heir = holder_of(store, clock, 100, "heir", run_blocking=direct, epoch=2)
        await heir.acquire(10)

    asyncio.run(scenario())


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
def test_two_workers_share_a_promise_through_a_dynamodb_table(moto):
    url = moto.endpoint_url("eu-west-1")
    table = TableRef(unique_name("ledger"), "eu-west-1", endpoint_url=url)
    store = DynamoDBStore(table)
    store.prepare()

    async def scenario() -> None:
        limiters = [holder_of(store, SystemClock(), 100, name) for name in "ab"]
        began = SystemClock().monotonic()
        while not shared_evenly() and SystemClock().monotonic() - began < 60:
            await asyncio.gather(*(limiter.acquire(5) for limiter in limiters))

    def shared_evenly() -> bool:
        leases = read_leases(store, "run", "budget").leases
        return [lease.parts for lease in leases] == [WHOLE / 2] * 2

    asyncio.run(scenario())
    assert shared_evenly()
    assert read_leases(store, "run", "budget").pool is not None


def test_a_ledger_that_stays_away_fails_those_who_wait():
    async def away(function):
        raise LedgerUnreachableError("nobody answers")

    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        limiter = holder_of(
            None,  # type: ignore[arg-type]
            clock,
            100,
            "one",
            run_blocking=away,
            deadline_seconds=60,
        )
        with pytest.raises(LedgerUnreachableError, match="nobody answers"):
            await limiter.acquire(10)
        assert clock.monotonic() == pytest.approx(60, abs=5)

    asyncio.run(scenario())


def test_a_ledger_that_is_none_fails_at_once(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_text("somebody's notes " * 100)
    limiter = holder_of(SQLiteStore(path), SystemClock(), 100, "one")

    async def scenario() -> None:
        with pytest.raises(LedgerError, match="not a database"):
            await limiter.acquire(10)

    asyncio.run(scenario())


Spent = list[tuple[float, float]]


def spend(path: Path, name: str, ended: ProcessEvent, log: Path) -> None:
    """A worker process: spends what it may, and notes when."""
    clock = SystemClock()
    limiter = holder_of(SQLiteStore(path), clock, PROCESS_PROMISE, name)

    async def work(file) -> None:
        while not ended.is_set():
            await limiter.acquire(5)
            file.write(f"{clock.monotonic()} 5\n")
            file.flush()
            limiter.settle(5, 5)

    with log.open("w") as file:
        asyncio.run(work(file))


PROCESS_PROMISE = 100.0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_real_processes_keep_the_promise_when_one_is_stopped_and_one_killed(tmp_path):
    """SIGSTOP for longer than a lease: what it held is used, and it stays out."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    workers = [
        context.Process(
            target=spend, args=(tmp_path / "ledger.sqlite", log.stem, ended, log)
        )
        for log in logs
    ]
    clock = SystemClock()
    for worker in workers:
        worker.start()
    try:
        assert all(becomes_true(partial(_has_begun, log)) for log in logs)
        asyncio.run(clock.sleep(6))
        stopped_at = clock.monotonic()
        os.kill(_pid(workers[0]), signal.SIGSTOP)
        workers[1].kill()
        asyncio.run(clock.sleep(18))
        os.kill(_pid(workers[0]), signal.SIGCONT)
        asyncio.run(clock.sleep(6))
    finally:
        ended.set()
        os.kill(_pid(workers[0]), signal.SIGCONT)
        for worker in workers:
            worker.join(20)
            if worker.is_alive():
                worker.kill()
    spent = _merged(logs)
    bursts = 3 * max(PROCESS_PROMISE, 5)
    assert worst_window(spent, 10) <= 10 * PROCESS_PROMISE + bursts
    # The third had all of it at the end of the stop: more than a third, its own part.
    late = [u for at, u in _read(logs[2]) if 14 < at - stopped_at < 18]
    assert sum(late) / 4 > 0.6 * PROCESS_PROMISE


def _has_begun(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


def _pid(worker: object) -> int:
    pid = getattr(worker, "pid", None)
    assert isinstance(pid, int)
    return pid


def _read(log: Path) -> Spent:
    rows = [line.split() for line in log.read_text().splitlines()]
    return [(float(row[0]), float(row[1])) for row in rows if len(row) == 2]


def _merged(logs: Sequence[Path]) -> Spent:
    return sorted(each for log in logs for each in _read(log))
