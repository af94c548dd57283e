"""The token bucket: its bound (I5), its order, its debts, its reaction."""

import asyncio
import itertools
import math
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.throttle.clock import HeldClock
from transforms.throttle.limiter import Limiter, UnlimitedLimiter
from transforms.throttle.rate import RateError
from transforms.throttle.token_bucket import TokenBucket


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


async def sent_at(
    bucket: Limiter, clock: HeldClock, units: float, times: list[float]
) -> None:
    await bucket.acquire(units)
    times.append(clock.monotonic())


@dataclass(frozen=True)
class Plan:
    """One request of a schedule: when it is asked for and how it ends."""

    start_seconds: float
    estimate: float
    charged: float
    flight_seconds: float
    throttled: bool
    asks_at_once: bool = True


@dataclass(frozen=True)
class Sent:
    at: float
    settled_at: float
    estimate: float
    charged: float


plans = st.builds(
    Plan,
    start_seconds=st.floats(0, 20),
    estimate=st.floats(0, 60),
    charged=st.floats(0, 90),
    flight_seconds=st.floats(0, 3),
    throttled=st.booleans(),
    asks_at_once=st.booleans(),
)


async def simulate(
    bucket: TokenBucket, clock: HeldClock, schedule: list[Plan]
) -> list[Sent]:
    async def request(plan: Plan) -> Sent:
        await clock.sleep(plan.start_seconds)
        if not (plan.asks_at_once and bucket.take_at_once(plan.estimate)):
            await bucket.acquire(plan.estimate)
        at = clock.monotonic()
        await clock.sleep(plan.flight_seconds)
        charged = 0.0 if plan.throttled else plan.charged
        if plan.throttled:
            bucket.report_throttled()
        bucket.settle(plan.estimate, charged)
        return Sent(at, clock.monotonic(), plan.estimate, charged)

    sent = await asyncio.gather(*map(request, schedule))
    return sorted(sent, key=lambda each: each.at)


def assert_bound_holds(sent: list[Sent], rate: float, burst: float) -> None:
    """Checks every window that begins and ends with a request, of any length."""
    largest = max(each.estimate for each in sent)
    moments = sorted({each.at for each in sent})
    for start, end in itertools.combinations_with_replacement(moments, 2):
        window = [each for each in sent if start <= each.at <= end]
        still_flying = sum(
            max(0.0, each.charged - each.estimate)
            for each in window
            if each.settled_at >= end
        )
        given_back = sum(
            max(0.0, each.estimate - each.charged)
            for each in sent
            if each.at < start <= each.settled_at <= end
        )
        allowed = rate * (end - start) + max(burst, largest)
        charged = sum(each.charged for each in window)
        assert charged <= allowed + still_flying + given_back + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(5, 100),
    burst=st.floats(1, 100),
    schedule=st.lists(plans, min_size=1, max_size=20),
)
def test_no_schedule_of_takes_settles_and_refusals_exceeds_the_bound(
    rate, burst, schedule
):
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(rate, burst, clock)
        assert_bound_holds(await simulate(bucket, clock, schedule), rate, burst)

    run(scenario())


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(5, 100),
    burst=st.floats(1, 100),
    takes=st.lists(st.floats(0, 60), min_size=1, max_size=40),
)
def test_with_exact_estimates_ten_seconds_cost_ten_times_the_rate_and_a_burst(
    rate, burst, takes
):
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(rate, burst, clock)
        sent = []
        for units in takes:
            await bucket.acquire(units)
            bucket.settle(units, units)
            sent.append((clock.monotonic(), units))
        for start, _ in sent:
            spent = sum(units for at, units in sent if start <= at <= start + 10)
            assert spent <= 10 * rate + max(burst, *takes, 0) + 1e-6

    run(scenario())


def test_a_busy_bucket_achieves_the_promised_rate():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(100, 100, clock)
        for _ in range(440):
            await bucket.acquire(25)
            bucket.settle(25, 25)
        # 11,000 units: 100 from the full bucket, the rest at 100 a second.
        assert clock.monotonic() == pytest.approx(109, abs=0.5)

    run(scenario())


def test_a_long_pause_saves_up_no_more_than_the_burst():
    async def scenario() -> None:
        clock = HeldClock()
        bucket = TokenBucket(10, 30, clock)
        clock.move(3600)
        times: list[float] = []
        tasks = [
            asyncio.create_task(sent_at(bucket, clock, 10, times)) for _ in range(6)
        ]
        await clock.advance(0)
        assert len(times) == 3
        await clock.advance(3.1)
        await asyncio.gather(*tasks)
        assert times[3:] == pytest.approx([3601, 3602, 3603], abs=0.01)

    run(scenario())


