"""A rate as its owner says it: percent of a table's capacity, units/s, or none.

`Rate` is the promise; turning it into units per second needs the table's
capacity, which the caller has from DescribeTable.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["MAX_PERCENT", "Rate", "RateError"]

MAX_PERCENT = 150.0
"""Above 100 % only what DynamoDB saved up can pay."""

_NUMBER = r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_PERCENT = re.compile(rf"{_NUMBER}\s*%")
_UNITS = re.compile(rf"{_NUMBER}\s*(?:units\s*)?/\s*s", re.IGNORECASE)
_BARE = re.compile(_NUMBER)


class RateError(ValueError):
    """A rate that cannot be meant; the text names thing, value and remedy."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of a table's capacity or an absolute figure; a value that pickles.

    `value` is in percent, in capacity units per second, or infinite, by `kind`.
    Made by `percent`, `units`, `unlimited` and the parsers, which check it.

    >>> str(Rate.parse("10 %")), str(Rate.parse("500/s"))
    ('10%', '500 units/s')
    """

    kind: Literal["percent", "units", "unlimited"]
    value: float

    @classmethod
    def percent(cls, percent: float) -> "Rate":
        """A share of the table's capacity; above 0 and at most 150.

        Raises:
            RateError: `percent` is out of bounds.
        """
        if not 0 < percent <= MAX_PERCENT:
            raise RateError(
                f"a percentage of capacity must be above 0 and at most 150, "
                f"got {_plain(percent)}; give for example 10%"
            )
        return cls("percent", float(percent))

    @classmethod
    def units(cls, units_per_second: float) -> "Rate":
        """An absolute rate in capacity units per second; finite and above 0.

        Raises:
            RateError: the figure is zero, negative or not finite.
        """
        if not 0 < units_per_second < math.inf:
            raise RateError(
                f"a rate must be a finite number of units/s above 0, "
                f"got {_plain(units_per_second)}; give for example 500/s, or unlimited"
            )
        return cls("units", float(units_per_second))

    @classmethod
    def unlimited(cls) -> "Rate":
        """No limit of ours; the service still throttles."""
        return cls("unlimited", math.inf)

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Reads "10%", "500/s", "500 units/s" or "unlimited".

        Raises:
            RateError: none of these, or out of bounds. A bare number is refused,
                because "10" may mean percent or units.
        """
        stripped = text.strip()
        if stripped.lower() == "unlimited":
            return cls.unlimited()
        if match := _PERCENT.fullmatch(stripped):
            return cls.percent(float(match["number"]))
        if match := _UNITS.fullmatch(stripped):
            return cls.units(float(match["number"]))
        if _BARE.fullmatch(stripped):
            raise RateError(
                f"rate {text!r} has no unit; write {stripped}% or {stripped}/s"
            )
        raise RateError(f"cannot read the rate {text!r}; write 10%, 500/s or unlimited")

    @classmethod
    def parse_percent(cls, text: str) -> "Rate":
        """Reads a percentage where nothing else is possible: "10", "10%", "0.5%".

        Raises:
            RateError: no percentage, out of bounds, or below 1 without a % sign:
                Hive's connector took fractions, so ".1000" there meant 10 %.
        """
        stripped = text.strip()
        if match := _PERCENT.fullmatch(stripped):
            return cls.percent(float(match["number"]))
        if not _BARE.fullmatch(stripped):
            raise RateError(f"cannot read the percentage {text!r}; write 10 or 10%")
        percent = float(stripped)
        if 0 < percent < 1:
            raise RateError(_fraction_message(text, percent))
        return cls.percent(percent)

    def units_per_second(self, capacity_units: float | None) -> float:
        """The rate in capacity units per second; `math.inf` when unlimited.

        Args:
            capacity_units: what 100 % is: the table's units per second. Only a
                percentage needs it; None or 0 means not known.

        Raises:
            RateError: a percentage of a capacity that is not known.
        """
        if self.kind != "percent":
            return self.value
        if not capacity_units:
            raise RateError(
                f"rate {self} needs a capacity, and the table reports none "
                f"(on demand, without warm throughput); "
                f"give an absolute rate, for example 500/s"
            )
        return capacity_units * self.value / 100

    def __str__(self) -> str:
        """The form that `parse` reads back to an equal rate."""
        if self.kind == "percent":
            return f"{_plain(self.value)}%"
        if self.kind == "units":
            return f"{_plain(self.value)} units/s"
        return "unlimited"


def _fraction_message(text: str, fraction: float) -> str:
    meant = f"{fraction * 100:.6g}"
    return (
        f"percentage {text!r} is below 1: did you mean {meant} %? "
        f"Write {meant}, or {text.strip()}% if you do mean so little"
    )


def _plain(number: float) -> str:
    """Shortest text that reads back the same, with no trailing ".0"."""
    return repr(float(number)).removesuffix(".0")
