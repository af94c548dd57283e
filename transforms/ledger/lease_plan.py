"""Who should hold which part of a budget: pure, decided by each worker for itself.

Parts move in three ways, each one commit of the ledger, so that their sum never
changes: from the pool to a worker, from a worker to others (whoever has more than a
fair part gives), and from a dead worker to whoever finds it. Nobody takes from the
living.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from transforms.ledger.lease_rows import WHOLE, Lease

__all__ = ["Need", "Plan", "make_plan"]

# One commit changes at most so many leases of others, of the 100 it may hold.
_MAX_OTHERS = 24
# What is not worth a commit: a fiftieth of a fair part.
_WORTH_MOVING = 0.02
# A worker that does not want more keeps what it used of late, and this much again.
_KEPT_FOR_USE = 1.5


@dataclass(frozen=True, slots=True)
class Need:
    """What a worker asks for.

    Attributes:
        is_hungry: it would use more than it holds.
        used_parts: what it used of late, as parts of the whole.
        is_leaving: it gives everything back.
    """

    is_hungry: bool
    used_parts: int = 0
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker wants to commit.

    Attributes:
        parts: what it will hold.
        from_pool: parts taken from the pool; negative if it gives some back.
        gifts: parts given to other workers.
        reaped: dead leases whose parts it takes over.
    """

    parts: int
    from_pool: int = 0
    gifts: Mapping[str, int] = field(default_factory=dict)
    reaped: Sequence[Lease] = ()


def make_plan(
    held: int,
    free: int,
    need: Need,
    *,
    living: Sequence[Lease],
    dead: Sequence[Lease],
    rng: random.Random,
) -> Plan:
    """Returns what this worker should commit now.

    The sum of all parts is the same before and after, whatever the arguments.

    Args:
        held: this worker's parts.
        free: the pool's parts.
        need: this worker's.
        living: the other workers' leases.
        dead: leases that ran out, with the margin.
        rng: chooses whom to give to, so that donors do not meet.
    """
    reaped = list(dead[:_MAX_OTHERS])
    have = held + sum(lease.parts for lease in reaped)
    hungry = [lease for lease in living if lease.is_hungry]
    if need.is_leaving:
        gifts = _gifts(have, WHOLE // max(1, len(hungry)), hungry, rng)
        left = have - sum(gifts.values())
        return Plan(0, -left, gifts, reaped)
    content = sum(lease.parts for lease in living if not lease.is_hungry)
    if not need.is_hungry:
        keep = min(have, int(need.used_parts * _KEPT_FOR_USE))
        fair = (WHOLE - content - keep) // max(1, len(hungry))
        gifts = _gifts(have - keep, fair, hungry, rng)
        return Plan(have - sum(gifts.values()), 0, gifts, reaped)
    fair = (WHOLE - content) // (len(hungry) + 1)
    taken = min(free, max(0, fair - have) if hungry else free)
    gifts = _gifts(have - fair, fair, hungry, rng)
    return Plan(have + taken - sum(gifts.values()), taken, gifts, reaped)


def _gifts(
    excess: int, fair: int, hungry: Sequence[Lease], rng: random.Random
) -> dict[str, int]:
    """Divides what is too much among those who have too little."""
    least = fair * _WORTH_MOVING
    poor = [lease for lease in hungry if fair - lease.parts > least]
    if excess <= least or not poor:
        return {}
    chosen = rng.sample(poor, min(len(poor), _MAX_OTHERS))
    # Enough to pass on: one gift of many fair parts reaches hundreds in two steps.
    wanted = sum(fair - lease.parts for lease in chosen)
    share = excess / wanted if len(poor) > len(chosen) else min(1.0, excess / wanted)
    gifts: dict[str, int] = {}
    for lease in chosen:
        gifts[lease.worker] = min(excess, int((fair - lease.parts) * share))
        excess -= gifts[lease.worker]
    return gifts
