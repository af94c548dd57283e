"""The versions that a launcher and its workers must have in common."""

import sys
from collections.abc import Mapping
from importlib.metadata import version

__all__ = ["difference", "versions_here"]


def versions_here() -> dict[str, str]:
    """Returns what launcher and worker must have in common."""
    return {
        "Python": ".".join(map(str, sys.version_info[:2])),
        "apache-beam": version("apache-beam"),
        "beam-dynamodb": version("beam-dynamodb"),
    }


def difference(worker: Mapping[str, str], launcher: Mapping[str, str]) -> str | None:
    """Returns in what a worker differs from its launcher; None where in nothing.

    >>> difference({"Python": "3.10", "a": "1"}, {"Python": "3.11", "a": "1"})
    'this worker has Python 3.10, its launcher Python 3.11; install the same on both'
    """
    names = [*worker, *(name for name in launcher if name not in worker)]
    wrong = [name for name in names if worker.get(name) != launcher.get(name)]
    if not wrong:
        return None
    theirs = ", ".join(f"{name} {worker.get(name)}" for name in wrong)
    ours = ", ".join(f"{name} {launcher.get(name)}" for name in wrong)
    return f"this worker has {theirs}, its launcher {ours}; install the same on both"
