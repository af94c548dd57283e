"""Which rate holds when, and what it is worth."""

import asyncio
import random
from dataclasses import replace

import pytest

from transforms.dynamodb.errors import AccessDeniedError
from transforms.ledger.lease_rows import WHOLE, Pool
from transforms.pause_file import PauseFile
from transforms.promises import Capacity, TablePromise
from transforms.throttle.clock import HeldClock
from transforms.throttle.rate import Rate, RateError
from transforms.throttle.schedule import Schedule

# 2026-11-24 00:00 UTC, which is one in the morning in Berlin.
MIDNIGHT = 1_795_478_400
NIGHT = "08:00-20:00=10%, 20:00-24:00=80%, 00:00-06:30=0; Europe/Berlin"


class Table:
    """A table whose capacity changes."""

    def __init__(self, *found: Capacity | Exception) -> None:
        self.found = list(found)

    async def measure(self) -> Capacity:
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def a_capacity(units: float, *, may_grow: bool = False) -> Capacity:
    return Capacity(units, f"{units:g} WCU", may_grow)


def a_promise(rate: Rate, *found: Capacity | Exception, **options) -> TablePromise:
    clock = options.pop("clock", HeldClock())
    return TablePromise(
        rate,
        a_capacity(1000, may_grow=options.pop("may_grow", False)),
        Table(*found).measure,
        clock=clock,
        rng=random.Random(1),
        **options,
    )


def refreshed(promise: TablePromise, pool: Pool, now: float) -> Pool:
    changes = asyncio.run(promise.refreshed(pool, now))
    return pool if changes is None else replace(pool, **changes)  # type: ignore[arg-type]


def test_a_percentage_is_of_the_capacity_and_says_so():
    pool = a_promise(Rate.percent(40)).first("b")
    assert (pool.promise, pool.reason) == (400, "40% of 1000 WCU")
    assert (pool.free, pool.rate) == (WHOLE, "")


def test_the_capacity_is_asked_again_after_half_a_minute_and_not_before():
    promise = a_promise(Rate.percent(40), a_capacity(2000))
    pool = promise.first("b")
    assert refreshed(promise, pool, 0) is pool
    assert refreshed(promise, pool, 29) is pool
    later = refreshed(promise, pool, 46)
    assert (later.promise, later.capacity, later.measured) == (800, 2000, 1)


def test_who_sees_that_another_has_asked_asks_later():
    promise = a_promise(Rate.percent(40))
    pool = promise.first("b")
    assert refreshed(promise, pool, 0) is pool
    by_another = replace(pool, promise=800, reason="40% of 1000 WCU", capacity=2000)
    by_another = replace(by_another, measured=1)
    assert refreshed(promise, by_another, 29) is by_another
    assert refreshed(promise, by_another, 58) is by_another


def test_a_table_that_does_not_answer_keeps_its_capacity(caplog):
    promise = a_promise(Rate.percent(40), AccessDeniedError("not allowed"))
    pool = promise.first("b")
    refreshed(promise, pool, 0)
    assert refreshed(promise, pool, 46).promise == 400
    assert "as before" in caplog.text


def test_a_percentage_of_what_may_not_be_asked_leaves_the_runs_own_rate():
    nobody_knows = Capacity(0, "a number of WCU that may not be asked")
    promise = TablePromise(
        Rate.units(70), nobody_knows, None, clock=HeldClock(), rng=random.Random(1)
    )
    pool = refreshed(promise, replace(promise.first("b"), rate="20%"), 0)
    assert pool.promise == 70
    assert "20% (set while running) is of a number of WCU that may not" in pool.reason


def test_what_is_said_while_it_runs_goes_before_the_runs_own_rate():
    promise = a_promise(Rate.percent(40))
    pool = promise.first("b")
    slower = refreshed(promise, replace(pool, rate="5%"), 0)
    assert (slower.promise, slower.reason) == (
        50,
        "5% of 1000 WCU (set while running)",
    )
    assert refreshed(promise, replace(slower, rate="7 units/s"), 1).promise == 7
    paused = refreshed(promise, replace(slower, rate="0"), 2)
    assert (paused.promise, paused.reason) == (0, "paused (set while running)")
    assert refreshed(promise, replace(paused, rate=""), 3).promise == 400


def test_a_new_on_demand_tables_capacity_grows_to_the_double_in_half_an_hour():
    start = a_capacity(1000, may_grow=True)
    promise = a_promise(Rate.percent(100), *[start] * 60, may_grow=True)
    pool, now = promise.first("b"), 0.0
    for _ in range(61):
        pool = refreshed(promise, pool, now)
        now += 45
    assert pool.promise == pytest.approx(2000, rel=0.02)


def test_it_does_not_grow_while_the_service_refuses():
    start = a_capacity(1000, may_grow=True)
    promise = a_promise(
        Rate.percent(100), start, start, may_grow=True, is_throttled=lambda: True
    )
    pool = promise.first("b")
    for now in (0, 46, 92):
        pool = refreshed(promise, pool, now)
    assert pool.promise == 1000


def test_a_timetable_is_read_by_the_clock_of_its_zone():
    clock = HeldClock(wall_seconds=MIDNIGHT)
    promise = a_promise(Rate.percent(40), schedule=Schedule.parse(NIGHT), clock=clock)
    pool = promise.first("b")
    assert (pool.promise, pool.reason) == (0, "paused (scheduled)")
    clock.move(6 * 3600)  # seven in the morning: no entry
    assert refreshed(promise, pool, 0).promise == 400
    clock.move(3600)
    assert refreshed(promise, pool, 1).promise == 100
    clock.move(12 * 3600)
    assert refreshed(promise, pool, 2).reason == "80% of 1000 WCU (scheduled)"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("08:00-20:00=10%", "names no time zone"),
        ("08:00-20:00=10%; Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("8-20=10%; UTC", "cannot read '8-20=10%'"),
        ("08:00-25:00=10%; UTC", "no time 25:00"),
        ("08:00-20:00=10; UTC", "has no unit"),
        ("08:00-20:00=151%; UTC", "at most 150"),
    ],
)
def test_a_timetable_that_cannot_be_meant_is_refused(text, error):
    with pytest.raises(RateError, match=error):
        Schedule.parse(text)


def test_a_pause_file_holds_up_for_as_long_as_it_is_there(tmp_path):
    path = tmp_path / "pause"

    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        pause = PauseFile(str(path), clock)
        assert not pause.may_pass()
        assert await pause.wait() == 0
        assert pause.may_pass()
        path.touch()
        await clock.sleep(2)
        assert not pause.may_pass()
        waiting = asyncio.create_task(pause.wait())
        await clock.sleep(30)
        assert not waiting.done()
        path.unlink()
        assert 30 <= await waiting <= 32

    asyncio.run(scenario())


def test_without_a_pause_file_nobody_waits():
    pause = PauseFile(None, HeldClock())
    assert pause.may_pass()
    assert asyncio.run(pause.wait()) == 0
