"""What 100 % is: the capacity of a table, and a rate as a part of it."""

import math
from dataclasses import dataclass

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import IndexDescription, TableDescription
from transforms.limits import Direction, capacity_of
from transforms.throttle.rate import MAX_PERCENT, Rate, RateError

__all__ = ["PlannedRate", "check_patience", "plan_rate"]

_READ_UNIT_BYTES = 4096
_DAY_SECONDS = 24 * 3600.0
_MOST_DAYS = 7.0


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
        RateError: a percentage of a capacity that is not known, or may not be asked,
            or a figure beyond what the table can ever pay: 150 % of one that is.
    """
    if rate.kind == "unlimited":
        return PlannedRate(math.inf, "as fast as the service allows")
    capacity = capacity_of(table, direction, index)
    if rate.kind == "units":
        most = capacity.units * MAX_PERCENT / 100
        is_known = table.billing_mode == "PROVISIONED" or "maximum" in capacity.what
        if is_known and rate.value > most > 0:
            raise RateError(
                f"{rate.value:,.6g} units/s is more than {MAX_PERCENT:g} % of "
                f"{capacity.what}; give at most {most:,.6g}, or raise the capacity"
            )
        return PlannedRate(rate.value, "as given")
    if table.billing_mode == "UNKNOWN":
        raise RateError(
            f"{rate} is of {capacity.what}, since dynamodb:DescribeTable is denied; "
            f"give an absolute rate, as --{direction}-units 500"
        )
    units = rate.units_per_second(capacity.units)
    return PlannedRate(units, f"{rate} of {capacity.what}")


def check_patience(
    table: TableDescription, read: PlannedRate, *, consistent: bool
) -> None:
    """Refuses a scan that would take more than a week at its rate.

    Args:
        table: whose size the service counts about every six hours.
        read: the rate to read at.
        consistent: strongly consistent reads, which cost double.

    Raises:
        UserError: says how long it would take.
    """
    units = table.size_bytes / _READ_UNIT_BYTES * (1.0 if consistent else 0.5)
    days = units / read.units_per_second / _DAY_SECONDS
    if days > _MOST_DAYS:
        raise UserError(
            f"reading {table.name} takes about {days:,.0f} days at "
            f"{read.units_per_second:,.6g} units/s; raise the rate, or go on with --yes"
        )