def test_a_large_request_is_not_starved_by_small_ones_that_come_later():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(10, 10, clock)
        order: list[str] = []

        async def take(name: str, units: float) -> None:
            await bucket.acquire(units)
            order.append(name)

        await bucket.acquire(10)
        names = [("large", 10.0), *((f"small {n}", 0.1) for n in range(50))]
        await asyncio.gather(*(take(name, units) for name, units in names))
        assert order == [name for name, _ in names]

    run(scenario())


def test_a_request_larger_than_the_bucket_goes_when_it_is_full_and_is_paid_off():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(5, 5, clock)  # a 5-unit table, 400 KB items
        times: list[float] = []
        for _ in range(3):
            await sent_at(bucket, clock, 400, times)
        assert times == pytest.approx([0, 80, 160], abs=0.01)

    run(scenario())


def test_an_excess_charge_is_debt_that_the_next_request_waits_out():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(10, 10, clock)
        await bucket.acquire(1)
        bucket.settle(1, 60)  # 10 - 60: 50 in debt
        times: list[float] = []
        await sent_at(bucket, clock, 0, times)
        await sent_at(bucket, clock, 10, times)
        assert times == pytest.approx([5, 6], abs=0.01)

    run(scenario())


def test_what_a_failed_request_reserved_is_given_back():
    async def scenario() -> None:
        clock = HeldClock()
        bucket = TokenBucket(10, 10, clock)
        await bucket.acquire(10)
        bucket.settle(10, 0)
        await bucket.acquire(10)
        assert bucket.waited_seconds == 0

    run(scenario())


def test_giving_back_wakes_a_request_that_had_long_to_wait():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(0.1, 50, clock)
        await bucket.acquire(50)

        async def give_back_later() -> None:
            await clock.sleep(2)
            bucket.settle(50, 0)

        times: list[float] = []
        await asyncio.gather(give_back_later(), sent_at(bucket, clock, 50, times))
        assert times[0] <= 2.25  # not after 500 seconds

    run(scenario())


def test_a_cancelled_request_takes_nothing_and_lets_the_next_one_go():
    async def scenario() -> None:
        clock = HeldClock()
        bucket = TokenBucket(10, 10, clock)
        await bucket.acquire(10)
        times: list[float] = []
        first = asyncio.create_task(bucket.acquire(10))
        second = asyncio.create_task(sent_at(bucket, clock, 5, times))
        await clock.advance(0.1)
        first.cancel()
        await clock.advance(0.5)
        await second
        assert times == pytest.approx([0.5], abs=0.26)  # not after 1.5 seconds

    run(scenario())


def test_refusals_of_one_moment_cut_the_pace_once():
    clock = HeldClock()
    bucket = TokenBucket(100, 100, clock)
    for _ in range(32):
        bucket.report_throttled()
    assert bucket.rate_per_second == pytest.approx(70)
    clock.move(0.6)
    bucket.report_throttled()
    assert bucket.rate_per_second == pytest.approx(72 * 0.7)


def test_the_pace_climbs_back_to_the_promise_and_no_further():
    clock = HeldClock()
    bucket = TokenBucket(300, 100, clock)
    bucket.report_throttled()
    seen = []
    for _ in range(12):
        seen.append(bucket.rate_per_second)
        clock.move(1)
    assert seen == pytest.approx([*range(210, 300, 10), 300, 300, 300])


def test_what_comes_in_during_recovery_is_what_the_pace_says():
    async def scenario() -> None:
        clock = HeldClock()
        bucket = TokenBucket(100, 10_000, clock)
        await bucket.acquire(10_000)
        bucket.report_throttled()
        clock.move(20)  # 9 s at 85 on average, then 11 s at 100
        await bucket.acquire(9 * 85 + 11 * 100 - 0.1)
        assert bucket.waited_seconds == 0
        waiting = asyncio.create_task(bucket.acquire(1))
        await clock.advance(0.008)
        assert not waiting.done()
        await clock.advance(0.002)
        await waiting

    run(scenario())


def test_lasting_refusals_slow_the_pace_and_never_stop_it():
    clock = HeldClock()
    bucket = TokenBucket(100, 100, clock)
    for _ in range(1000):
        bucket.report_throttled()
        clock.move(0.1)
    assert 1 < bucket.rate_per_second < 10


def test_a_new_promise_holds_from_the_moment_it_is_made():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(10, 10, clock)
        times: list[float] = []
        await bucket.acquire(10)
        await sent_at(bucket, clock, 10, times)
        bucket.grant(100)
        await sent_at(bucket, clock, 10, times)
        assert times == pytest.approx([1, 1.1], abs=0.01)

    run(scenario())


