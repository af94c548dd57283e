"""The clocks."""

import asyncio
import pickle

import pytest

from transforms.throttle.clock import Clock, HeldClock, SystemClock

Waking = tuple[str, float]


async def note_wakings(
    clock: Clock, log: list[Waking], name: str, naps: list[float]
) -> None:
    for nap in naps:
        await clock.sleep(nap)
        log.append((name, clock.monotonic()))


def test_a_held_clock_stands_still_until_it_is_moved():
    clock = HeldClock(5.0, wall_seconds=1000.0)
    assert (clock.monotonic(), clock.wall()) == (5.0, 1000.0)
    clock.move(2.5)
    assert (clock.monotonic(), clock.wall()) == (7.5, 1002.5)


def test_a_sleeper_wakes_only_when_its_time_has_come():
    async def scenario() -> None:
        clock = HeldClock()
        log: list[Waking] = []
        task = asyncio.create_task(note_wakings(clock, log, "a", [10]))
        await clock.advance(9.5)
        assert log == []
        assert clock.sleepers == 1
        await clock.advance(1)
        assert log == [("a", 10.0)]
        assert clock.monotonic() == 10.5
        await task

    asyncio.run(scenario())


def test_advance_wakes_a_repeated_sleeper_at_each_of_its_own_times():
    async def scenario() -> None:
        clock = HeldClock()
        log: list[Waking] = []
        task = asyncio.create_task(note_wakings(clock, log, "a", [1, 1, 1]))
        await clock.advance(2)
        assert log == [("a", 1.0), ("a", 2.0)]
        await clock.advance(8)
        await task
        assert log[-1] == ("a", 3.0)

    asyncio.run(scenario())


@pytest.mark.parametrize("runs", [1, 2])
def test_an_auto_advancing_clock_wakes_sleepers_in_order_of_deadline(runs):
    clock = HeldClock(auto_advance=True)
    for _ in range(runs):  # a second event loop may follow the first
        log: list[Waking] = []

        async def scenario(log: list[Waking]) -> None:
            await asyncio.gather(
                note_wakings(clock, log, "slow", [4]),
                note_wakings(clock, log, "quick", [1, 1, 1]),
            )

        start = clock.monotonic()
        asyncio.run(scenario(log))
        assert log == [
            ("quick", start + 1),
            ("quick", start + 2),
            ("quick", start + 3),
            ("slow", start + 4),
        ]


def test_a_cancelled_sleeper_does_not_move_the_auto_advancing_clock():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        cancelled = asyncio.create_task(clock.sleep(5))
        await asyncio.sleep(0)
        cancelled.cancel()
        await clock.sleep(100)
        assert clock.monotonic() == 100
        assert clock.sleepers == 0

    asyncio.run(scenario())


def test_no_time_passes_in_a_sleep_of_zero_or_less():
    async def scenario() -> None:
        for clock in (HeldClock(), HeldClock(auto_advance=True)):
            await clock.sleep(0)
            await clock.sleep(-1)
            assert clock.monotonic() == 0
        await SystemClock().sleep(-1)

    asyncio.run(scenario())


def test_the_system_clock_goes_forward_and_pickles():
    clock = pickle.loads(pickle.dumps(SystemClock()))
    before = clock.monotonic()
    asyncio.run(clock.sleep(0.01))
    assert clock.monotonic() > before
    assert clock.wall() > 1_700_000_000
