"""`make bench-throttle`: promised and measured rates, on a proxy that keeps account.

    worker processes -> FaultyProxy (capacity, burst, partitions) -> dynoxide

Writes are limited by percent of the table's provisioned capacity. The proxy, not we,
says what was consumed. Where there are several workers, one is killed halfway; what it
held is lost until its lease is over, and the mean has no allowance for that.

A row fails if a window of ten seconds was above the bound (I5), or if the mean was not
within 95 and 100 % of the promise (above 100 %: of what the table grants, if less).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
# A killed worker's part is used by nobody for 11 s and more: a longer look.
_LONGER = 2.5
# Each unit of the engine counts as so many: one process can't serve 20,000 a second.
SCALE = {50: 1.0, 1000: 10.0, 20_000: 100.0}
# A partition grants 1,000 units a second: with so many, chance fills none of them.
_UNITS_A_PARTITION = 100
_ITEM_UNITS = 1.0
_BURST_SECONDS = 1.0
_LEAST_SHARE, _MOST_SHARE = 0.95, 1.0


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
    granted_per_s: float
    share: float
    seconds: float
    killed: int

    @property
    def faults(self) -> list[str]:
        """What is not as promised, for people."""
        faults = []
        if self.worst_10s_per_s > self.bound_10s_per_s:
            faults.append("a window of 10 s is above the bound")
        if not _LEAST_SHARE <= round(self.share, 3) <= _MOST_SHARE:
            faults.append(f"the mean is {self.share:.1%} of what was promised")
        return faults


def main() -> int:
    """Runs the rows; 1 if one of them is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three rows, as CI does")
    parser.add_argument("--seconds", type=float, default=45, help="of one worker's")
    parser.add_argument("--row", help="one row: UNITS,PERCENT,WORKERS")
    parser.add_argument("--at-once", type=int, default=3, help="rows side by side")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench-throttle.json")
    arguments = parser.parse_args()
    chosen: Sequence[tuple[int, ...]] = QUICK if arguments.quick else FULL
    if arguments.row:
        chosen = [tuple(int(part) for part in arguments.row.split(","))]
    plots = arguments.out.parent / "bench-throttle"
    plots.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []

    def measured(row: tuple[int, ...]) -> tuple[Row, list[tuple[float, float]]]:
        units, percent, workers = row
        seconds = arguments.seconds * (_LONGER if workers > 1 else 1)
        return measure(units, percent, workers, seconds)

    def keep(row: Row, charges: list[tuple[float, float]]) -> None:
        name = f"{row.units}-{row.percent}-{row.workers}.png"
        _plot(row, charges, plots / name)
        print(_line(row), flush=True)
        arguments.out.write_text(json.dumps([asdict(r) for r in rows], indent=2))

    print(_HEAD)
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for row, charges in pool.map(measured, chosen):
            rows.append(row)
            keep(row, charges)
    # Whether the machine was busy or the promise is broken, a second look tells.
    for place, row in enumerate(rows):
        if row.faults:
            print(f"once more, alone, as {'; '.join(row.faults)}:", flush=True)
            rows[place], charges = measured((row.units, row.percent, row.workers))
            keep(rows[place], charges)
    for row in rows:
        for fault in row.faults:
            print(f"{row.units} x {row.percent} %, {row.workers} worker(s): {fault}")
    return 1 if any(row.faults for row in rows) else 0


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
            partitions=max(1, units // _UNITS_A_PARTITION),
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
    elapsed, mean = _mean(charges)
    bursts = max(promised, workers * _ITEM_UNITS * scale)
    granted = min(promised, units + units * capacity.burst_seconds / elapsed)
    row = Row(
        units=units,
        percent=percent,
        workers=workers,
        promised_per_s=promised,
        mean_per_s=mean,
        worst_10s_per_s=worst_window(charges, WINDOW_SECONDS) / WINDOW_SECONDS,
        throttled=throttled,
        bound_10s_per_s=promised + bursts / WINDOW_SECONDS,
        granted_per_s=granted,
        share=mean / granted,
        seconds=elapsed,
        killed=_killed(workers),
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
        for process in processes[: _killed(workers)]:
            process.kill()
        pause.wait(seconds / 2)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with suppress(BrokenPipeError):  # it was killed
                    pipe.close()


def _mean(charges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Returns seconds and units a second, without the burst that a start may have."""
    began = charges[0][0] + _BURST_SECONDS
    settled = [charge for charge in charges if charge[0] >= began]
    elapsed = settled[-1][0] - settled[0][0]
    return elapsed, sum(units for _, units in settled[1:]) / elapsed


def _killed(workers: int) -> int:
    return 1 if workers > 1 else 0


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
