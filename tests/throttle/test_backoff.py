"""Delays between tries."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from transforms.throttle.backoff import full_jitter


@given(
    seed=st.integers(),
    base=st.floats(0.001, 10),
    cap=st.floats(0.001, 100),
)
def test_no_delay_exceeds_its_doubling_ceiling_or_the_cap(seed, base, cap):
    delays = full_jitter(random.Random(seed), base, cap)
    for attempt, delay in enumerate(itertools.islice(delays, 40)):
        assert 0 <= delay <= min(cap, base * 2**attempt)


def test_the_delays_never_end_and_never_overflow():
    delays = full_jitter(random.Random(1))
    assert all(0 <= delay <= 5 for delay in itertools.islice(delays, 2000))


def test_late_delays_spread_over_the_whole_interval():
    delays = list(itertools.islice(full_jitter(random.Random(2)), 10, 1010))
    assert min(delays) < 0.25
    assert max(delays) > 4.75
    assert 2.25 < sum(delays) / len(delays) < 2.75


def test_two_workers_with_seeds_of_their_own_do_not_retry_together():
    one, other = (full_jitter(random.Random(seed)) for seed in (1, 2))
    assert all(a != b for a, b in itertools.islice(zip(one, other, strict=True), 20))


def test_the_same_seed_gives_the_same_delays():
    one, other = (full_jitter(random.Random(7)) for _ in range(2))
    assert all(a == b for a, b in itertools.islice(zip(one, other, strict=True), 20))
