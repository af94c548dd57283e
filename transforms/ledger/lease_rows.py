"""What the leases of one budget look like in the ledger.

A budget is one table's reads or writes (or one index's) in one run. Its promise is
divided into `WHOLE` parts, which are never made or lost, only moved:

    pool row     parts nobody holds, and what the whole is worth: the promise
    lease rows   one a worker: the parts it holds, and whether it wants more

A part is a fraction of the promise, not a number of units, so a promise that changes
is one row written, whatever the number of workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from transforms.ledger.store import LedgerStore, Put, Row

__all__ = [
    "WHOLE",
    "Lease",
    "Leases",
    "Pool",
    "leases_partition",
    "pool_partition",
    "read_leases",
    "read_pool",
]

WHOLE = 1_000_000_000
"""Parts of a promise: whole numbers, so that nothing is lost by rounding."""

_KEPT_SECONDS = 7 * 24 * 3600


def pool_partition(run_id: str) -> str:
    """Where the pools of a run are, one a budget, so that they can be listed."""
    return f"rates/{run_id}"


def leases_partition(run_id: str, budget: str) -> str:
    """Where the leases of one budget are."""
    return f"leases/{run_id}/{budget}"


class _PoolData(msgspec.Struct, array_like=True):
    free: int
    promise: float
    rate: str
    reason: str
    measured: int
    capacity: float


class _LeaseData(msgspec.Struct, array_like=True):
    parts: int
    is_hungry: bool
    renewal: int


_POOL = msgspec.msgpack.Decoder(_PoolData)
_LEASE = msgspec.msgpack.Decoder(_LeaseData)


@dataclass(frozen=True, slots=True)
class Pool:
    """What nobody holds of a budget, and what the whole of it is worth.

    Attributes:
        budget: its name, such as ``write us-west-2/birds``.
        version: of the row; 0 before it is written.
        free: parts, 0 to `WHOLE`.
        promise: units a second of the whole; 0 while the run is paused.
        rate: what was said while the run goes on, in place of its own rate and
            schedule: ``40%``, ``500 units/s``, ``0`` to pause; empty for none.
        reason: how the promise came about, for people.
        measured: counts the times the promise was worked out; a worker that sees
            it stand still for long works it out itself.
        capacity: what 100 % was then, in units a second; 0 if nobody asked.
    """

    budget: str
    version: int
    free: int
    promise: float
    rate: str
    reason: str
    measured: int = 0
    capacity: float = 0.0

    @classmethod
    def of_row(cls, row: Row) -> "Pool":
        """Returns the pool in a row."""
        data = _POOL.decode(row.data)
        return cls(
            row.sort,
            row.version,
            data.free,
            data.promise,
            data.rate,
            data.reason,
            data.measured,
            data.capacity,
        )

    def changed(self, run_id: str, wall_seconds: float, **fields: object) -> Put:
        """Returns the write of this pool with fields replaced, if it is unchanged."""
        pool = replace(self, **fields)  # type: ignore[arg-type]
        data = msgspec.msgpack.encode(
            _PoolData(
                pool.free,
                pool.promise,
                pool.rate,
                pool.reason,
                pool.measured,
                pool.capacity,
            )
        )
        expires_at = int(wall_seconds) + _KEPT_SECONDS
        partition = pool_partition(run_id)
        row = Row(partition, self.budget, self.version + 1, data, expires_at)
        return Put(row, self.version or None)


@dataclass(frozen=True, slots=True)
class Lease:
    """What one worker holds of a budget.

    Attributes:
        worker: its id.
        version: of the row; begins at random, so that no two lives of a row have
            one version in common.
        parts: 0 to `WHOLE`.
        is_hungry: it would use more.
        renewal: the version that the worker itself wrote last. A gift changes the
            version, and says nothing of whether the worker lives.
    """

    worker: str
    version: int
    parts: int
    is_hungry: bool
    renewal: int

    @classmethod
    def of_row(cls, row: Row) -> "Lease":
        """Returns the lease in a row."""
        data = _LEASE.decode(row.data)
        return cls(row.sort, row.version, data.parts, data.is_hungry, data.renewal)

    def row(self, partition: str, wall_seconds: float) -> Row:
        """Returns the lease as a row, which a dead run's table forgets some day."""
        data = msgspec.msgpack.encode(
            _LeaseData(self.parts, self.is_hungry, self.renewal)
        )
        expires_at = int(wall_seconds) + _KEPT_SECONDS
        return Row(partition, self.worker, self.version, data, expires_at)


@dataclass(frozen=True, slots=True)
class Leases:
    """A budget as it was read: the pool, and each worker's lease."""

    pool: Pool | None
    leases: Sequence[Lease]


def read_pool(store: LedgerStore, run_id: str, budget: str) -> Pool | None:
    """Returns a budget's pool, None before anybody has made it."""
    row = store.get(pool_partition(run_id), budget)
    return None if row is None else Pool.of_row(row)


def read_leases(store: LedgerStore, run_id: str, budget: str) -> Leases:
    """Reads a budget: two requests, so its rows may be of different moments."""
    pool = read_pool(store, run_id, budget)
    rows = store.rows(leases_partition(run_id, budget))
    return Leases(pool, [Lease.of_row(row) for row in rows])
