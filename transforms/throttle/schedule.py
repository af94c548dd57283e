"""A timetable of rates: 10 % by day, 80 % at night.

    08:00-20:00=10%, 20:00-08:00=80%; Europe/Berlin

Times are of the wall clock of the zone, which must be named. What no entry covers
keeps the run's own rate; where two cover a time, the first one counts.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from transforms.throttle.rate import Rate, RateError

__all__ = ["PAUSED", "Schedule"]

PAUSED = "0"
"""In place of a rate: nothing is spent."""

_ENTRY = re.compile(r"(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)\s*=\s*(.+)")
_MIDNIGHT = "24:00"
_FORM = 'write it as "08:00-20:00=10%, 20:00-08:00=80%; Europe/Berlin"'


@dataclass(frozen=True, slots=True)
class _Entry:
    start: time
    end: time
    rate: str

    def covers(self, moment: time) -> bool:
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end  # over midnight


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which rate holds when; made by `parse`.

    >>> night = Schedule.parse("20:00-08:00=80%; Europe/Berlin")
    >>> night.rate_at(1_795_478_400)  # 2026-11-24 00:00 UTC
    '80%'
    """

    text: str
    entries: tuple[_Entry, ...]
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Reads a timetable.

        Raises:
            RateError: it is none, or its zone or one of its rates is none.
        """
        times, separator, zone_name = text.partition(";")
        if not separator or not zone_name.strip():
            raise RateError(f"rate schedule {text!r} names no time zone; {_FORM}")
        try:
            zone = ZoneInfo(zone_name.strip())
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise RateError(
                f"rate schedule {text!r}: there is no time zone "
                f"{zone_name.strip()!r}; {_FORM}"
            ) from error
        entries = tuple(_entry(part.strip(), text) for part in times.split(","))
        return cls(text, entries, zone)

    def rate_at(self, wall_seconds: float) -> str | None:
        """Returns the rate at a moment, as text; None if no entry covers it."""
        moment = datetime.fromtimestamp(wall_seconds, tz=self.zone).time()
        return next((e.rate for e in self.entries if e.covers(moment)), None)

    def __str__(self) -> str:
        """The text that `parse` reads."""
        return self.text


def _entry(part: str, text: str) -> _Entry:
    match = _ENTRY.fullmatch(part)
    if match is None:
        raise RateError(f"rate schedule {text!r}: cannot read {part!r}; {_FORM}")
    rate = match[3].strip()
    if rate != PAUSED:
        Rate.parse(rate)
    return _Entry(_time(match[1], text), _time(match[2], text), rate)


def _time(clock: str, text: str) -> time:
    hour, minute = (int(part) for part in clock.split(":"))
    try:
        return time(0 if clock == _MIDNIGHT else hour, minute)
    except ValueError as error:
        raise RateError(
            f"rate schedule {text!r}: there is no time {clock}; {_FORM}"
        ) from error
