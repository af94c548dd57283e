"""`make bench-scale`: what a copy costs as it grows, and what a scan request costs.

The contender tells the CPU seconds of its pipeline's run, timed inside the process, so
that a run of 10^4 items, which is nearly all start-up, can be subtracted from the
others: its seconds and its items. Runs of 10^4 and 10^5 are short beside what start-up
takes once more or less, so each is the median of five. The fit `a x items + b x scan
requests` is by least squares over all of them: more segments make more requests of
the same items. Last comes a copy to and from
tables that answer after 80 ms, as if on another continent: how many items a second.
"""

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import CONTENDERS, Task
from benchmarks.measure import Cost, environment, run
from benchmarks.results import facts, save
from benchmarks.stub_server import ROOT, StubServer

OUT = ROOT / "build" / "bench-scale.json"

WORK = "copy-1-1"
CONTENDER = "ours-direct"
START = 10_000
FEW = 100_000
MOST = 10_000_000
ITEM_COUNTS = (FEW, 1_000_000, MOST)
SHORT_RUNS = 5
SEGMENTS = (1, 100, 10_000, 100_000)

FLAT = 1.2  # cost an item, 10^5 to 10^7 items; 1 to 10,000 segments
MANY_SEGMENTS = 3.0  # the same at 100,000 segments
MAX_REQUEST_US = 100.0
MEMORY_GROWTH = 1.2
MAX_RSS_MB = 400.0
MAX_SECONDS = 1_500.0  # of one run, where others use the machine as well
FAR = "80ms"
FAR_ITEMS = 1_000_000
FAR_ITEMS_PER_SECOND = 40_000.0


@dataclass(frozen=True, slots=True)
class ScaleRow:
    """One copy of `item_count` items; `segments` None is our own choice of them."""

    work: str
    items: str
    contender: str
    cpu_us_per_item: float
    wall_s: float
    rss_mb: float
    ratio_to_boto3_threads: None
    item_count: int
    segments: int | None
    requests: int
    cpu_s: float


def main(*, keep: bool = False) -> int:
    """Measures, prints, writes build/bench-scale.json; returns 1 for a missed bound.

    Args:
        keep: rows that are in the file already are not measured again.
    """
    with StubServer() as stub, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        kept = {(row.item_count, row.segments): row for row in _read() if keep}
        start = kept.get((START, None)) or _measure(stub, report, START, None, None)
        print(
            f"{START:,} items: {start.cpu_s:.2f} s of CPU in the process, as start-up"
        )
        print(f"{'items':>10} {'segments':>9} {'scans':>7} ", end="")
        print(f"{'µs/item':>8} {'wall s':>7} {'RSS MB':>7}")
        runs: list[tuple[int, int | None]] = [(count, None) for count in ITEM_COUNTS]
        runs += [(MOST, segments) for segments in SEGMENTS]
        rows: list[ScaleRow] = []
        for count, segments in runs:
            row = kept.get((count, segments))
            row = row or _measure(stub, report, count, segments, start)
            _show(row)
            rows.append(row)
            save(OUT, [start, *rows], facts(service_time="5ms"))
    per_item, per_request = fit(rows)
    print(f"\ncost = {per_item:.2f} µs x items + {per_request:.0f} µs x scan requests")
    far = _far_items_per_second()
    print(f"tables that answer after {FAR}: {far:,.0f} items a second")
    missed = _missed(rows, per_request, far)
    found = {"us_per_item": per_item, "us_per_request": per_request}
    found["far_items_per_second"] = far
    save(OUT, [start, *rows], facts(service_time="5ms", found=found, missed=missed))
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


def _read() -> list[ScaleRow]:
    """Returns the rows of an earlier run; none where there was none."""
    if not OUT.exists():
        return []
    return [ScaleRow(**row) for row in json.loads(OUT.read_text())]


def fit(rows: Sequence[ScaleRow]) -> tuple[float, float]:
    """Returns a and b of `a x items + b x requests`, in µs, by least squares."""
    items = [float(row.item_count - START) for row in rows]
    requests = [float(row.requests) for row in rows]
    costs = [1e6 * row.cpu_s for row in rows]
    ii, rr, ir = _dot(items, items), _dot(requests, requests), _dot(items, requests)
    ic, rc = _dot(items, costs), _dot(requests, costs)
    determinant = ii * rr - ir * ir
    return (ic * rr - rc * ir) / determinant, (rc * ii - ic * ir) / determinant


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(map(float.__mul__, left, right))


