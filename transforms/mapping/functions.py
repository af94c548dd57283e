"""The functions of a mapping, over AttributeValues as parsed JSON.

None of them is called with an argument that an item lacks: what is made of it is
lacking too. Only `default` is told.
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from transforms.dynamodb.attribute_values import (
    AttributeValue,
    AttributeValueError,
    canonical_value,
    encode_value,
)
from transforms.dynamodb.decimal_numbers import parse_number
from transforms.mapping.time_truncation import UNITS, truncate_epoch, truncate_text

__all__ = ["FUNCTIONS", "Function", "MisfitError"]

_DEFAULT_KEPT = 4


class MisfitError(ValueError):
    """A stored value that a function can make nothing of; says no value."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        call: computes; None where there is nothing to write. `hash` has its key as
            first argument.
        least: arguments at least.
        most: arguments at most.
        usage: what it takes, for a message.
        literals_from: arguments from this place on are values of the text.
        check_literal: says what is wrong with one of these; "" if nothing is.
        takes_missing: whether it is called for what an item lacks.
    """

    call: Callable[..., AttributeValue | None]
    least: int
    most: int
    usage: str
    literals_from: int = 99
    check_literal: Callable[[AttributeValue], str] = lambda _: ""
    takes_missing: bool = False


def _misfit(function: str, wanted: str, value: AttributeValue) -> NoReturn:
    raise MisfitError(f"{function} takes {wanted}, got {next(iter(value))}")


def _text_of(value: AttributeValue, function: str) -> str:
    if "S" in value:
        return str(value["S"])
    if "N" in value:
        return str(canonical_value(value)["N"])
    return _misfit(function, "S or N", value)


def _string_of(value: AttributeValue, function: str) -> str:
    return str(value["S"]) if "S" in value else _misfit(function, "S", value)


def concat(*values: AttributeValue) -> AttributeValue:
    """Joins texts and numbers."""
    return {"S": "".join(_text_of(value, "concat") for value in values)}


def substring(
    value: AttributeValue, start: AttributeValue, length: AttributeValue | None = None
) -> AttributeValue:
    """Takes characters from `start`, which counts from 1 as in SQL."""
    text = _string_of(value, "substring")
    first = int(start["N"]) - 1
    stop = None if length is None else first + int(length["N"])
    return {"S": text[first:stop]}


def hashed(key: bytes, value: AttributeValue) -> AttributeValue:
    """HMAC-SHA256 of a text's UTF-8, a number's digits or the bytes, in hex."""
    if "B" in value:
        content = base64.b64decode(value["B"])
    else:
        content = _text_of(value, "hash").encode()
    return {"S": hmac.new(key, content, hashlib.sha256).hexdigest()}


def mask(value: AttributeValue, kept: AttributeValue | None = None) -> AttributeValue:
    """Puts * for all characters but the last ones; for all of a shorter text."""
    text = _text_of(value, "mask")
    shown = _DEFAULT_KEPT if kept is None else int(kept["N"])
    if len(text) <= shown:
        return {"S": "*" * len(text)}
    return {"S": "*" * (len(text) - shown) + (text[-shown:] if shown else "")}


def truncate(value: AttributeValue, unit: AttributeValue) -> AttributeValue:
    """Cuts an ISO time, or seconds since 1970, down to the begin of its unit."""
    if "S" in value:
        cut = truncate_text(value["S"], unit["S"])
        if cut is None:
            raise MisfitError("truncate takes an ISO 8601 time, got another text")
        return {"S": cut}
    if "N" in value:
        seconds = math.floor(parse_number(value["N"]))
        try:
            return {"N": str(truncate_epoch(seconds, unit["S"]))}
        except (OverflowError, ValueError, OSError) as error:
            raise MisfitError("truncate takes seconds since 1970, got more") from error
    return _misfit("truncate", "S or N", value)


def to_string(value: AttributeValue) -> AttributeValue:
    """A number as its digits; a text as it is."""
    return {"S": _text_of(value, "string")}


def to_number(value: AttributeValue) -> AttributeValue:
    """A text that is a number of 38 digits at most; a number as it is."""
    if "N" in value:
        return value
    text = _string_of(value, "number")
    try:
        return encode_value(parse_number(text.strip()))
    except AttributeValueError as error:
        raise MisfitError(f"number takes the text of a number: {error}") from error


def to_set(value: AttributeValue) -> AttributeValue | None:
    """A list of texts, of numbers or of binaries; nothing for an empty list."""
    if value.keys() & {"SS", "NS", "BS"}:
        return value
    if "L" not in value:
        return _misfit("set", "L", value)
    elements: list[AttributeValue] = value["L"]
    types = {next(iter(element)) for element in elements}
    if not types:
        return None
    if len(types) > 1 or not types <= {"S", "N", "B"}:
        raise MisfitError("set takes a list of one of S, N or B, got other elements")
    (tag,) = types
    distinct = {canonical_value(element)[tag]: None for element in elements}
    return {f"{tag}S": list(distinct)}


def to_list(value: AttributeValue) -> AttributeValue:
    """A set as the list of its members; a list as it is."""
    if "L" in value:
        return value
    for tag in ("S", "N", "B"):
        if f"{tag}S" in value:
            return {"L": [{tag: member} for member in value[f"{tag}S"]]}
    return _misfit("list", "SS, NS or BS", value)


def default(
    value: AttributeValue | None, instead: AttributeValue | None
) -> AttributeValue | None:
    """The second where the first is lacking or NULL."""
    return instead if value is None or "NULL" in value else value


def _whole_number(lowest: int) -> Callable[[AttributeValue], str]:
    def check(tagged: AttributeValue) -> str:
        number = Decimal(tagged["N"]) if "N" in tagged else Decimal(-1)
        fits = lowest <= number <= 400_000 and number == int(number)  # noqa: PLR2004
        return "" if fits else f"give a whole number from {lowest}"

    return check


def _unit(tagged: Mapping[str, Any]) -> str:
    if tagged.get("S") in UNITS:
        return ""
    return f"give one of {', '.join(repr(unit) for unit in UNITS)}"


FUNCTIONS: Mapping[str, Function] = {
    "concat": Function(concat, 1, 100, "texts and numbers to join"),
    "substring": Function(
        substring,
        2,
        3,
        "a text, where to begin (1 is the first character) and perhaps how many",
        literals_from=1,
        check_literal=_whole_number(1),
    ),
    "hash": Function(hashed, 1, 1, "one text, number or binary"),
    "mask": Function(
        mask,
        1,
        2,
        "a text, and how many characters stay (4)",
        literals_from=1,
        check_literal=_whole_number(0),
    ),
    "truncate": Function(
        truncate,
        2,
        2,
        "a time and a unit",
        literals_from=1,
        check_literal=_unit,
    ),
    "string": Function(to_string, 1, 1, "one number"),
    "number": Function(to_number, 1, 1, "one text"),
    "set": Function(to_set, 1, 1, "one list"),
    "list": Function(to_list, 1, 1, "one set"),
    "default": Function(
        default, 2, 2, "something and what stands in for it", takes_missing=True
    ),
}
"""By name. What is called is written in docs/mapping.md."""
