"""`python -m benchmarks.report`: docs/performance.md and its picture, from build/.

Replaces what is between the markers of the page by the tables of the last run; the
words around them are people's.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.aims import Aim, aims_of_costs, aims_of_growth
from benchmarks.results import Row, fill_page, read_rows
from benchmarks.stub_server import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
BUILD = ROOT / "build"


_WORKS = {
    "scan": "scan",
    "copy-1-1": "copy to one table",
    "copy-1-2": "copy to two tables",
    "copy-filter": "copy of half, by a filter",
}
_KINDS = {
    "small": "items of 200 B",
    "big": "items of 2 KB",
    "mixed": "items of 40 attributes of all types",
}


def main() -> None:
    """Writes the tables and the picture."""
    rows = read_rows(BUILD / "bench.json")
    parts = (*_where(), *_aims(rows), *_tables(rows), *_runners(), *_scale())
    fill_page(PAGE, (*parts, *_floor()))
    _draw([row for row in rows if (row.scheme, row.items) == ("http", "small")])


def _where() -> Iterator[str]:
    facts = _facts("bench.facts.json")
    machine = f"{facts['machine']}, {facts['system']}"
    names = ("python", "apache-beam", "boto3", "msgspec", "uvloop", "httptools")
    versions = ", ".join(f"{name} {facts[name]}" for name in names)
    yield f"{facts['date']}, on {machine}; {versions}. The service answers after 5 ms."
    yield ""
    for place, reason in facts["not_measured"].items():
        yield f"Not measured: {place}: {reason.splitlines()[0]}"
        yield ""


def _aims(rows: Sequence[Row]) -> Iterator[str]:
    yield "### What was aimed at, and what was reached"
    yield ""
    yield "| aim | bound | reached | |"
    yield "|---|---|---|---|"
    yield from map(_aim_line, aims_of_costs(rows))
    growth = json.loads((BUILD / "bench-scale.json").read_text())
    found = _facts("bench-scale.facts.json")["found"]
    yield from map(_aim_line, aims_of_growth(growth[1:], found))
    copies = [
        row.cpu_us_per_item
        for row in rows
        if (row.scheme, row.items, row.work, row.contender)
        == ("http", "small", "copy-1-1", "ours-direct")
    ]
    if copies:
        least = _facts("bench-floor.json")["us_per_item"]["in all"]
        yield ""
        yield f"A copy takes {copies[0] / least:.1f} times the floor below."
    yield ""


def _aim_line(aim: Aim) -> str:
    reached = "yes" if aim.is_reached else "**not reached**"
    return f"| {aim.what} | {aim.bound} | {aim.found} | {reached} |"


def _tables(rows: Sequence[Row]) -> Iterator[str]:
    for scheme in ("http", "https"):
        for kind, items in _KINDS.items():
            chosen = [row for row in rows if (row.scheme, row.items) == (scheme, kind)]
            if chosen:
                yield f"### {items[0].upper()}{items[1:]}, over {scheme.upper()}"
                yield ""
                yield from _table(chosen)
                yield ""


def _table(rows: Sequence[Row]) -> Iterator[str]:
    """CPU µs an item, and how many times less than boto3 threads, by work."""
    found = {(row.contender, row.work): row for row in rows}
    contenders = list(dict.fromkeys(row.contender for row in rows))
    works = [work for work in _WORKS if any(row.work == work for row in rows)]
    yield f"| CPU µs an item | {' | '.join(map(_WORKS.__getitem__, works))} |"
    yield "|---|" + "---:|" * len(works)
    for contender in contenders:
        cells = [_cell(found.get((contender, work))) for work in works]
        yield f"| {contender} | {' | '.join(cells)} |"


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    ratio = row.ratio_to_boto3_threads
    return f"{row.cpu_us_per_item:.2f}" + (f" ({ratio:.1f}x)" if ratio else "")


def _runners() -> Iterator[str]:
    """What `make bench-runners` found, if it was run."""
    path = BUILD / "bench-runners.json"
    if not path.exists():
        return
    yield "### The same copy on other runners"
    yield ""
    yield (
        "| runner | workers | items a second | worker CPU µs an item "
        "| to the in-process runner's |"
    )
    yield "|---|---:|---:|---:|---:|"
    for row in json.loads(path.read_text()):
        yield (
            f"| {row['runner']} | {row['workers']} | {row['items_per_s']:,} | "
            f"{row['worker_us_per_item']:.2f} | {row['ratio_to_direct']:.2f} |"
        )
    yield ""


def _scale() -> Iterator[str]:
    rows = json.loads((BUILD / "bench-scale.json").read_text())
    found = _facts("bench-scale.facts.json")["found"]
    yield "### Growth: copy to one table, items of 200 B, over HTTP"
    yield ""
    yield "| items | segments | scan requests | CPU µs an item | peak memory, MB |"
    yield "|---:|---:|---:|---:|---:|"
    for row in rows[1:]:
        segments = f"{row['segments']:,}" if row["segments"] else "chosen"
        yield (
            f"| {row['item_count']:,} | {segments} | {row['requests']:,} | "
            f"{row['cpu_us_per_item']:.2f} | {row['rss_mb']:.0f} |"
        )
    yield ""
    yield (
        f"cost = {found['us_per_item']:.2f} µs x items + "
        f"{found['us_per_request']:.0f} µs x scan requests. Between tables that answer "
        f"after 80 ms one worker copies {found['far_items_per_second']:,.0f} items a "
        "second."
    )
    yield ""


def _floor() -> Iterator[str]:
    yield "### The floor of this machine"
    yield ""
    yield "| what a copy can't do without | CPU µs an item of 200 B |"
    yield "|---|---:|"
    for part, cost in _facts("bench-floor.json")["us_per_item"].items():
        yield f"| {part} | {cost:.2f} |"
    yield ""


def _facts(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BUILD / name).read_text())
    return found


def _draw(rows: Sequence[Row]) -> None:
    """Bars of CPU an item, ours first, on a scale by tens."""
    works = [work for work in _WORKS if any(row.work == work for row in rows)]
    figure = Figure(figsize=(9, 2.1 * len(works)), layout="constrained")
    plots = figure.subplots(len(works), 1, sharex=True, squeeze=False)[:, 0]
    for plot, work in zip(plots, works, strict=True):
        bars = [row for row in rows if row.work == work][::-1]
        colors = [
            "#1b7837" if row.contender.startswith("ours") else "#9aa0a6" for row in bars
        ]
        names = [row.contender for row in bars]
        drawn = plot.barh(names, [row.cpu_us_per_item for row in bars], color=colors)
        labels = [_digits(row.cpu_us_per_item) for row in bars]
        plot.bar_label(drawn, labels, padding=3, fontsize=8)
        plot.set_xscale("log")
        plot.set_title(_WORKS[work], loc="left", fontsize=10)
        plot.tick_params(labelsize=8)
        plot.spines[["top", "right"]].set_visible(False)
    plots[-1].set_xlabel("CPU µs an item of 200 B (logarithmic)", fontsize=9)
    # Text as text, and names that do not change from one run to the next.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "beam-dynamodb"}):
        figure.savefig(PICTURE, metadata={"Date": None})


def _digits(cost: float) -> str:
    """Two or three digits that say something.

    >>> _digits(0.324), _digits(2.58), _digits(121.2)
    ('0.32', '2.6', '121')
    """
    return f"{cost:.2f}" if cost < 1 else f"{cost:.1f}" if cost < 10 else f"{cost:.0f}"  # noqa: PLR2004


if __name__ == "__main__":
    main()
