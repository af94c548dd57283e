"""`make bench-throttle`: promised and measured rates, on a proxy that keeps account.

    worker processes -> FaultyProxy (capacity, burst, partitions) -> dynoxide

Writes are limited by percent of the table's provisioned capacity. The proxy, not we,
says what was consumed. Where there are several workers, one is killed halfway.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

import matplotlib as mpl
import matplotlib.pyplot as plt

from pipelines.demo.engines import DynoxideEngine, Engine, MotoEngine
from tests.support.engines import make_table
from tests.support.faulty_proxy import Capacity, FaultyProxy
from tests.support.faulty_proxy.recording import worst_window

REGION = "us-west-2"
ROOT = Path(__file__).parents[1]
WINDOW_SECONDS = 10.0
# (units, percent, workers): those of CI, and all of them.
QUICK = ((50, 40, 1), (1000, 100, 4), (20_000, 40, 4))
FULL = tuple(
    (units, percent, workers)
    for units in (50, 1000, 20_000)
    for percent in (10, 40, 100, 150)
    for workers in (1, 4)
)
# Each unit of the engine counts as so many: one process can't serve 20,000 a second.
SCALE = {50: 1.0, 1000: 10.0, 20_000: 100.0}
_ITEM_UNITS = 1.0
_READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Row:
    """One run; the names are those of build/bench-throttle.json."""

    units: int
    percent: int
    workers: int
    promised_per_s: float
    mean_per_s: float
    worst_10s_per_s: float
    throttled: int
    bound_10s_per_s: float
    share: float
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether no window was above the bound (I5)."""
        return self.worst_10s_per_s <= self.bound_10s_per_s


def main() -> int:
    """Runs the rows; 1 if a window was above the bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three rows, as CI does")
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--row", help="one row: UNITS,PERCENT,WORKERS")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench-throttle.json")
    arguments = parser.parse_args()
    chosen: Sequence[tuple[int, ...]] = QUICK if arguments.quick else FULL
    if arguments.row:
        chosen = [tuple(int(part) for part in arguments.row.split(","))]
    plots = arguments.out.parent / "bench-throttle"
    plots.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    print(_HEAD)
    for units, percent, workers in chosen:
        # What a killed worker held is used again after 11 to 15 s: a longer look.
        seconds = arguments.seconds * (2 if workers > 1 else 1)
        row, charges = measure(units, percent, workers, seconds)
        rows.append(row)
        _plot(row, charges, plots / f"{units}-{percent}-{workers}.png")
        print(_line(row), flush=True)
        arguments.out.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 0 if all(row.holds for row in rows) else 1


def measure(
    units: int, percent: int, workers: int, seconds: float
) -> tuple[Row, list[tuple[float, float]]]:
    """Runs one row; returns it, and (second, units) of every request."""
    scale = SCALE[units]
    with DynoxideEngine((REGION,)) as engine, _proxy(engine) as proxy:
        table = make_table(engine, REGION, "birds", "id")
        capacity = Capacity(
            units,
            units,
            partitions=max(1, units // 500),  # the keys are spread, not evenly
            units_per_unit=scale,
        )
        proxy.limit(REGION, table, capacity)
        with tempfile.TemporaryDirectory() as folder:
            ledger = str(Path(folder, "ledger.sqlite"))
            _work(
                proxy.url,
                table,
                percent,
                workers=workers,
                ledger=ledger,
                seconds=seconds,
            )
        charges = proxy.recording.units(REGION, table, "write")
        throttled = proxy.recording.throttled[REGION, table]
    promised = units * percent / 100
    elapsed = charges[-1][0] - charges[0][0]
    mean = sum(amount for _, amount in charges[1:]) / elapsed
    bursts = max(promised, workers * _ITEM_UNITS * scale)
    row = Row(
        units=units,
        percent=percent,
        workers=workers,
        promised_per_s=promised,
        mean_per_s=mean,
        worst_10s_per_s=worst_window(charges, WINDOW_SECONDS) / WINDOW_SECONDS,
        throttled=throttled,
        bound_10s_per_s=promised + bursts / WINDOW_SECONDS,
        share=mean / promised,
        seconds=elapsed,
    )
    return row, charges


def _work(
    url: str, table: str, percent: int, *, workers: int, ledger: str, seconds: float
) -> None:
    environment = os.environ | dict(MotoEngine().environment())
    words = [sys.executable, "-m", "benchmarks.throttle_worker"]
    processes = [
        subprocess.Popen(
            [*words, url, table, str(percent), ledger, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            text=True,
        )
        for number in range(workers)
    ]
    pause = Event()
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a worker did not begin; see above")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        pause.wait(seconds / 2)
        if workers > 1:
            processes[0].kill()
        pause.wait(seconds / 2)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with suppress(BrokenPipeError):  # it was killed
                    pipe.close()


@contextmanager
def _proxy(engine: Engine) -> Iterator[FaultyProxy]:
    with FaultyProxy({REGION: engine.endpoint_url(REGION)}) as proxy:
        yield proxy


_HEAD = (
    "   units  percent  workers  promised/s    mean/s   share  worst 10 s/s   "
    "bound/s  throttled"
)


def _line(row: Row) -> str:
    return (
        f"{row.units:>8,}{row.percent:>8}%{row.workers:>9}{row.promised_per_s:>12,.0f}"
        f"{row.mean_per_s:>10,.1f}{row.share:>8.1%}{row.worst_10s_per_s:>14,.1f}"
        f"{row.bound_10s_per_s:>10,.1f}{row.throttled:>11}"
    )


def _plot(row: Row, charges: Sequence[tuple[float, float]], path: Path) -> None:
    mpl.use("Agg")
    began = charges[0][0]
    seconds = [0.0] * (int(charges[-1][0] - began) + 1)
    for at, amount in charges:
        seconds[int(at - began)] += amount
    figure, axes = plt.subplots(figsize=(9, 4))
    axes.bar(range(len(seconds)), seconds, width=1.0, label="units in each second")
    axes.axhline(row.promised_per_s, color="black", label="promised")
    axes.axhline(row.units, color="grey", linestyle=":", label="provisioned")
    axes.set_xlabel("seconds")
    axes.set_ylabel("write units")
    title = f"{row.percent} % of {row.units:,} WCU, {row.workers} worker(s)"
    axes.set_title(title + (", one killed halfway" if row.workers > 1 else ""))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
