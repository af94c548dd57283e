"""Whether a process is there, and whether it goes."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

_PATIENCE_SECONDS = 20.0


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:  # gone meanwhile, or not Linux
        return not Path("/proc/self").exists()
    return state != "Z"


def ends(pid: int) -> bool:
    """Whether the process ends within a generous while."""
    return becomes_true(lambda: not is_alive(pid))


def children_of(pid: int) -> list[int]:
    """The process ids whose parent is `pid` (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def becomes_true(condition: Callable[[], bool]) -> bool:
    """Asks again and again until it is so, or patience is at an end."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        Event().wait(0.05)
    return True
