"""Temporary directories that go with their process, however it ends.

Each is locked while its process lives. What one that was killed has left is taken away
by the next that asks for a directory in the same place: the kernel gave up its lock.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["sweep", "temporary_directory"]

_PREFIX = "beam-dynamodb-query-"
_LOCK = "owner"


@contextmanager
def temporary_directory(parent: str | None = None) -> Iterator[Path]:
    """Makes a directory that only its owner reads; it is gone afterwards.

    Args:
        parent: where; the system's place, or TMPDIR, by default.

    Raises:
        OSError: it cannot be made.
    """
    sweep(parent)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = _lock(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def sweep(parent: str | None = None) -> None:
    """Removes the directories of ours in `parent` whose processes have ended."""
    for path in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another's, in use, or gone meanwhile
            lock = os.open(path / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _lock(path: Path) -> int:
    """Locks a directory before anybody can see that it may be locked."""
    draft = path / f"{_LOCK}.new"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(path / _LOCK)
    return lock
