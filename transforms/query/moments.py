"""Days and moments: texts in ISO 8601, or seconds since 1970."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["MisfitValueError", "date_of", "moment_of"]


class MisfitValueError(ValueError):
    """A value that its column cannot hold; never leaves this package."""


# ISO 8601 as people and AWS's SDKs write it; the day alone is its midnight.
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?"
    r"(?:Z|([+-]\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MICROSECOND_DIGITS = 6
_MOST_MICROS = 2**63
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as SQL has it, in UTC without saying so


def date_of(tag: str, content: Any) -> date:
    """Returns a day, of a text such as ``2013-06-01``.

    Raises:
        ValueError: it is none.
    """
    if tag != "S" or not _DAY.fullmatch(content):
        raise MisfitValueError
    return date.fromisoformat(content)


def moment_of(tag: str, content: Any) -> datetime:
    """Returns a moment in UTC: of a text, or of a number of seconds since 1970.

    What is finer than a microsecond is cut off.

    >>> moment_of("S", "2013-06-01T05:00:00.5+02:00").isoformat()
    '2013-06-01T03:00:00.500000'
    >>> moment_of("N", "1370055600").isoformat()
    '2013-06-01T03:00:00'

    Raises:
        ValueError: it is none.
    """
    if tag == "N":
        return _moment_of_number(content)
    found = _MOMENT.fullmatch(content) if tag == "S" else None
    if not found:
        raise MisfitValueError
    day, hour, minute, second, fraction, zone_hours, zone_minutes = found.groups()
    micros = (fraction or "").ljust(_MICROSECOND_DIGITS, "0")[:_MICROSECOND_DIGITS]
    at = time(int(hour or 0), int(minute or 0), int(second or 0), int(micros))
    moment = datetime.combine(date.fromisoformat(day), at)
    if zone_hours is None:
        return moment
    ahead = timedelta(
        hours=int(zone_hours), minutes=int(zone_hours[0] + (zone_minutes or "0"))
    )
    return _shifted(moment, -ahead)


def _moment_of_number(text: str) -> datetime:
    try:
        micros = int(Decimal(text).scaleb(_MICROSECOND_DIGITS))
    except (InvalidOperation, OverflowError) as error:
        raise MisfitValueError from error
    if abs(micros) >= _MOST_MICROS:
        raise MisfitValueError
    return _shifted(_EPOCH, timedelta(microseconds=micros))


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError as error:
        raise MisfitValueError from error
