"""The ledger in a SQLite file: for the processes of one host, on a local disk."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from transforms.dynamodb.errors import UserError
from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.store import Check, Delete, Put, Row, Write, check_writes, key_of
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["SQLiteStore"]

_BUSY_TIMEOUT_SECONDS = 10.0
_CREATE = """
    CREATE TABLE IF NOT EXISTS ledger (
        partition TEXT NOT NULL,
        sort TEXT NOT NULL,
        version INTEGER NOT NULL,
        data BLOB NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (partition, sort)
    ) WITHOUT ROWID
"""
_FORGET = "DELETE FROM ledger WHERE expires_at < ?"
_COLUMNS = "partition, sort, version, data, expires_at"
_GET = f"SELECT {_COLUMNS} FROM ledger WHERE partition = ? AND sort = ?"  # noqa: S608
_LIST = (  # text compares by its UTF-8 bytes, as in DynamoDB
    f"SELECT {_COLUMNS} FROM ledger WHERE partition = ?1 AND sort >= ?2 "  # noqa: S608
    "AND substr(sort, 1, length(?2)) = ?2 ORDER BY sort"
)
_VERSION = "SELECT version FROM ledger WHERE partition = ? AND sort = ?"
_PUT = f"INSERT OR REPLACE INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
_DELETE = "DELETE FROM ledger WHERE partition = ? AND sort = ?"
_BUSY, _LOCKED = 5, 6  # https://www.sqlite.org/rescode.html; named since Python 3.11


class SQLiteStore:
    """A `LedgerStore` in one file, which every process of this host opens.

    In WAL mode readers hold up nobody, and a writer waits for another up to the
    busy timeout. WAL needs shared memory: the file must be on a local disk, not on
    NFS. A power failure may lose the last commits, never the file: whoever relied
    on them is gone too.

    A connection belongs to one thread of one process. It is not pickled, and a
    forked child neither uses nor closes its parent's.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_timeout_seconds: float = _BUSY_TIMEOUT_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            path: the file; made at the first use, its directory must exist.
            busy_timeout_seconds: how long to wait for another process's write.
            clock: tells which rows have expired.
        """
        self._path = Path(path)
        self._timeout_seconds = busy_timeout_seconds
        self._clock = clock or SystemClock()
        self._connections = _Connections()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as where the file is; connections stay here."""
        return _reopen, (self._path, self._timeout_seconds)

    def prepare(self) -> None:
        """Makes the file and forgets expired rows; see `LedgerStore`."""
        try:
            with self._transaction("write") as connection:
                connection.execute(_FORGET, (int(self._clock.wall()),))
        except LedgerError as error:
            raise UserError(str(error)) from error

    def get(self, partition: str, sort: str) -> Row | None:
        """Returns a row, None if there is none."""
        with self._reading() as connection:
            found = connection.execute(_GET, (partition, sort)).fetchone()
        return None if found is None else Row(*found)

    def rows(self, partition: str, prefix: str = "") -> Sequence[Row]:
        """Returns the partition's rows whose sort begins with `prefix`, in order."""
        with self._reading() as connection:
            found = connection.execute(_LIST, (partition, prefix)).fetchall()
        return [Row(*each) for each in found]

    def put_many(self, rows: Iterable[Row]) -> None:
        """Writes rows over whatever is there; here all or none."""
        values = [_values(row) for row in rows]
        with self._transaction("write") as connection:
            connection.executemany(_PUT, values)

    def commit(self, writes: Sequence[Write]) -> bool:
        """Applies all writes, or none; see `LedgerStore`."""
        check_writes(writes)
        with self._transaction("write") as connection:
            if not all(_is_as_expected(connection, write) for write in writes):
                return False
            for write in writes:
                _apply(connection, write)
        return True

    def delete(self, partition: str, sort: str) -> None:
        """Removes a row if it is there."""
        with self._transaction("write") as connection:
            connection.execute(_DELETE, (partition, sort))

    def close(self) -> None:
        """Closes this thread's connection; the next use opens another."""
        self._connections.close()

    @contextlib.contextmanager
    def _transaction(self, verb: str) -> Iterator[sqlite3.Connection]:
        """A write transaction that no other process's can come between.

        BEGIN IMMEDIATE takes the write lock at once. A transaction that begins by
        reading and then wants it is refused without waiting when another was faster.
        """
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        except sqlite3.Error as error:
            self._fail(verb, error)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connect()
        except sqlite3.Error as error:
            self._fail("read", error)

    def _connect(self) -> sqlite3.Connection:
        connection = self._connections.mine()
        if connection is None:
            connection = _open(self._path, self._timeout_seconds)
            self._connections.keep(connection)
        return connection

    def _fail(self, verb: str, error: sqlite3.Error) -> NoReturn:
        # The low byte is the kind; the rest says more, such as BUSY_SNAPSHOT.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {_BUSY, _LOCKED} or "locked" in str(error):
            raise LedgerUnreachableError(
                f"the run's ledger {self._path} was locked by another process for "
                f"{self._timeout_seconds:g} s"
            ) from error
        raise LedgerError(
            f"cannot {verb} the run's ledger {self._path}: {error}; the run directory "
            "must exist on a local disk, writable, with space left"
        ) from error


class _Connections(threading.local):
    """The calling thread's connection, and the process that may use it."""

    def __init__(self) -> None:
        self._owned: _Owned | None = None

    def mine(self) -> sqlite3.Connection | None:
        owned = self._owned
        return owned.connection if owned and owned.process_id == os.getpid() else None

    def keep(self, connection: sqlite3.Connection) -> None:
        self._owned = _Owned(connection)

    def close(self) -> None:
        self._owned = None


class _Owned:
    """Closes a connection with the last reference, in the process that opened it."""

    _of_parents: list[sqlite3.Connection] = []  # noqa: RUF012 (one for all: a grave)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.process_id = os.getpid()

    def __del__(self) -> None:
        if self.process_id == os.getpid():
            self.connection.close()
        else:
            # SQLite forbids to close what was opened before a fork: the child
            # would tidy up files that its parent is writing.
            # https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
            self._of_parents.append(self.connection)


def _reopen(path: Path, timeout_seconds: float) -> SQLiteStore:
    return SQLiteStore(path, busy_timeout_seconds=timeout_seconds)


def _open(path: Path, timeout_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=timeout_seconds,
        isolation_level=None,  # transactions begin where we say
        check_same_thread=False,  # the last reference may go in another thread
    )
    try:
        # SQLite does not wait for a lock here, so of many processes that start at
        # once some are refused: one that succeeds is enough, and a file that cannot
        # be written at all is found out by the next statement.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_CREATE)
    except BaseException:
        connection.close()
        raise
    return connection


def _values(row: Row) -> tuple[str, str, int, bytes, int | None]:
    return row.partition, row.sort, row.version, row.data, row.expires_at


def _is_as_expected(connection: sqlite3.Connection, write: Write) -> bool:
    if write.expected == "any":
        return True
    found = connection.execute(_VERSION, key_of(write)).fetchone()
    version: int | None = found and found[0]
    return version == write.expected


def _apply(connection: sqlite3.Connection, write: Write) -> None:
    match write:
        case Put(row):
            connection.execute(_PUT, _values(row))
        case Delete():
            connection.execute(_DELETE, key_of(write))
        case Check():
            pass
