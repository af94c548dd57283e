"""Runs a contender as a process of its own and reads what it cost.

CPU is user + system time of the contender and of every process it started and waited
for, as the kernel accounts it. Two sizes are run and subtracted, so that start-up
(interpreter, imports, pipeline construction, JVM) is not in the figure per item.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: CPU seconds, wall seconds, peak resident memory in MB."""

    cpu_seconds: float
    wall_seconds: float
    rss_mb: float


class ContenderFailedError(RuntimeError):
    """A contender ended with an error; the text has its last lines."""


MAX_SECONDS = 300.0
"""Of one run; the longest takes half a minute where nobody else works."""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    max_seconds: float = MAX_SECONDS,
) -> Cost:
    """Runs a command to its end.

    Raises:
        ContenderFailedError: it exited with another code than 0, or was killed
            because it took longer than `max_seconds`.
    """
    with tempfile.TemporaryFile("w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=dict(environment)
        )
        peak = _PeakMemory(process.pid)
        end = threading.Timer(max_seconds, process.kill)
        end.start()
        _, status, usage = os.wait4(process.pid, 0)
        end.cancel()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        memory = max(peak.stop(), usage.ru_maxrss / 1024)
        if process.returncode:
            log.seek(0)
            tail = "".join(log.readlines()[-15:])
            killed = f"killed after {wall:.1f} s: " if wall > max_seconds else ""
            raise ContenderFailedError(f"{killed}{' '.join(command)}\n{tail}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, memory)


class _PeakMemory:
    """Watches the summed resident memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak, self._stop = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            memory = sum(_resident_mb(pid) for pid in _family(self._pid))
            self._peak = max(self._peak, memory)


def _family(pid: int) -> list[int]:
    """The process and its descendants, as Linux tells them."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):  # one may end while we look
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def environment(ca_file: str | None = None) -> dict[str, str]:
    """Returns the environment of a contender: credentials that open nothing."""
    names = ("PATH", "HOME", "LANG", "JAVA_HOME", "VIRTUAL_ENV")
    found = {name: os.environ[name] for name in names if name in os.environ}
    found |= {
        "AWS_ACCESS_KEY_ID": "stub",
        "AWS_SECRET_ACCESS_KEY": "stub-secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    if ca_file:
        found["AWS_CA_BUNDLE"] = ca_file
    return found
