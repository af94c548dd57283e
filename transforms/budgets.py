"""One table's budgets together: its own, and those of its global indexes.

A write is paid from the table's capacity and from that of each index it touches;
whichever is the tightest holds it back. How much an index gets of a unit of the table
is learnt from what the service reports (ReturnConsumedCapacity=INDEXES).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from transforms.throttle.limiter import Consumed, Limiter, Reservation, units_of

__all__ = ["TableLimiter"]

# Each cost counts a sixteenth: indexes may be sparse, and batches differ.
_LEARNING = 16
_NO_PARTS: Mapping[str, float] = MappingProxyType({})


class Gate(Protocol):
    """Holds a run up while it is paused; `PauseFile` is one."""

    def may_pass(self) -> bool:
        """Whether `wait` would return at once."""
        ...

    async def wait(self) -> float:
        """Waits while the run is paused; returns for how many seconds it did."""
        ...


class TableLimiter(Limiter):
    """Asks every budget that a request will be charged to."""

    def __init__(
        self,
        table: Limiter,
        indexes: Mapping[str, Limiter],
        gate: Gate,
    ) -> None:
        """Takes the limiters over.

        Args:
            table: of the table's own capacity.
            indexes: of those global indexes that have capacity of their own.
            gate: asked before every request.
        """
        self._table = table
        self._indexes = dict(indexes)
        self._ratios = dict.fromkeys(self._indexes, 1.0)
        self._gate = gate
        self._paused_seconds = 0.0

    @property
    def waited_seconds(self) -> float:
        """Time spent waiting, for whichever budget, and while paused."""
        waited = sum(one.waited_seconds for one in self._indexes.values())
        return self._table.waited_seconds + waited + self._paused_seconds

    @property
    def burst_units(self) -> float:
        """What may be spent of the table at once, by the tightest budget."""
        if not self._indexes:
            return self._table.burst_units
        bursts = (
            limiter.burst_units / max(self._ratios[name], 1e-6)
            for name, limiter in self._indexes.items()
        )
        return min([self._table.burst_units, *bursts])

    def own_units(self, consumed: Consumed) -> float:
        """All units but those of indexes that pay for themselves."""
        if not self._indexes:
            return units_of(consumed)
        return units_of(consumed) - sum(self._index_units(consumed).values())

    def reservation(self, units: float) -> "TableReservation":
        """Returns one reservation of all budgets, not yet taken."""
        if not self._indexes:
            return TableReservation(self, units, _NO_PARTS)
        parts = {name: units * ratio for name, ratio in self._ratios.items()}
        return TableReservation(self, units, parts)

    def take_at_once(self, units: float) -> bool:
        """Takes `units` if neither the table nor an index has to be waited for."""
        return self.reservation(units).take_at_once()

    async def acquire(self, units: float) -> None:
        """Waits until the table and each of its indexes may pay, and takes it."""
        await self.take(units, self.reservation(units).index_parts)

    def settle(self, reserved: float, consumed: Consumed) -> None:
        """Settles what was acquired, as it would be divided now."""
        self.reservation(reserved).settle(consumed)

    def take_all_at_once(self, units: float, index_parts: Mapping[str, float]) -> bool:
        """Takes what a reservation says, all of it or nothing."""
        if not self._gate.may_pass():
            return False
        if not index_parts:  # most tables: no list, no sums
            return self._table.take_at_once(units)
        taken: list[str] = []
        for name, part in index_parts.items():
            if not self._indexes[name].take_at_once(part):
                break
            taken.append(name)
        if len(taken) == len(index_parts) and self._table.take_at_once(units):
            return True
        for name in taken:
            self._indexes[name].settle(index_parts[name], 0.0)
        return False

    async def take(self, units: float, index_parts: Mapping[str, float]) -> None:
        """Takes what a reservation says."""
        self._paused_seconds += await self._gate.wait()
        for name, part in index_parts.items():
            await self._indexes[name].acquire(part)
        await self._table.acquire(units)

    def charge(
        self, units: float, index_parts: Mapping[str, float], consumed: Consumed
    ) -> None:
        """Settles each budget; of a cost without indexes they pay their estimates."""
        own = self.own_units(consumed)
        self._table.settle(units, own)
        if not index_parts:
            return
        if isinstance(consumed, int | float):
            for name, part in index_parts.items():
                self._indexes[name].settle(part, 0.0 if consumed == 0 else part)
            return
        charged = self._index_units(consumed)
        for name, part in index_parts.items():
            used = charged.get(name, 0.0)
            self._indexes[name].settle(part, used)
            if own > 0:
                self._ratios[name] += (used / own - self._ratios[name]) / _LEARNING

    def report_throttled(self) -> None:
        """Slows the table down; its indexes are paid in proportion."""
        self._table.report_throttled()

    def _index_units(self, consumed: Consumed) -> dict[str, float]:
        if isinstance(consumed, int | float):
            return {}
        return {n: units for n, units in consumed.index_units if n in self._indexes}


class TableReservation(Reservation):
    """A request's part of every budget, by what was known when it was made."""

    __slots__ = ("_budgets", "index_parts")

    def __init__(
        self, limiter: TableLimiter, units: float, index_parts: Mapping[str, float]
    ) -> None:
        super().__init__(limiter, units)
        self._budgets = limiter
        self.index_parts = index_parts

    def take_at_once(self) -> bool:
        """Takes from every budget if none has to be waited for."""
        return self._budgets.take_all_at_once(self._units, self.index_parts)

    async def take(self) -> None:
        """Waits until every budget may pay."""
        await self._budgets.take(self._units, self.index_parts)

    def settle(self, consumed: Consumed) -> None:
        """Settles every budget."""
        self._budgets.charge(self._units, self.index_parts, consumed)
