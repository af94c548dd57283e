"""What a scan or a writer asks before it spends a table's capacity."""

import math
from typing import Protocol, TypeAlias

__all__ = [
    "Charge",
    "Consumed",
    "Limiter",
    "Reservation",
    "UnlimitedLimiter",
    "units_of",
]


class Charge(Protocol):
    """What the service charged, by whose capacity: `ConsumedCapacity` is one."""

    @property
    def units(self) -> float:
        """All of it."""
        ...

    @property
    def index_units(self) -> tuple[tuple[str, float], ...]:
        """(index name, its part of `units`)."""
        ...


Consumed: TypeAlias = float | Charge
"""What a request cost: a figure, or the service's report with its indexes."""


def units_of(consumed: Consumed) -> float:
    """Returns all units of a cost."""
    return consumed if isinstance(consumed, int | float) else consumed.units


class Limiter(Protocol):
    """Gives leave to spend capacity units.

    Every method belongs to one event loop: call them from its thread only.
    The cycle of a request is `acquire(estimate)`, send, then
    `settle(estimate, consumed)`, with `consumed` 0 if the request was refused, and
    the estimate if nobody knows what became of it.
    """

    @property
    def waited_seconds(self) -> float:
        """Time spent in `acquire` so far, summed over all callers."""
        ...

    @property
    def burst_units(self) -> float:
        """What may be spent at once: size requests by it. Infinite without a limit."""
        ...

    def own_units(self, consumed: Consumed) -> float:
        """The part of a cost that `acquire` should have been asked for."""
        return units_of(consumed)

    def take_at_once(self, units: float) -> bool:
        """Takes `units` if that needs no waiting; if not, takes nothing: `acquire`.

        What nearly every request asks first: no coroutine, no task, no lock. Nobody
        who waits in `acquire` is overtaken.
        """
        del units
        return False

    def reservation(self, units: float) -> "Reservation":
        """Returns a reservation of `units`, not yet taken."""
        return Reservation(self, units)

    async def acquire(self, units: float) -> None:
        """Waits until `units` may be spent, and takes them."""
        ...

    def settle(self, reserved: float, consumed: Consumed) -> None:
        """Replaces a reservation by what the service charged; excess is debt."""
        ...

    def report_throttled(self) -> None:
        """Says that the service refused a request: go slower for a while."""
        ...


class Reservation:
    """Units of one request: taken before it is sent, settled after it."""

    __slots__ = ("_limiter", "_units")

    def __init__(self, limiter: "Limiter", units: float) -> None:
        """Takes nothing yet."""
        self._limiter = limiter
        self._units = units

    def take_at_once(self) -> bool:
        """Takes the units if that needs no waiting; see `Limiter.take_at_once`."""
        return self._limiter.take_at_once(self._units)

    async def take(self) -> None:
        """Waits until the units may be spent, and takes them."""
        await self._limiter.acquire(self._units)

    def settle(self, consumed: Consumed) -> None:
        """Replaces what was taken by what the service charged."""
        self._limiter.settle(self._units, consumed)


class UnlimitedLimiter(Limiter):
    """Gives leave at once. The service's own throttling is then the only limit."""

    @property
    def waited_seconds(self) -> float:
        """Always 0."""
        return 0.0

    @property
    def burst_units(self) -> float:
        """No bound."""
        return math.inf

    def take_at_once(self, units: float) -> bool:
        """Always."""
        del units
        return True

    async def acquire(self, units: float) -> None:
        """Returns at once."""

    def settle(self, reserved: float, consumed: Consumed) -> None:
        """Keeps no account."""

    def report_throttled(self) -> None:
        """Changes nothing: the retry's own backoff is the reaction."""
