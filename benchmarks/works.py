"""The works that every contender does, said once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """A scan, copied to 0, 1 or 2 tables, with a filter that keeps half or none."""

    targets: int
    filtered: bool = False


WORKS = {
    "scan": Work(0),
    "copy-1-1": Work(1),
    "copy-1-2": Work(2),
    "copy-filter": Work(1, filtered=True),
}

FILTER = "day >= '2013-07-01'"


def keeps(day: str) -> bool:
    """The same filter in Python."""
    return day >= "2013-07-01"
