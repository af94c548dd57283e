"""What 100 % is: the capacity of a table, and a rate as a part of it."""

import math
from dataclasses import dataclass

from transforms.dynamodb.tables import IndexDescription, TableDescription
from transforms.limits import Direction, capacity_units
from transforms.throttle.rate import Rate

__all__ = ["PlannedRate", "plan_rate"]

_UNIT = {"read": "RCU", "write": "WCU"}


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """A rate in capacity units a second, and how it came about.

    Attributes:
        units_per_second: above 0; infinite if nothing limits it.
        reason: as ``10% of 1,000 provisioned RCU``.
    """

    units_per_second: float
    reason: str

    @property
    def rate(self) -> Rate:
        """The same as an absolute rate, which needs no capacity any more."""
        if math.isinf(self.units_per_second):
            return Rate.unlimited()
        return Rate.units(self.units_per_second)

    def __str__(self) -> str:
        """The line a person reads."""
        if math.isinf(self.units_per_second):
            return self.reason
        return f"{self.reason} = {self.units_per_second:,.6g} units/s"


def plan_rate(
    rate: Rate,
    table: TableDescription,
    direction: Direction,
    index: IndexDescription | None = None,
) -> PlannedRate:
    """Turns a rate into units a second of this table, or of its index.

    Raises:
        RateError: a percentage of a capacity that is not known.
    """
    if rate.kind == "unlimited":
        return PlannedRate(math.inf, "as fast as the service allows")
    if rate.kind == "units":
        return PlannedRate(rate.units_per_second(None), "as given")
    capacity = capacity_units(table, direction, index)
    mode = "provisioned" if table.billing_mode == "PROVISIONED" else "on-demand"
    return PlannedRate(
        rate.units_per_second(capacity),
        f"{rate} of {capacity:,.6g} {mode} {_UNIT[direction]}",
    )
