"""A ledger in memory, for simulations: passes the contract of tests/ledger."""

import bisect
from collections.abc import Iterable, Sequence

from transforms.ledger.store import (
    Check,
    Delete,
    LedgerStore,
    Put,
    Row,
    Write,
    check_writes,
    key_of,
)

__all__ = ["MemoryStore"]


class MemoryStore(LedgerStore):
    """Rows in a dictionary. Not for threads."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self._order: dict[str, list[str]] = {}
        self.reads = 0
        self.written_rows = 0

    def prepare(self) -> None:
        """Does nothing."""

    def get(self, partition: str, sort: str) -> Row | None:
        self.reads += 1
        return self._rows.get(partition, {}).get(sort)

    def rows(self, partition: str, prefix: str = "") -> Sequence[Row]:
        self.reads += 1
        rows = self._rows.get(partition, {})
        names = (name for name in self._order.get(partition, []))
        if prefix:
            names = (name for name in names if name.startswith(prefix))
        return [rows[name] for name in names]

    def put_many(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._put(row)

    def commit(self, writes: Sequence[Write]) -> bool:
        check_writes(writes)
        for write in writes:
            partition, sort = key_of(write)
            found = self._rows.get(partition, {}).get(sort)
            version = None if found is None else found.version
            if write.expected not in ("any", version):
                return False
        for write in writes:
            match write:
                case Put(row):
                    self._put(row)
                case Delete(partition, sort):
                    self.delete(partition, sort)
                case Check():
                    pass
        return True

    def delete(self, partition: str, sort: str) -> None:
        if self._rows.get(partition, {}).pop(sort, None) is not None:
            self._order[partition].remove(sort)

    def _put(self, row: Row) -> None:
        self.written_rows += 1
        rows = self._rows.setdefault(row.partition, {})
        if row.sort not in rows:
            order = self._order.setdefault(row.partition, [])
            bisect.insort(order, row.sort, key=str.encode)
        rows[row.sort] = row
