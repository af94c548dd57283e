"""What 100 % is: the capacity of a table, and a rate as a part of it."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from transforms.dynamodb.tables import IndexDescription, TableDescription
from transforms.throttle.rate import Rate

__all__ = ["Direction", "PlannedRate", "plan_rate"]

Direction: TypeAlias = Literal["read", "write"]

# What AWS lets a new on-demand table take at once, in units a second.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
_ON_DEMAND_START = {"read": 12_000.0, "write": 4_000.0}
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
    capacity, what = _capacity(table, direction, index)
    return PlannedRate(
        rate.units_per_second(capacity),
        f"{rate} of {capacity:,.6g} {what} {_UNIT[direction]}",
    )


def _capacity(
    table: TableDescription, direction: Direction, index: IndexDescription | None
) -> tuple[float, str]:
    """Returns units a second and what they are; a local index has its table's."""
    is_read = direction == "read"
    if table.billing_mode == "PROVISIONED":
        owner = index if index is not None and index.kind == "GSI" else table
        return (owner.read_units if is_read else owner.write_units), "provisioned"
    maximum = table.max_read_units if is_read else table.max_write_units
    if maximum:
        return maximum, "maximum on-demand"
    warm = table.warm_read_units if is_read else table.warm_write_units
    if warm:
        return warm, "warm"
    return _ON_DEMAND_START[direction], "on-demand starting"