def _measure(
    stub: StubServer,
    report: Path,
    items: int,
    segments: int | None,
    start: ScaleRow | None,
) -> ScaleRow:
    """Runs one size; its row is of the items and seconds beyond the start's."""
    goes = SHORT_RUNS if items <= FEW else 1
    runs = [_run(stub, report, items, segments) for _ in range(goes)]
    cost = runs[0][1]
    more_s = statistics.median(cpu_s for cpu_s, _ in runs)
    more_items = items
    if start is not None:
        more_s -= start.cpu_s
        more_items -= START
    return ScaleRow(
        work=WORK,
        items="small",
        contender=CONTENDER,
        cpu_us_per_item=round(1e6 * more_s / more_items, 3),
        wall_s=round(cost.wall_seconds, 2),
        rss_mb=round(max(each.rss_mb for _, each in runs)),
        ratio_to_boto3_threads=None,
        item_count=items,
        segments=segments,
        requests=stub.stats()["Scans"],
        cpu_s=round(more_s, 3),
    )


def _run(
    stub: StubServer, report: Path, items: int, segments: int | None
) -> tuple[float, Cost]:
    """Returns the CPU seconds of the pipeline's run, and what the process took."""
    command = [*CONTENDERS[CONTENDER].command(Task(WORK, stub.endpoint, items))]
    command += ["--report", str(report)]
    if segments is not None:
        command += ["--segments", str(segments)]
    stub.reset()
    cost = run(command, environment(), MAX_SECONDS)
    return float(json.loads(report.read_text())["cpu_s"]), cost


def _far_items_per_second() -> float:
    """Copies between tables far away; start-up of the pipeline is in the time."""
    with StubServer(service_time=FAR) as stub, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        task = Task(WORK, stub.endpoint, FAR_ITEMS)
        command = [*CONTENDERS[CONTENDER].command(task), "--report", str(report)]
        run(command, environment())
        return FAR_ITEMS / float(json.loads(report.read_text())["wall_s"])


def _show(row: ScaleRow) -> None:
    print(
        f"{row.item_count:10,} {row.segments or 'chosen':>9} {row.requests:7,} "
        f"{row.cpu_us_per_item:8.2f} {row.wall_s:7.1f} {row.rss_mb:7.0f}",
        flush=True,
    )


def _missed(rows: Sequence[ScaleRow], per_request: float, far: float) -> list[str]:
    """Says which bounds of the project were not held."""
    by_items = {row.item_count: row for row in rows if row.segments is None}
    by_segments = {row.segments: row for row in rows if row.segments}
    costs = [row.cpu_us_per_item for row in by_items.values()]
    *few, many = [by_segments[segments].cpu_us_per_item for segments in SEGMENTS]
    growth = by_items[MOST].rss_mb / by_items[1_000_000].rss_mb
    checks = {
        f"cost an item grows {max(costs) / min(costs):.2f}-fold with the number of "
        f"items, above {FLAT}": max(costs) > FLAT * min(costs),
        f"1 to 10,000 segments differ {max(few) / min(few):.2f}-fold, above {FLAT}": (
            max(few) > FLAT * min(few)
        ),
        f"100,000 segments cost {many / min(few):.2f} times as much, above "
        f"{MANY_SEGMENTS}": many > MANY_SEGMENTS * min(few),
        f"a scan request costs {per_request:.0f} µs, above {MAX_REQUEST_US:.0f}": (
            per_request > MAX_REQUEST_US
        ),
        f"memory grows {growth:.2f}-fold from 10^6 to 10^7 items, above "
        f"{MEMORY_GROWTH}": growth > MEMORY_GROWTH,
        f"{by_items[MOST].rss_mb:.0f} MB, above {MAX_RSS_MB:.0f}": (
            by_items[MOST].rss_mb > MAX_RSS_MB
        ),
        f"{far:,.0f} items a second over {FAR}, below {FAR_ITEMS_PER_SECOND:,.0f}": (
            far < FAR_ITEMS_PER_SECOND
        ),
    }
    return [line for line, is_missed in checks.items() if is_missed]
