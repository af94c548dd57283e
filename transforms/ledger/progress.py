"""Progress of a run: totals that every worker process writes and the launcher sums.

    worker: ProgressWriter.add -> memory -> its own rows in ledger.sqlite, now and then
    launcher: read_progress -> {name: sum over workers}

A worker overwrites its rows with its totals and never increments them, so a
write that failed or was made twice leaves no wrong figure. A connection lives for
one write: none is held across threads, forks or pickling.
"""

import contextlib
import os
import socket
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from transforms.dynamodb.errors import JobStoppedError
from transforms.throttle.clock import Clock, SystemClock

__all__ = [
    "LEDGER_FILE_NAME",
    "LedgerError",
    "ProgressWriter",
    "progress_writer_for",
    "read_progress",
]

LEDGER_FILE_NAME = "ledger.sqlite"

_FLUSH_INTERVAL_SECONDS = 0.5
_BUSY_TIMEOUT_SECONDS = 10.0
_CREATE = """
    CREATE TABLE IF NOT EXISTS progress (
        worker TEXT NOT NULL,
        name TEXT NOT NULL,
        amount INTEGER NOT NULL,
        PRIMARY KEY (worker, name)
    ) WITHOUT ROWID
"""
_WRITE = "INSERT OR REPLACE INTO progress (worker, name, amount) VALUES (?, ?, ?)"
_SUM = "SELECT name, SUM(amount) FROM progress GROUP BY name ORDER BY name"
_HAS_TABLE = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"


class LedgerError(JobStoppedError):
    """The run's ledger file cannot be written or read."""


class ProgressWriter:
    """Totals of one worker process, by name. Any thread may call any method.

    Does not pickle: ask `progress_writer_for` in the process that counts.
    """

    def __init__(
        self, path: str | Path | None, worker_id: str, *, clock: Clock | None = None
    ) -> None:
        """Makes the ledger file, if it is not there.

        Args:
            path: the run's ledger file; its directory must exist. None keeps
                nothing at all.
            worker_id: names this writer's rows. Must be this writer's alone for
                the whole run: two writers of one id overwrite each other.
            clock: spaces the writes.

        Raises:
            LedgerError: the file cannot be made or written.
        """
        self._path = None if path is None else Path(path)
        self._worker_id = worker_id
        self._clock = clock or SystemClock()
        self._totals: Counter[str] = Counter()
        self._written: dict[str, int] = {}
        self._flushed_at = self._clock.monotonic()
        self._counting = threading.Lock()  # for memory: never held during a write
        self._writing = threading.Lock()  # totals reach the file in order
        if self._path is not None:
            _create(self._path)

    def add(self, name: str, amount: int) -> None:
        """Adds to a total; writes all totals if half a second has passed.

        Raises:
            LedgerError: as `flush`. The amount is kept and is in the next write.
        """
        if self._path is None:
            return
        with self._counting:
            self._totals[name] += amount
            now = self._clock.monotonic()
            due = now - self._flushed_at >= _FLUSH_INTERVAL_SECONDS
            if due:
                self._flushed_at = now  # the other threads need not
        if due:
            self.flush()

    def flush(self) -> None:
        """Writes the totals that changed, if any: at a bundle's end, and on close.

        Raises:
            LedgerError: the file cannot be written. Nothing is lost: the next
                flush writes the totals again.
        """
        if self._path is None:
            return
        with self._writing:
            with self._counting:
                changed = dict(self._totals.items() - self._written.items())
            if changed:
                _write(self._path, self._worker_id, changed)
                self._written.update(changed)

    def close(self) -> None:
        """Writes what is left. The writer may still be used."""
        self.flush()


def read_progress(path: str | Path) -> dict[str, int]:
    """Returns the totals by name, summed over all workers.

    Empty while no worker has made the file.

    Raises:
        LedgerError: the file is there and is no ledger, or cannot be read.
    """
    path = Path(path)
    if not path.exists():
        return {}
    try:
        with _connect(path) as connection:
            if not connection.execute(_HAS_TABLE, ("progress",)).fetchone()[0]:
                return {}
            return dict(connection.execute(_SUM).fetchall())
    except sqlite3.Error as error:
        _fail("read", path, error)


def progress_writer_for(path: str | Path | None) -> ProgressWriter:
    """Returns this process's one writer for `path`; a forked child gets its own.

    Raises:
        LedgerError: the file cannot be made or written.
    """
    key = None if path is None else str(Path(path).absolute())
    with _registry.lock:
        writer = _registry.writers.get(key)
        if writer is None:
            writer = _registry.writers[key] = ProgressWriter(key, _new_worker_id())
        return writer


class _Registry:
    """The writers of this process."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forgets everything; a lock copied by a fork may be held by nobody."""
        self.lock = threading.Lock()
        self.writers: dict[str | None, ProgressWriter] = {}


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.renew)


def _new_worker_id() -> str:
    # Process ids repeat, over hosts and over time.
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _create(path: Path) -> None:
    try:
        with _connect(path) as connection:
            # Readers then never hold up writers. SQLite does not wait for a lock
            # here, so of many workers that start at once some are refused: one
            # that succeeds is enough, and a file that cannot be written at all
            # is found out by the next statement.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_CREATE)
    except sqlite3.Error as error:
        _fail("write", path, error)


def _write(path: Path, worker_id: str, totals: dict[str, int]) -> None:
    rows = [(worker_id, name, amount) for name, amount in totals.items()]
    try:
        with _connect(path) as connection:
            connection.executemany(_WRITE, rows)
    except sqlite3.Error as error:
        _fail("write", path, error)


@contextlib.contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one transaction: committed, or rolled back on an error."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_SECONDS)
    with contextlib.closing(connection), connection:
        # With WAL the file stays whole even if the machine stops; the last
        # figures may then be missing, which no one will mind.
        connection.execute("PRAGMA synchronous = NORMAL")
        yield connection


def _fail(verb: str, path: Path, error: sqlite3.Error) -> NoReturn:
    raise LedgerError(
        f"cannot {verb} the run's ledger {path}: {error}; "
        f"the run directory must exist on a local disk, writable, with space left"
    ) from error
