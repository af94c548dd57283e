"""`make bench-runners`: what an item costs on each runner, with one worker and two.

python -m benchmarks.bench_runners     a table, and build/bench-runners.json

The same copy 1 -> 1 of small items runs on Beam's in-process runner, on Prism, and on
standalone clusters of Flink and Spark. Each runs at two sizes, whose difference leaves
start-up out. The stub service plays DynamoDB, in 5 ms a request.

Worker CPU is that of the Python processes that read and write: on the in-process
runner and on Prism these are the launching process and its children, elsewhere the
processes that the task managers and executors start. They are looked at four times a
second, so the last quarter of a second of a worker is not seen. Items a second are what
the stub took between the first look that sees some written and the one that sees all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.results import facts, save
from benchmarks.stub_server import ROOT, StubServer
from pipelines.worker import WORKER_COMMAND
from tests.support.clusters import HOST, FlinkCluster, SparkCluster

OUT = ROOT / "build" / "bench-runners.json"
SIZES = (200_000, 2_000_000)
LIMIT = 1.5
"""What a cluster's worker may cost, as a multiple of the in-process runner's."""

_LOOK_SECONDS = 0.25
_JOB_SECONDS = 240
_TICKS = os.sysconf("SC_CLK_TCK")
_JOB = "benchmarks.runner_job"
_PRISM = "/bin/prism"


@dataclass(frozen=True, slots=True)
class Setup:
    """A runner and its number of workers."""

    runner: str
    workers: int
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """The stub that plays DynamoDB, and the sizes that the copy has."""

    stub: StubServer
    sizes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    worker_seconds: float
    wall_seconds: float
    items_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table, by the names that it has in build/bench-runners.json.

    Attributes:
        runner: who ran the job.
        workers: Python processes that took part.
        items_per_s: written, of the larger run, from the first item to the last.
        worker_us_per_item: user and system time of the Python workers.
        ratio_to_direct: of worker_us_per_item to the in-process runner's with as
            many workers.
        start_s: what the smaller run took; nearly all of it is start-up.
    """

    runner: str
    workers: int
    items_per_s: float
    worker_us_per_item: float
    ratio_to_direct: float
    start_s: float


def main() -> None:
    """Runs all setups; exits 1 if a runner's worker costs too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_runners")
    parser.add_argument(
        "--sizes", nargs=2, type=int, default=SIZES, help="items of the two runs"
    )
    sizes = parser.parse_args().sizes
    rows: list[Row] = []
    with StubServer() as stub:
        job = Job(stub, (sizes[0], sizes[1]))
        for workers in (1, 2):
            direct = _measure(_direct(workers), job, None)
            rows.append(direct)
            if workers == 1:  # Prism's workers are threads of one process
                rows.append(_measure(Setup("prism", 1), job, direct))
            rows.append(_on_cluster(FlinkCluster, workers, job, direct))
            rows.append(_on_cluster(SparkCluster, workers, job, direct))
            about = facts(service_time="5ms", work="copy-1-1", sizes=sizes, limit=LIMIT)
            save(OUT, rows, about)
    if max(row.ratio_to_direct for row in rows) > LIMIT:
        raise SystemExit(f"a worker costs more than {LIMIT} times the in-process one")


def _direct(workers: int) -> Setup:
    several = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    return Setup("local", workers, several if workers > 1 else ())


def _on_cluster(
    kind: type[FlinkCluster | SparkCluster], workers: int, job: Job, direct: Row
) -> Row:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        cluster = stack.enter_context(kind(Path(folder), workers=workers))
        flags = [cluster.flag]
        if cluster.name == "flink":
            flags.append(f"--parallelism={workers}")
        setup = Setup(cluster.name, workers, tuple(flags))
        return _measure(setup, job, direct)


def _measure(setup: Setup, job: Job, direct: Row | None) -> Row:
    small, large = (_run(setup, job.stub, items) for items in job.sizes)
    spent = large.worker_seconds - small.worker_seconds
    cost = spent / (job.sizes[1] - job.sizes[0]) * 1e6
    row = Row(
        runner="DirectRunner" if setup.runner == "local" else setup.runner,
        workers=setup.workers,
        items_per_s=round(large.items_per_s),
        worker_us_per_item=round(cost, 2),
        ratio_to_direct=round(cost / direct.worker_us_per_item, 2) if direct else 1.0,
        start_s=round(small.wall_seconds, 1),
    )
    _show(row)
    return row


def _run(setup: Setup, stub: StubServer, items: int) -> Run:
    stub.reset()
    environment = measure.environment() | {"SPARK_LOCAL_IP": HOST}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = [sys.executable, "-m", _JOB, "--profile", setup.runner]
        command += ["--endpoint", stub.endpoint, "--items", str(items)]
        command += ["--log", str(Path(folder, "job-server.log")), *setup.flags]
        started = time.perf_counter()
        with Path(folder, "log").open("w+") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT
            )
            watch = _Watch(stub, _is_worker(setup, process.pid))
            try:
                process.wait(_JOB_SECONDS)
            finally:
                process.kill()
                watch.stop()
            wall = time.perf_counter() - started
            log.seek(0)
            if process.returncode:
                tail = "".join(log.readlines()[-15:])
                raise measure.ContenderFailedError(f"{' '.join(command)}\n{tail}")
    return Run(watch.worker_seconds(), wall, watch.items_per_s())


def _is_worker(setup: Setup, launcher: int) -> Callable[[int, str], bool]:
    def is_launched(pid: int, said: str) -> bool:
        return _PRISM not in said and (pid == launcher or _comes_from(pid, launcher))

    def is_started_by_a_cluster(_pid: int, said: str) -> bool:
        return WORKER_COMMAND in said and "java" not in said

    here = setup.runner in ("local", "prism")
    return is_launched if here else is_started_by_a_cluster


class _Watch(threading.Thread):
    """Watches the processor time of the workers, and what they have written."""

    def __init__(self, stub: StubServer, is_worker: Callable[[int, str], bool]) -> None:
        super().__init__(daemon=True)
        self._stub, self._is_worker = stub, is_worker
        self._before = self._look()
        self._seconds: dict[int, float] = {}
        self._written: list[tuple[float, int]] = []
        self._end = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            self._seconds.update(self._look())
            written = int(self._stub.stats()["ItemsWritten"])
            if written and (not self._written or written > self._written[-1][1]):
                self._written.append((time.perf_counter(), written))

    def stop(self) -> None:
        self._end.set()
        self.join()

    def worker_seconds(self) -> float:
        """Returns the seconds of all of them."""
        return sum(
            seconds - self._before.get(pid, 0.0)
            for pid, seconds in self._seconds.items()
        )

    def items_per_s(self) -> float:
        """Returns the pace; 0 where all was written between two looks."""
        if not self._written or self._written[0] is self._written[-1]:
            return 0.0
        (began, first), (ended, last) = self._written[0], self._written[-1]
        return (last - first) / (ended - began)

    def _look(self) -> dict[int, float]:
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                said = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                # One that has ended and was not waited for yet has no command line.
                if said and self._is_worker(int(folder.name), said):
                    found[int(folder.name)] = _seconds(folder)
        return found


def _seconds(folder: Path) -> float:
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _comes_from(pid: int, launcher: int) -> bool:
    while pid > 1:
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
        if pid == launcher:
            return True
    return False


def _show(row: Row) -> None:
    print(
        f"{row.runner:13}{row.workers:2} {row.items_per_s:10,.0f} items/s "
        f"{row.worker_us_per_item:6.2f} µs/item {row.ratio_to_direct:5.2f}x "
        f"start {row.start_s:5.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
