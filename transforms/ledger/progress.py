"""Progress of a run: totals that every worker process writes and the launcher sums.

    worker: ProgressWriter.add -> memory -> its own row of the ledger, now and then
    launcher: read_progress -> {name: sum over workers}

A worker overwrites its row with its totals and never increments them, so a write
that failed or was made twice leaves no wrong figure.
"""

import logging
import os
import socket
import threading
import uuid
from collections import Counter

import msgspec

from transforms.ledger.errors import LedgerUnreachableError
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.store import LedgerStore, Row
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["ProgressWriter", "new_worker_id", "progress_writer_for", "read_progress"]

_LOGGER = logging.getLogger(__name__)

_FLUSH_INTERVAL_SECONDS = 0.5
_PAID_FLUSH_INTERVAL_SECONDS = 5.0  # where every write costs a write unit
_KEPT_SECONDS = 30 * 24 * 3600  # nobody asks for a run's progress a month later


class ProgressWriter:
    """Totals of one worker process, by name. Any thread may call any method.

    Does not pickle: ask `progress_writer_for` in the process that counts.
    """

    def __init__(
        self,
        store: LedgerStore,
        run_id: str,
        worker_id: str,
        *,
        flush_interval_seconds: float = _FLUSH_INTERVAL_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        """Writes nothing yet.

        Args:
            store: the run's ledger.
            run_id: the run that is counted.
            worker_id: names this writer's row. Must be this writer's alone for
                the whole run: two writers of one id overwrite each other.
            flush_interval_seconds: `add` writes no more often than this.
            clock: spaces the writes.
        """
        self._store = store
        self._key = _partition(run_id), worker_id
        self._clock = clock or SystemClock()
        self._interval_seconds = flush_interval_seconds
        self._totals: Counter[str] = Counter()
        self._written: dict[str, int] = {}
        self._flushed_at = self._clock.monotonic()
        self._counting = threading.Lock()  # for memory: never held during a write
        self._writing = threading.Lock()  # totals reach the ledger in order
        self._failures = 0

    def add(self, name: str, amount: int) -> None:
        """Adds to a total; writes all totals if they are due.

        Raises:
            LedgerError: as `flush`. The amount is kept and is in the next write.
        """
        with self._counting:
            self._totals[name] += amount
            now = self._clock.monotonic()
            due = now - self._flushed_at >= self._interval_seconds
            if due:
                self._flushed_at = now  # the other threads need not
        if due:
            self.flush()

    def flush(self) -> None:
        """Writes the totals, if any changed: at a bundle's end, and on close.

        A ledger that is out of reach is no reason to stop: the totals are in the
        next write.

        Raises:
            LedgerError: the ledger cannot be written. Nothing is lost: the next
                flush writes the totals again.
        """
        with self._writing:
            with self._counting:
                totals = dict(self._totals)
            if totals == self._written:
                return
            expires_at = int(self._clock.wall()) + _KEPT_SECONDS
            data = msgspec.msgpack.encode(totals)
            row = Row(*self._key, 1, data, expires_at)
            try:
                self._store.put_many([row])
            except LedgerUnreachableError as error:
                self._failures += 1
                if self._failures.bit_count() == 1:  # 1, 2, 4, 8 …
                    _LOGGER.warning("progress is not shown for now: %s", error)
                return
            self._written = totals

    def close(self) -> None:
        """Writes what is left. The writer may still be used."""
        self.flush()

    def __reduce__(self) -> tuple[object, ...]:
        """Refuses: the copy's totals would replace this one's."""
        raise TypeError("a ProgressWriter does not pickle; make one in each process")


def read_progress(store: LedgerStore, run_id: str) -> dict[str, int]:
    """Returns a run's totals by name, summed over all workers.

    Raises:
        LedgerError: the ledger cannot be read.
        LedgerUnreachableError: not now.
    """
    sums: Counter[str] = Counter()
    for row in store.rows(_partition(run_id)):
        sums.update(msgspec.msgpack.decode(row.data, type=dict[str, int]))
    return dict(sorted(sums.items()))


def progress_writer_for(location: LedgerLocation, run_id: str) -> ProgressWriter:
    """Returns this process's one writer for a run; a forked child gets its own."""
    key = location, run_id
    with _registry.lock:
        writer = _registry.writers.get(key)
        if writer is None:
            writer = _registry.writers[key] = ProgressWriter(
                open_store(location),
                run_id,
                new_worker_id(),
                flush_interval_seconds=_PAID_FLUSH_INTERVAL_SECONDS
                if location.serves_hosts
                else _FLUSH_INTERVAL_SECONDS,
            )
        return writer


def new_worker_id() -> str:
    """Returns a name that no other process has, on any host, at any time."""
    # Process ids repeat, over hosts and over time.
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class _Registry:
    """The writers of this process."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forgets everything; a lock copied by a fork may be held by nobody."""
        self.lock = threading.Lock()
        self.writers: dict[tuple[LedgerLocation, str], ProgressWriter] = {}


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.renew)


def _partition(run_id: str) -> str:
    return f"progress/{run_id}"