def test_a_bucket_on_a_lease_lets_nothing_through_before_its_first_grant():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket.without_lease(clock)
        times: list[float] = []
        waiting = asyncio.create_task(sent_at(bucket, clock, 10, times))
        await clock.sleep(60)
        assert not times
        assert bucket.waiting == 1
        bucket.grant(10, until=100)
        await waiting
        assert times == pytest.approx([61], abs=0.3)  # empty at first: one second

    run(scenario())


def test_nothing_comes_in_and_nothing_goes_out_after_a_leases_end():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket.without_lease(clock)
        bucket.grant(10, until=5)
        await clock.sleep(20)  # ten units came in before its end
        waiting = asyncio.create_task(bucket.acquire(1))
        await clock.sleep(20)
        assert not waiting.done()
        bucket.grant(10, until=45)
        await waiting
        times: list[float] = []
        for _ in range(2):
            await sent_at(bucket, clock, 9, times)
        assert times == pytest.approx([40, 40.9], abs=0.3)

    run(scenario())


def test_a_smaller_grant_takes_back_what_was_saved():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket.without_lease(clock)
        bucket.grant(100)
        await clock.sleep(10)
        bucket.grant(10)
        times: list[float] = []
        await sent_at(bucket, clock, 20, times)
        await sent_at(bucket, clock, 10, times)
        assert times == pytest.approx([10, 12], abs=0.01)

    run(scenario())


def test_a_bucket_that_failed_raises_its_error_to_all_who_wait():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket.without_lease(clock)
        waiting = asyncio.gather(
            bucket.acquire(1), bucket.acquire(1), return_exceptions=True
        )
        await clock.sleep(1)
        bucket.fail(TimeoutError("the ledger is gone"))
        assert [str(error) for error in await waiting] == ["the ledger is gone"] * 2

    run(scenario())


def test_what_was_spent_is_reservations_until_they_are_settled():
    async def scenario() -> None:
        bucket = TokenBucket(100, 100, HeldClock(auto_advance=True))
        await bucket.acquire(30)
        assert bucket.spent_units == 30
        bucket.settle(30, 12)
        assert bucket.spent_units == 12

    run(scenario())


def test_the_time_waited_is_summed_over_the_callers():
    async def scenario() -> None:
        clock = HeldClock(auto_advance=True)
        bucket = TokenBucket(10, 10, clock)
        await bucket.acquire(10)
        await asyncio.gather(bucket.acquire(10), bucket.acquire(10))
        assert bucket.waited_seconds == pytest.approx(1 + 2, abs=0.01)

    run(scenario())


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_bucket_without_a_real_rate_or_burst_is_refused(value):
    clock = HeldClock()
    with pytest.raises(RateError, match="rate_per_second"):
        TokenBucket(value, 1, clock)
    with pytest.raises(RateError, match="burst_units"):
        TokenBucket(1, value, clock)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_grant_that_is_no_rate_is_refused(value):
    with pytest.raises(RateError, match="granted rate"):
        TokenBucket(1, 1, HeldClock()).grant(value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_an_amount_that_could_never_be_paid_is_refused(value):
    bucket = TokenBucket(1, 1, HeldClock())
    with pytest.raises(ValueError, match="units"):
        asyncio.run(bucket.acquire(value))
    with pytest.raises(ValueError, match="reserved"):
        bucket.settle(value, 0)
    with pytest.raises(ValueError, match="consumed"):
        bucket.settle(0, value)


def test_without_a_limit_nobody_waits():
    async def scenario() -> None:
        limiter: Limiter = UnlimitedLimiter()
        for _ in range(100):
            await limiter.acquire(1e9)
            limiter.report_throttled()
            limiter.settle(0, 1e9)
        assert limiter.waited_seconds == 0

    run(scenario())


def test_at_once_takes_what_the_bucket_holds_and_otherwise_nothing():
    bucket = TokenBucket(10, 10, HeldClock())
    assert bucket.take_at_once(8)
    assert not bucket.take_at_once(3)
    assert bucket.spent_units == 8
    assert bucket.take_at_once(2)


def test_at_once_overtakes_nobody_who_waits():
    async def scenario() -> None:
        clock = HeldClock()
        bucket = TokenBucket(10, 10, clock)
        assert bucket.take_at_once(5)
        large = asyncio.create_task(bucket.acquire(10))
        await asyncio.sleep(0)
        assert not bucket.take_at_once(1)
        await clock.advance(1)
        await large
        await clock.advance(1)
        assert bucket.take_at_once(1)

    run(scenario())


def test_at_once_is_refused_without_a_lease_and_raises_what_failed():
    bucket = TokenBucket.without_lease(HeldClock())
    assert not bucket.take_at_once(0)
    bucket.grant(10)
    bucket.fail(LookupError("the ledger is gone"))
    with pytest.raises(LookupError, match="the ledger is gone"):
        bucket.take_at_once(0)
