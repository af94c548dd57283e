"""Literals of SQL as the values that the service compares with."""

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from sqlglot import exp

from transforms.dynamodb.expressions.syntax import Literal, literal
from transforms.query.schema import Column

__all__ = ["constant", "neighbours"]

# DuckDB reads a literal of more digits as DOUBLE.
_EXACT_DIGITS = 30
_BIGINT_DIGITS = 18
# One for the rounding of a number to a DOUBLE, one for that of the literal.
_STEPS = 2


def constant(term: exp.Expr, column: Column) -> dict[str, Any] | None:
    """Returns a literal as the AttributeValue to compare the column's with.

    None where SQL would convert one of the two first: the service converts nothing.
    """
    term = term.unnest()
    makers: dict[str, Callable[[exp.Expr], dict[str, Any] | None]] = {
        "VARCHAR": _text_constant,
        "BOOLEAN": _truth_constant,
        "BIGINT": _number_constant,
        "DECIMAL": _number_constant,
        "DOUBLE": _number_constant,
    }
    make = makers.get(column.type.kind)
    if make is None or column.tags not in (("S",), ("N",), ("BOOL",)):
        return None
    tagged = make(term)
    if tagged is None or column.tags[0] not in tagged or not _is_exact(tagged, column):
        return None
    return tagged


def _is_exact(tagged: dict[str, Any], column: Column) -> bool:
    """True if SQL compares the two as the numbers that they are."""
    if "N" not in tagged or column.type.kind == "DOUBLE":
        return True
    whole, _, places = tagged["N"].lstrip("-").partition(".")
    if column.type.kind == "BIGINT":
        return not places and len(whole) <= _BIGINT_DIGITS
    most = column.type.precision - column.type.scale
    return len(places) <= column.type.scale and len(whole) <= most


def _text_constant(term: exp.Expr) -> dict[str, Any] | None:
    if isinstance(term, exp.Literal) and term.is_string:
        return {"S": term.this}
    return None


def _truth_constant(term: exp.Expr) -> dict[str, Any] | None:
    return {"BOOL": term.this} if isinstance(term, exp.Boolean) else None


def _number_constant(term: exp.Expr) -> dict[str, Any] | None:
    sign = ""
    if isinstance(term, exp.Neg):
        sign, term = "-", term.this.unnest()
    if not isinstance(term, exp.Literal) or term.is_string:
        return None
    text = term.this
    if not text.replace(".", "", 1).isdecimal() or len(text) > _EXACT_DIGITS:
        return None  # 1e5 is a DOUBLE, and makes the comparison one
    return {"N": sign + text}


def neighbours(text: str) -> tuple[Literal, Literal]:
    """Returns the numbers between which everything rounds to this DOUBLE."""
    below = above = float(text)
    for _ in range(_STEPS):
        below, above = math.nextafter(below, -math.inf), math.nextafter(above, math.inf)
    # No number but zero is nearer to it than 1E-130 in DynamoDB.
    return (
        literal({"N": _bounded(Decimal(below), ROUND_FLOOR)}),
        literal({"N": _bounded(Decimal(above), ROUND_CEILING)}),
    )


def _bounded(number: Decimal, rounding: str) -> str:
    if abs(number) < Decimal("1E-130"):
        return "1E-130" if rounding == ROUND_CEILING else "-1E-130"
    return str(Context(prec=38, rounding=rounding).create_decimal(number))
