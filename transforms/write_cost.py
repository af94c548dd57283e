"""What writes to a table cost: an estimate that learns from the service's bill.

    estimate = ratio x (items + bytes / 1 KiB)

The service charges a unit for each begun KiB of an item, so items and bytes together
are never too little for the item alone. What the ratio learns is how much less it is
for small items, and how much more where an index of the table's own capacity, or an
old item that was larger, is paid as well.
"""

from weakref import WeakKeyDictionary

from transforms.throttle.limiter import Limiter

__all__ = ["WriteCost", "cost_of"]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
_WRITE_UNIT_BYTES = 1024
# Each bill counts an eighth: items differ.
_LEARNING = 8


class WriteCost:
    """The cost of one kind of write to one table, for all writers of a process.

    Belongs to the event loop of its limiter.

    >>> cost = WriteCost()
    >>> cost.of(25, 25 * 1024)
    50.0
    >>> cost.learn(25.0, 25, 25 * 1024)
    >>> cost.of(5, 5 * 1024)
    5.0
    """

    def __init__(self) -> None:
        """Takes items to cost what the service charges for them alone, and more."""
        self._ratio = 1.0
        self._is_known = False

    @property
    def is_known(self) -> bool:
        """Whether any item has been billed: the ratio is more than a guess."""
        return self._is_known

    def of(self, items: int, size_bytes: int) -> float:
        """Returns the units that items of so many bytes together will cost."""
        return self._ratio * (items + size_bytes / _WRITE_UNIT_BYTES)

    def affordable(self, units: float, items: int, size_bytes: int) -> int:
        """Returns how many of these items `units` pay for, by their mean; 1 or more."""
        cost = self.of(items, size_bytes)
        return items if cost <= units else max(1, int(items * units / cost))

    def learn(self, units: float, items: int, size_bytes: int) -> None:
        """Takes a bill; the first one counts whole.

        One of 0 units teaches no ratio, and one of no items, all of them unprocessed,
        nothing at all.
        """
        if items and units:
            ratio = units / (items + size_bytes / _WRITE_UNIT_BYTES)
            weight = 1 / _LEARNING if self._is_known else 1.0
            self._ratio += (ratio - self._ratio) * weight
        if items:
            self._is_known = True


_costs: WeakKeyDictionary[Limiter, dict[str, WriteCost]] = WeakKeyDictionary()


def cost_of(limiter: Limiter, kind: str) -> WriteCost:
    """Returns what is known of a limiter's table: a bundle goes on with the last's.

    Args:
        limiter: of the table.
        kind: puts and deletes of one table cost differently.
    """
    return _costs.setdefault(limiter, {}).setdefault(kind, WriteCost())
