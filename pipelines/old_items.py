"""What is old: a cutoff, the filter for items before it, and tables named by a date."""

import calendar
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Literal

from transforms.dynamodb.errors import UserError

__all__ = ["TimeFormat", "cutoff_of", "is_pattern", "old_tables", "older_filter"]

TimeFormat = Literal["date", "seconds", "milliseconds"]

_AGE = re.compile(r"(\d{1,5})d")


def cutoff_of(age: str, wall_seconds: float) -> datetime:
    """Returns the beginning of the day that many days ago, in UTC.

    >>> cutoff_of("90d", 1795493700.0).isoformat()
    '2026-08-26T00:00:00+00:00'

    Raises:
        UserError: no number of days.
    """
    found = _AGE.fullmatch(age)
    if found is None or not int(found.group(1)):
        raise UserError(f"--older-than {age!r}: give days, as 90d")
    now = datetime.fromtimestamp(wall_seconds, tz=timezone.utc)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=int(found.group(1)))


def older_filter(attribute: str, form: TimeFormat, cutoff: datetime) -> str:
    """Returns the condition of items before the cutoff.

    A value of another type is not before anything, so such an item stays.

    >>> older_filter("day", "date", datetime(2026, 8, 26))
    "day < '2026-08-26'"
    """
    if form == "date":
        return f"{attribute} < '{cutoff:%Y-%m-%d}'"
    seconds = int(cutoff.timestamp())
    return f"{attribute} < {seconds if form == 'seconds' else seconds * 1000}"


def is_pattern(source: str) -> bool:
    """Tells a pattern of table names, as ``eu-west-1/events_%Y_%m``, from a table."""
    return "%" in source


def old_tables(
    names: Iterable[str], pattern: str, cutoff: datetime
) -> list[tuple[str, datetime]]:
    """Returns the tables whose whole period is before the cutoff, oldest first.

    >>> names = ["events_2026_06", "events_2026_08", "events_x", "orders"]
    >>> [name for name, _ in old_tables(names, "events_%Y_%m", datetime(2026, 8, 26))]
    ['events_2026_06']

    Args:
        names: of all tables.
        pattern: of strftime; a period is a day, a month or a year.
        cutoff: the period must have ended by then.

    Raises:
        UserError: the pattern has no year, or signs other than %Y, %m and %d.
    """
    signs = set(re.findall(r"%(.)", pattern))
    if "Y" not in signs or signs - {"Y", "m", "d"} or signs == {"Y", "d"}:
        raise UserError(
            f"the table pattern {pattern!r} takes %Y, %m and %d, as events_%Y_%m"
        )
    found = []
    for name in names:
        try:
            begin = datetime.strptime(name, pattern).replace(tzinfo=cutoff.tzinfo)
        except ValueError:
            continue
        if begin.strftime(pattern) == name and _end(begin, signs) <= cutoff:
            found.append((name, begin))
    return sorted(found, key=lambda each: each[1])


def _end(begin: datetime, signs: set[str]) -> datetime:
    if "d" in signs:
        return begin + timedelta(days=1)
    if "m" in signs:
        return begin + timedelta(days=calendar.monthrange(begin.year, begin.month)[1])
    return begin.replace(year=begin.year + 1)
