"""How many items may be rejected before a job is said to go wrong."""

import re
from dataclasses import dataclass

from transforms.dynamodb.errors import JobStoppedError, UserError

__all__ = ["RejectLimit", "TooManyRejectedError"]

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")
_LEAST_SCANNED = 1_000
_WHOLE = 100.0


class TooManyRejectedError(JobStoppedError):
    """More items were rejected than the job may have."""


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """A number of items, or a percentage of those scanned.

    Attributes:
        amount: items, or percent.
        is_percent: which of the two.
    """

    amount: float
    is_percent: bool

    @classmethod
    def parse(cls, text: str) -> "RejectLimit":
        """Reads ``100`` or ``0.1%``.

        Raises:
            UserError: it is neither.

        >>> RejectLimit.parse("0.1%").is_exceeded(rejected=2, scanned=1_500)
        True
        """
        found = _FORM.fullmatch(text.replace(",", "").strip())
        amount = float(found[1]) if found else -1.0
        is_percent = bool(found and found[2])
        if found is None or (is_percent and amount > _WHOLE):
            raise UserError(f"give a number of items, or a percentage, not {text!r}")
        if not is_percent and not amount.is_integer():
            raise UserError(f"items are whole: {text} is neither them nor a percentage")
        return cls(amount, is_percent)

    def is_exceeded(self, *, rejected: int, scanned: int) -> bool:
        """Tells whether that is too many.

        Args:
            rejected: items rejected so far.
            scanned: items scanned so far; below 1,000 no percentage is judged while
                the job runs.
        """
        if self.is_percent:
            return rejected * _WHOLE > scanned * self.amount
        return rejected > self.amount

    def check(self, *, rejected: int, scanned: int, is_final: bool = False) -> None:
        """Stops a job that goes wrong.

        Raises:
            TooManyRejectedError: says how many.
        """
        if self.is_percent and scanned < _LEAST_SCANNED and not is_final:
            return
        if self.is_exceeded(rejected=rejected, scanned=scanned):
            raise TooManyRejectedError(
                f"{rejected:,} of {scanned:,} items were rejected, and --max-rejected "
                f"is {self}; see their reasons in the run directory"
            )

    def __str__(self) -> str:
        """The form that `parse` reads."""
        return f"{self.amount:g}{'%' if self.is_percent else ''}"
