"""What was reached is computed from the rows that were measured."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.aims import aims_of_costs, aims_of_growth
from benchmarks.results import Row

OURS = Row("copy-1-1", "small", "ours-direct", "http", 2.5, 4.0, 220.0, 36.0)
THREADS = replace(OURS, contender="boto3-threads", cpu_us_per_item=90.0)


@pytest.mark.parametrize(
    ("theirs", "found", "is_reached"),
    [(90.0, "1/36.0", True), (74.9, "1/30.0", False)],
    ids=["above", "just-below"],
)
def test_a_ratio_is_held_against_its_aim(theirs, found, is_reached):
    rows = [OURS, replace(THREADS, cpu_us_per_item=theirs)]
    aim = next(aims_of_costs(rows))
    assert (aim.bound, aim.found, aim.is_reached) == (
        "1/30 of the CPU",
        found,
        is_reached,
    )


def test_what_was_not_measured_is_no_aim_reached_or_missed():
    secure = replace(OURS, scheme="https")
    assert [aim.what for aim in aims_of_costs([OURS, secure])] == [
        "copy-1-1, ours-direct, in absolute terms"
    ]


def scale_row(
    items: int, segments: int | None, cost: float, memory: float
) -> dict[str, Any]:
    return {
        "item_count": items,
        "segments": segments,
        "cpu_us_per_item": cost,
        "rss_mb": memory,
    }


def test_growth_is_held_against_its_bounds():
    rows = [
        scale_row(100_000, None, 1.9, 240),
        scale_row(1_000_000, None, 2.5, 280),
        scale_row(10_000_000, None, 2.4, 290),
        *(scale_row(10_000_000, n, 2.4, 290) for n in (1, 100, 10_000)),
        scale_row(10_000_000, 100_000, 7.3, 290),
    ]
    found = {"us_per_request": 99.0, "far_items_per_second": 39_000.0}
    assert {aim.what: aim.is_reached for aim in aims_of_growth(rows, found)} == {
        "cost an item, 10^5 to 10^7": False,
        "cost at 1 to 10,000 segments": True,
        "cost at 100,000 segments": False,
        "a scan request": True,
        "memory, 10^7 items against 10^6": True,
        "memory of a worker process at 10^7": True,
        "items a second between tables that answer after 80 ms": False,
    }
