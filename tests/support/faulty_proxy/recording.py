"""What went through a proxy, by time: the witness of every promised rate."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.faulty_proxy.wire import Direction, TableKey

__all__ = ["Charge", "Recording", "worst_window"]


@dataclass(frozen=True, slots=True)
class Charge:
    """Units that one request consumed.

    Attributes:
        at: when the proxy let it through, in seconds of its clock.
        units: of the table; what its indexes consumed is apart.
        index_units: (index, units).
    """

    at: float
    units: float
    index_units: tuple[tuple[str, float], ...] = ()


class Recording:
    """Charges, refusals and faults. Written by the proxy's thread, read by any."""

    def __init__(self) -> None:
        self._charges: dict[tuple[TableKey, Direction], list[Charge]] = {}
        self.requests: Counter[str] = Counter()  # by operation
        self.throttled: Counter[TableKey] = Counter()  # requests, partly or wholly
        self.faults: Counter[str] = Counter()  # by kind

    def charge(self, key: TableKey, way: Direction, charge: Charge) -> None:
        """Notes what a request consumed."""
        self._charges.setdefault((key, way), []).append(charge)

    def charges(self, region: str, table: str, way: Direction) -> Sequence[Charge]:
        """Returns what a table was charged, in the order of admission."""
        found = self._charges.get(((region, table), way), [])
        return sorted(found, key=lambda charge: charge.at)

    def units(
        self, region: str, table: str, way: Direction, index: str | None = None
    ) -> list[tuple[float, float]]:
        """Returns (second, units) of a table, or of one of its indexes."""
        charges = self.charges(region, table, way)
        if index is None:
            return [(charge.at, charge.units) for charge in charges]
        return [
            (charge.at, dict(charge.index_units).get(index, 0)) for charge in charges
        ]

    def per_second(self, region: str, table: str, way: Direction) -> list[float]:
        """Returns the units of each second, the first request's being the first."""
        units = self.units(region, table, way)
        if not units:
            return []
        began = units[0][0]
        seconds = [0.0] * (int(units[-1][0] - began) + 1)
        for at, amount in units:
            seconds[int(at - began)] += amount
        return seconds


def worst_window(units: Sequence[tuple[float, float]], seconds: float) -> float:
    """Returns the most units in any window of `seconds`, however it lies.

    >>> worst_window([(0, 5.0), (4, 1.0), (9.5, 3.0), (11, 2.0)], 10)
    9.0
    """
    worst = total = 0.0
    first = 0
    for at, amount in units:
        total += amount
        while units[first][0] <= at - seconds:
            total -= units[first][1]
            first += 1
        worst = max(worst, total)
    return worst
