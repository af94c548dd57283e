"""The ledger's store: versioned rows that every process of a run can reach.

    leases, receipts, epochs, run rows, progress
                     |
                LedgerStore            get  rows  put_many  commit  delete
                 /        \
    SQLiteStore             DynamoDBStore
    one host's processes    a cluster's

Rows are small values under (partition, sort). What must not race is written by
`commit`, which changes all of its rows or none, each only if it still has the
version that its writer has seen. The two stores pass one contract suite
(tests/ledger/test_store.py). No Beam here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = [
    "MAX_COMMIT_WRITES",
    "MAX_DATA_BYTES",
    "RUNS",
    "Check",
    "Delete",
    "Expected",
    "LedgerStore",
    "Put",
    "Row",
    "Write",
    "key_of",
]

MAX_COMMIT_WRITES = 100
"""Rows of one commit; source: AWS API reference, TransactWriteItems."""

MAX_DATA_BYTES = 350_000
"""Of one row: an item of 400 KB holds it whatever its keys are."""

RUNS = "runs"
"""The partition of the runs that use a ledger, sorted by run id and so by time."""

Expected: TypeAlias = int | Literal["any"] | None
"""What a row must be before a write: of this version, absent (None), or anything."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the ledger.

    Attributes:
        partition: what is listed together, such as ``progress/20261124-041500-9f``.
            Not empty.
        sort: orders the rows of a partition, by UTF-8 bytes. Not empty.
        version: chosen by the writer; any two values of one row must differ in it
            where they are written by `commit` with an expectation.
        data: at most `MAX_DATA_BYTES`; what is in it is the writer's affair.
        expires_at: seconds since the epoch after which the store may forget the
            row, at a time of its own choosing. None keeps it.
    """

    partition: str
    sort: str
    version: int
    data: bytes
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Writes a row in place of what is there, if that is as expected."""

    row: Row
    expected: Expected = "any"


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes a row, if it is as expected. An absent row is removed already."""

    partition: str
    sort: str
    expected: Expected = "any"


@dataclass(frozen=True, slots=True)
class Check:
    """Changes nothing; the commit fails unless the row is as expected.

    Fences: a worker whose epoch is over commits nothing more.
    """

    partition: str
    sort: str
    expected: int | None


Write: TypeAlias = Put | Delete | Check


def key_of(write: Write) -> tuple[str, str]:
    """Returns the (partition, sort) that a write is about."""
    if isinstance(write, Put):
        return write.row.partition, write.row.sort
    return write.partition, write.sort


class LedgerStore(Protocol):
    """Rows that all processes of a run share. Pickles; any thread may call.

    Every method blocks its thread, and reads see every write that has returned.
    Never call one on the process's event loop (`worker_loop`): wrap it in
    `asyncio.to_thread` there.

    All raise `LedgerUnreachableError` where the store does not answer within its
    timeout, and `LedgerError` where it will not by waiting.
    """

    def prepare(self) -> None:
        """Makes the file or table if it is not there, and tries to use it.

        For the launcher, once a run, before the workers start.

        Raises:
            UserError: it cannot be made or used: names the remedy.
        """
        ...

    def get(self, partition: str, sort: str) -> Row | None:
        """Returns a row, None if there is none."""
        ...

    def rows(self, partition: str, prefix: str = "") -> Sequence[Row]:
        """Returns the partition's rows whose sort begins with `prefix`, in order."""
        ...

    def put_many(self, rows: Iterable[Row]) -> None:
        """Writes rows over whatever is there; of two with one key the last wins.

        Not atomic: when it raises, some may be written. Write them again.
        """
        ...

    def commit(self, writes: Sequence[Write]) -> bool:
        """Applies all writes, or none.

        A commit that was applied though its answer was lost is found out by the rows
        it put, and returns True; False if others have replaced them all by then.

        Args:
            writes: at most `MAX_COMMIT_WRITES`, each about another row. One write
                costs a DynamoDB ledger one write unit, more cost two each.

        Returns:
            False if some row was not as expected; then nothing was changed.

        Raises:
            ValueError: no write, too many, or two about one row.
        """
        ...

    def delete(self, partition: str, sort: str) -> None:
        """Removes a row if it is there."""
        ...


def check_writes(writes: Sequence[Write]) -> None:
    """Refuses what no store could commit.

    Raises:
        ValueError: see `LedgerStore.commit`.
    """
    if not 1 <= len(writes) <= MAX_COMMIT_WRITES:
        raise ValueError(
            f"a commit takes 1 to {MAX_COMMIT_WRITES} writes, got {len(writes)}"
        )
    if len({key_of(write) for write in writes}) < len(writes):
        raise ValueError("two writes of a commit are about one row; merge them")
