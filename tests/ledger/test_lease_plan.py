"""Parts of a promise are moved, never made and never lost."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.ledger.lease_plan import Need, make_plan
from transforms.ledger.lease_rows import WHOLE, Lease

RNG = random.Random(1)


def a_lease(name: str, parts: int, *, is_hungry: bool = True) -> Lease:
    return Lease(name, 1, parts, is_hungry, 1)


@st.composite
def budgets(draw):
    """Leases, some dead, and a pool, which together are the whole."""
    count = draw(st.integers(1, 60))
    cuts = sorted(draw(st.lists(st.integers(0, WHOLE), min_size=count, max_size=count)))
    edges = [0, *cuts, WHOLE]
    parts = [high - low for low, high in pairwise(edges)]
    leases = [
        a_lease(f"w{number}", part, is_hungry=draw(st.booleans()))
        for number, part in enumerate(parts[2:])
    ]
    dead = draw(st.integers(0, len(leases)))
    return parts[0], parts[1], leases[dead:], leases[:dead]


@given(
    budgets(), st.booleans(), st.integers(0, WHOLE), st.booleans(), st.integers(0, 99)
)
def test_a_plan_moves_parts_and_the_sum_is_the_same(
    budget, is_hungry, used, is_leaving, seed
):
    held, free, living, dead = budget
    need = Need(is_hungry, used, is_leaving)
    plan = make_plan(
        held, free, need, living=living, dead=dead, rng=random.Random(seed)
    )
    given_away = sum(plan.gifts.values())
    taken = sum(lease.parts for lease in plan.reaped)
    assert held + taken + plan.from_pool - given_away == plan.parts
    assert plan.parts >= 0
    assert plan.from_pool <= free
    assert all(gift >= 0 for gift in plan.gifts.values())
    assert set(plan.gifts) <= {lease.worker for lease in living if lease.is_hungry}
    writes = 2 + len(plan.gifts) + len(plan.reaped)
    assert writes <= 100


def test_who_is_alone_takes_all_there_is():
    plan = make_plan(0, WHOLE, Need(is_hungry=True), living=[], dead=[], rng=RNG)
    assert plan.parts == plan.from_pool == WHOLE


def test_who_comes_second_is_given_half_by_the_first():
    second = a_lease("second", 0)
    plan = make_plan(WHOLE, 0, Need(is_hungry=True), living=[second], dead=[], rng=RNG)
    assert plan.gifts == {"second": WHOLE // 2}


def test_who_wants_no_more_keeps_what_it_uses_and_a_reserve():
    hungry = a_lease("hungry", WHOLE // 2)
    need = Need(is_hungry=False, used_parts=WHOLE // 10)
    plan = make_plan(WHOLE // 2, 0, need, living=[hungry], dead=[], rng=RNG)
    assert plan.parts == pytest.approx(WHOLE * 0.15, rel=1e-6)


def test_nobody_gives_where_nobody_wants():
    content = a_lease("content", WHOLE // 2, is_hungry=False)
    plan = make_plan(
        WHOLE // 2, 0, Need(is_hungry=False), living=[content], dead=[], rng=RNG
    )
    assert (plan.parts, plan.gifts) == (WHOLE // 2, {})


def test_who_leaves_gives_to_the_hungry_and_the_rest_to_the_pool():
    hungry = a_lease("hungry", WHOLE // 2)
    leaving = Need(is_hungry=False, is_leaving=True)
    plan = make_plan(WHOLE // 4, WHOLE // 4, leaving, living=[hungry], dead=[], rng=RNG)
    assert (plan.parts, plan.gifts) == (0, {"hungry": WHOLE // 4})
    alone = make_plan(WHOLE // 4, 3 * WHOLE // 4, leaving, living=[], dead=[], rng=RNG)
    assert (alone.parts, alone.from_pool) == (0, -WHOLE // 4)


def test_small_differences_are_not_worth_a_commit():
    other = a_lease("other", WHOLE // 2 - 1000)
    plan = make_plan(
        WHOLE // 2 + 1000, 0, Need(is_hungry=True), living=[other], dead=[], rng=RNG
    )
    assert plan.gifts == {}


def test_one_donor_reaches_hundreds_of_workers_in_a_few_steps():
    held = {"w0": WHOLE} | {f"w{number}": 0 for number in range(1, 300)}
    rng = random.Random(3)
    for _ in range(4):  # in each, every worker decides once
        for me in list(held):
            others = [a_lease(w, parts) for w, parts in held.items() if w != me]
            plan = make_plan(
                held[me], 0, Need(is_hungry=True), living=others, dead=[], rng=rng
            )
            held[me] = plan.parts
            for worker, gift in plan.gifts.items():
                held[worker] += gift
    assert sum(held.values()) == WHOLE
    assert min(held.values()) > WHOLE // 300 * 0.5
