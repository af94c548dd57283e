"""The works that every contender does, said once."""

import argparse
from collections.abc import Iterable
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


def contender_parser(works: Iterable[str] = WORKS) -> argparse.ArgumentParser:
    """Returns a parser of what every contender is told; it may be told more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=list(works), required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--items", type=int, required=True)
    return parser


def keeps(day: str) -> bool:
    """The same filter in Python."""
    return day >= "2013-07-01"
