"""What was aimed at, and what the last runs reached: computed, never entered.

Aims are the project's; what is reached comes from build/bench.json and
build/bench-scale.json, so that nobody copies a figure by hand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.results import Row
from benchmarks.scale import (
    FAR_ITEMS_PER_SECOND,
    FLAT,
    MANY_SEGMENTS,
    MAX_REQUEST_US,
    MAX_RSS_MB,
    MEMORY_GROWTH,
    MOST,
)

__all__ = ["Aim", "aims_of_costs", "aims_of_growth"]

_REFERENCE = "boto3-threads"
_RATIOS = {"scan": 25.0, "copy-1-1": 30.0, "copy-1-2": 30.0, "copy-filter": 20.0}
_EMR_RATIO = 10.0
_MAX_COPY_US = 4.0


@dataclass(frozen=True, slots=True)
class Aim:
    """One line: what, the bound, what was found, and whether that is within it."""

    what: str
    bound: str
    found: str
    is_reached: bool


def aims_of_costs(rows: Sequence[Row]) -> Iterator[Aim]:
    """Yields the aims that speak of small items, of those that were measured."""
    cost = {
        (row.scheme, row.work, row.contender): row.cpu_us_per_item
        for row in rows
        if row.items == "small"
    }
    for scheme in ("http", "https"):
        for ours in ("ours-direct", "ours-command"):
            for work, aimed in _RATIOS.items():
                yield from _ratio(cost, (scheme, work, ours), _REFERENCE, aimed)
    for work in ("scan", "copy-1-1"):
        place = ("http", work, "ours-direct")
        yield from _ratio(cost, place, "emr-spark-hot", _EMR_RATIO)
    for ours in ("ours-direct", "ours-command"):
        found = cost.get(("http", "copy-1-1", ours))
        if found is not None:
            yield Aim(
                f"copy-1-1, {ours}, in absolute terms",
                f"below {_MAX_COPY_US:g} µs an item",
                f"{found:.1f} µs",
                found < _MAX_COPY_US,
            )


def _ratio(
    cost: dict[tuple[str, str, str], float],
    place: tuple[str, str, str],
    other: str,
    aimed: float,
) -> Iterator[Aim]:
    scheme, work, ours = place
    mine, theirs = cost.get(place), cost.get((scheme, work, other))
    if mine is None or theirs is None:
        return
    ratio = theirs / mine
    yield Aim(
        f"{work}, {scheme.upper()}, {ours} against {other}",
        f"1/{aimed:g} of the CPU",
        f"1/{ratio:.1f}",
        ratio >= aimed,
    )


def aims_of_growth(
    rows: Sequence[dict[str, Any]], found: dict[str, float]
) -> Iterator[Aim]:
    """Yields the aims that speak of size, segments, memory and distance.

    Args:
        rows: of build/bench-scale.json, without the one taken as start-up.
        found: the fit and the far copy, from the facts beside it.
    """
    by_items = {row["item_count"]: row for row in rows if not row["segments"]}
    by_segments = {row["segments"]: row for row in rows if row["segments"]}
    costs = [row["cpu_us_per_item"] for row in by_items.values()]
    yield _at_most("cost an item, 10^5 to 10^7", max(costs) / min(costs), FLAT, "x")
    segmented = [row["cpu_us_per_item"] for row in by_segments.values()]
    *few, many = segmented
    yield _at_most("cost at 1 to 10,000 segments", max(few) / min(few), FLAT, "x")
    yield _at_most("cost at 100,000 segments", many / min(few), MANY_SEGMENTS, "x")
    yield _at_most("a scan request", found["us_per_request"], MAX_REQUEST_US, " µs")
    most = by_items[MOST]["rss_mb"]
    growth = most / by_items[1_000_000]["rss_mb"]
    yield _at_most("memory, 10^7 items against 10^6", growth, MEMORY_GROWTH, "x")
    yield _at_most("memory of a worker process at 10^7", most, MAX_RSS_MB, " MB")
    far = found["far_items_per_second"]
    yield Aim(
        "items a second between tables that answer after 80 ms",
        f"{FAR_ITEMS_PER_SECOND:,.0f} or more",
        f"{far:,.0f}",
        far >= FAR_ITEMS_PER_SECOND,
    )


def _at_most(what: str, value: float, bound: float, unit: str) -> Aim:
    digits = 2 if unit == "x" else 0
    return Aim(
        what, f"{bound:g}{unit} at most", f"{value:.{digits}f}{unit}", value <= bound
    )
