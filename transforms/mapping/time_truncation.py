"""Times cut down to the begin of their year, month, day, hour or minute."""

import re
from datetime import datetime, timezone

__all__ = ["UNITS", "truncate_epoch", "truncate_text"]

UNITS = ("year", "month", "day", "hour", "minute", "second")

_ISO = re.compile(
    r"(\d{4})(-\d\d)(-\d\d)"
    r"(?:([T ])(\d\d)(:\d\d)(?:(:\d\d)([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?"
)


def truncate_text(text: str, unit: str) -> str | None:
    """Cuts an ISO 8601 time in its own zone and form; None if the text is none.

    >>> truncate_text("2013-06-01T10:22:33.5Z", "hour")
    '2013-06-01T10:00:00Z'
    >>> truncate_text("2013-06-17", "month")
    '2013-06-01'
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, between, hour, minute, second, _, zone = match.groups()
    kept = UNITS.index(unit)
    date = year + (month if kept >= 1 else "-01") + (day if kept > 1 else "-01")
    if between is None:
        return date
    level = UNITS.index("hour")
    time = hour if kept >= level else "00"
    time += minute if kept > level else ":00"
    if second is not None:
        time += second if kept > level + 1 else ":00"
    return f"{date}{between}{time}{zone or ''}"


def truncate_epoch(seconds: int, unit: str) -> int:
    """Cuts seconds since 1970, in UTC.

    >>> truncate_epoch(1370082153, "day")
    1370044800

    Raises:
        OverflowError, ValueError, OSError: a time beyond the years 1 to 9999.
    """
    time = datetime.fromtimestamp(seconds, tz=timezone.utc)
    fields = {"year": 1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
    for name in UNITS[: UNITS.index(unit) + 1]:
        fields[name] = getattr(time, name)
    return int(datetime(**fields, tzinfo=timezone.utc).timestamp())
