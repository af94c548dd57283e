"""DynamoDB's numbers: decimal, 38 digits, never float.

The limits are those of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

import contextlib
import decimal
import re
from decimal import Decimal

__all__ = [
    "NUMBER_CONTEXT",
    "AttributeValueError",
    "NumberOutOfRangeError",
    "exact_number",
    "number_size_bytes",
    "number_text",
    "parse_number",
]


class AttributeValueError(ValueError):
    """A value, on the wire or in Python, that DynamoDB has no form for."""


class NumberOutOfRangeError(AttributeValueError):
    """A number of too many digits, too large or too small for N."""


NUMBER_CONTEXT = decimal.Context(
    prec=38,
    Emin=-130,
    Emax=125,
    traps=[
        decimal.Clamped,
        decimal.Inexact,
        decimal.InvalidOperation,
        decimal.Overflow,
        decimal.Rounded,
        decimal.Subnormal,
        decimal.Underflow,
    ],
)
"""What DynamoDB's N can hold: 38 digits, 1E-130 to 9.99…E+125; the rest is an error."""

_UNLIMITED = decimal.Context(
    prec=decimal.MAX_PREC,
    Emin=decimal.MIN_EMIN,
    Emax=decimal.MAX_EMAX,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow],
)
# Decimal() alone would also take "NaN", "1_0", blanks and the digits of other scripts.
_NUMBER_TEXT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def parse_number(text: str) -> Decimal:
    """Reads a number as N holds it on the wire; "1.50" keeps its zero.

    Raises:
        AttributeValueError: no number, or one that N cannot hold.
    """
    if not _NUMBER_TEXT.fullmatch(text):
        raise AttributeValueError("N must be a number in decimal notation")
    return exact_number(text)


def exact_number(number: Decimal | int | str) -> Decimal:
    """Returns the number if N can hold it; shortened only if that changes no digit.

    "1" and 40 zeros has one significant digit, so N holds it, though as a Decimal of 41
    digits it does not pass NUMBER_CONTEXT (boto3's resource raises `Rounded` there).

    Raises:
        NumberOutOfRangeError: NaN, infinity, too many digits, too large or too small.
    """
    for read in (NUMBER_CONTEXT.create_decimal, _without_zeros):
        with contextlib.suppress(decimal.DecimalException):
            exact = read(number)
            if exact.is_finite():
                return exact
    raise NumberOutOfRangeError(
        "a number that N cannot hold: it has 38 significant digits, and a magnitude of"
        " 1E-130 to 9.99E+125, or zero; round the number, or store it as a string"
    )


def number_text(number: Decimal | int) -> str:
    """Returns the one spelling of a number: no exponent, no needless zeros, no -0.

    Raises:
        AttributeValueError: as `exact_number`.
    """
    return f"{exact_number(number).normalize(NUMBER_CONTEXT):f}" if number else "0"


def number_size_bytes(number: Decimal) -> int:
    """Returns what a number counts in an item's size: 1, and 1 for every two digits."""
    digits = number.normalize(NUMBER_CONTEXT).as_tuple().digits
    return 1 + (len(digits) + 1) // 2 if number else 1


def _without_zeros(number: Decimal | int | str) -> Decimal:
    exact = _UNLIMITED.create_decimal(number)
    return NUMBER_CONTEXT.create_decimal(exact.normalize(_UNLIMITED))
