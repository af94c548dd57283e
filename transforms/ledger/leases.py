"""A worker's lease of a part of a budget: taken, renewed, passed on, given back.

    renew, every 3 s:  read the budget -> decide (lease_plan) -> commit -> grant
    grant:             the worker's bucket fills at parts x promise until the lease ends

Why the sum of what workers spend never exceeds the promise:

- Parts are conserved: every commit moves them, if the rows are still those it read.
- A holder counts its lease from *before* the request that renewed it, on its own
  monotonic clock, and its bucket is checked before each send. Nobody's wall clock
  matters, and a process that was stopped finds its lease over when it goes on.
- Others count from *after* the reply that showed them a renewal of the row, and take
  it over only if no other renewal came for a whole lease and a margin.
- A giver stops spending what it gives before it commits the gift.

A run that is taken up (`--resume`) waits for one lease: a worker of an earlier epoch
gets no other one, because each look at the budget is one at the run's epoch too.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.lease_plan import Need, Plan, make_plan
from transforms.ledger.lease_rows import (
    WHOLE,
    Lease,
    Leases,
    Pool,
    leases_partition,
    read_leases,
)
from transforms.ledger.receipts import FencedError
from transforms.ledger.store import RUNS, Delete, LedgerStore, Put, Write
from transforms.throttle.clock import Clock
from transforms.throttle.token_bucket import TokenBucket

__all__ = ["LEASE_SECONDS", "MARGIN_SECONDS", "LeaseHolder", "Promise"]

LEASE_SECONDS = 10.0
"""How long a holder may spend after it sent its last renewal."""

MARGIN_SECONDS = 1.0
"""What is added before a lease is passed on: clocks may run 10 % apart."""

_RENEWAL_SECONDS = 3.2  # three a lease: one may be lost
_EARLY_SECONDS = (0.25, 0.5, 1.0)  # at first, while the workers of a run arrive
_CONFLICT_SECONDS = 0.3
_DOUBTFUL_SECONDS = 2 * _RENEWAL_SECONDS
_HEIRS = 2
_SOON_SECONDS = 0.1
_HUNGRY_SHARE = 0.05  # of the time, waiting

_LOGGER = logging.getLogger(__name__)

RunBlocking = Callable[[Callable[[], Any]], Awaitable[Any]]


class Promise(Protocol):
    """Works out what a whole budget is worth."""

    def first(self, budget: str) -> Pool:
        """Returns the pool of a budget that nobody has used yet."""
        ...

    async def refreshed(self, pool: Pool, now: float) -> dict[str, object] | None:
        """Returns the fields of the pool that should change, None if none should.

        Called at every renewal; asks the service now and then.
        """
        ...


class LeaseHolder:
    """Keeps one bucket's lease, while anybody asks the bucket for units.

    Belongs to one event loop.
    """

    def __init__(
        self,
        store: LedgerStore,
        run_id: str,
        budget: str,
        bucket: TokenBucket,
        promise: Promise,
        *,
        worker_id: str,
        clock: Clock,
        rng: random.Random,
        run_blocking: RunBlocking = asyncio.to_thread,
        deadline_seconds: float = 600.0,
        epoch: int = 1,
    ) -> None:
        """Reads and writes nothing yet.

        Args:
            store: the run's ledger.
            run_id: whose budget it is.
            budget: its name.
            bucket: made by `TokenBucket.without_lease`; on the same clock.
            promise: works out what the whole is worth.
            worker_id: this worker's alone.
            clock: its monotonic time counts the lease.
            rng: spreads renewals, and chooses whom to give to.
            run_blocking: runs the store's methods beside the event loop.
            deadline_seconds: after so long without an answer from the ledger the
                bucket fails, and with it the job.
            epoch: of the run when this process was told about it; no lease is taken
                or renewed in a later one.
        """
        self._store = store
        self._epoch = epoch
        self._run_id = run_id
        self._budget = budget
        self._bucket = bucket
        self._promise = promise
        self._worker_id = worker_id
        self._clock = clock
        self._rng = rng
        self._run_blocking = run_blocking
        self._deadline_seconds = deadline_seconds
        self._partition = leases_partition(run_id, budget)
        self._mine: Lease | None = None
        self._worth = 0.0
        self._until = -math.inf
        self._seen: dict[str, tuple[int, float]] = {}  # worker -> renewal, since
        self._marked = (0.0, 0.0, 0.0)  # time, waited, spent at the last renewal
        self._used_at = clock.monotonic()

    @property
    def parts(self) -> int:
        """What it holds of the whole; perhaps on a lease that has ended."""
        return 0 if self._mine is None else self._mine.parts

    async def run(self) -> None:
        """Holds a lease until nobody has asked for units for a lease's length."""
        self._used_at = self._clock.monotonic()
        self._marked = (
            self._used_at,
            self._bucket.waited_seconds,
            self._bucket.spent_units,
        )
        answered_at, failures = self._used_at, 0
        early = list(_EARLY_SECONDS)
        while True:
            need = self._need()
            try:
                settled = await self._renew(need)
            except LedgerUnreachableError as error:
                if self._clock.monotonic() - answered_at > self._deadline_seconds:
                    self._bucket.fail(error)
                    return
                failures += 1
                if failures.bit_count() == 1:  # 1, 2, 4, 8 …
                    _LOGGER.warning("no lease of %s for now: %s", self._budget, error)
                settled = False
            except Exception as error:  # noqa: BLE001 - those who wait raise it
                self._bucket.fail(_as_ledger_error(error))
                return
            else:
                answered_at, failures = self._clock.monotonic(), 0
            if settled and need.is_leaving:
                return
            if not settled:
                await self._clock.sleep(self._rng.uniform(0, _CONFLICT_SECONDS))
                continue
            wait = early.pop(0) if early else _RENEWAL_SECONDS
            wait *= self._rng.uniform(0.9, 1.1)
            await self._clock.sleep(min(wait, self._seconds_to_inheritance()))

    def _need(self) -> Need:
        """What was asked of the bucket since the last look."""
        now, bucket = self._clock.monotonic(), self._bucket
        before, waited_before, spent_before = self._marked
        elapsed = max(now - before, 1e-3)
        waited = bucket.waited_seconds - waited_before
        spent = bucket.spent_units - spent_before
        self._marked = now, bucket.waited_seconds, bucket.spent_units
        if spent > 0 or bucket.waiting:
            self._used_at = now
        used = max(0.0, spent) / elapsed
        return Need(
            is_hungry=bucket.waiting > 0 or waited > _HUNGRY_SHARE * elapsed,
            used_parts=int(min(1.0, used / self._worth) * WHOLE) if self._worth else 0,
            is_leaving=now - self._used_at > LEASE_SECONDS,
        )

    async def _renew(self, need: Need) -> bool:
        """Reads, decides, commits, grants; False if others were faster."""
        looked_at = self._clock.monotonic()
        read: Leases = await self._run_blocking(self._read)
        now = self._clock.monotonic()  # after the reply: see the module
        if read.pool is None:
            first = self._promise.first(self._budget)
            put = first.changed(self._run_id, self._clock.wall())
            await self._commit([put])
            return False
        changes = await self._promise.refreshed(read.pool, now)
        if changes:
            put = read.pool.changed(self._run_id, self._clock.wall(), **changes)
            await self._commit([put])
            return False
        self._recognise(read.leases)
        living, dead = self._others(read.leases, now)
        plan = make_plan(
            self.parts,
            read.pool.free,
            need,
            living=living,
            dead=dead,
            rng=self._rng,
        )
        return await self._apply(plan, need, read.pool, living, looked_at)

    def _read(self) -> Leases:
        run = self._store.get(RUNS, self._run_id)
        if run is not None and run.version > self._epoch:
            raise FencedError(
                f"run {self._run_id} was taken up by another process (--resume); this "
                "one gets no lease any more, and what it wrote stays"
            )
        return read_leases(self._store, self._run_id, self._budget)

    def _recognise(self, leases: Sequence[Lease]) -> None:
        """Takes one's own row as it is: others may have given, or have buried it."""
        mine = next((one for one in leases if one.worker == self._worker_id), None)
        if self._mine is not None and mine is None:
            self._bucket.grant(0.0)
            self._until = -math.inf
        self._mine = mine

    def _others(
        self, leases: Sequence[Lease], now: float
    ) -> tuple[list[Lease], list[Lease]]:
        living: list[Lease] = []
        dead: list[Lease] = []
        seen: dict[str, tuple[int, float]] = {}
        for lease in leases:
            if lease.worker == self._worker_id:
                continue
            renewal, since = self._seen.get(lease.worker, (lease.renewal, now))
            if renewal != lease.renewal:
                since = now
            seen[lease.worker] = lease.renewal, since
            if now - since >= LEASE_SECONDS + MARGIN_SECONDS:
                dead.append(lease)
            elif now - since > _DOUBTFUL_SECONDS:  # no gifts to the dying
                living.append(replace(lease, is_hungry=False))
            else:
                living.append(lease)
        self._seen = seen
        return living, dead

    def _seconds_to_inheritance(self) -> float:
        """When to look again at leases that this worker is the first to take over.

        The two that follow a worker in the order of names are its heirs: all at once
        would come for nothing, one may be dead itself.
        """
        names = sorted([*self._seen, self._worker_id])
        place = names.index(self._worker_id)
        watched = {names[(place - back) % len(names)] for back in range(1, _HEIRS + 1)}
        ends = [
            since + LEASE_SECONDS + MARGIN_SECONDS
            for worker, (_, since) in self._seen.items()
            if worker in watched
        ]
        wait = min(ends, default=math.inf) - self._clock.monotonic()
        return max(wait, _SOON_SECONDS)

    async def _apply(
        self,
        plan: Plan,
        need: Need,
        pool: Pool,
        living: Sequence[Lease],
        looked_at: float,
    ) -> bool:
        if plan.parts < self.parts:
            self._grant(plan.parts, self._until)  # before others may spend it
        writes = self._writes(plan, need, pool, living)
        if writes and not await self._commit(writes):
            return False
        for lease in plan.reaped:
            self._seen.pop(lease.worker, None)
        put = writes[0] if writes else None
        if isinstance(put, Put):
            self._mine = Lease.of_row(put.row)
            self._worth = pool.promise
            # From before the look, when the run's epoch was this worker's.
            self._until = looked_at + LEASE_SECONDS
            self._grant(plan.parts, self._until)
        else:
            self._mine = None
            self._grant(0, -math.inf)
        return True

    def _writes(
        self, plan: Plan, need: Need, pool: Pool, living: Sequence[Lease]
    ) -> list[Write]:
        wall = self._clock.wall()
        mine, writes = self._mine, list[Write]()
        if need.is_leaving:
            if mine is None and not plan.reaped:
                return []
            if mine is not None:
                writes.append(Delete(self._partition, mine.worker, mine.version))
        else:
            version = mine.version + 1 if mine else self._rng.getrandbits(48) + 1
            lease = Lease(self._worker_id, version, plan.parts, need.is_hungry, version)
            expected = mine.version if mine else None
            writes.append(Put(lease.row(self._partition, wall), expected))
        for dead in plan.reaped:
            writes.append(Delete(self._partition, dead.worker, dead.version))
        for lease in living:
            if gift := plan.gifts.get(lease.worker):
                given = replace(
                    lease, version=lease.version + 1, parts=lease.parts + gift
                )
                writes.append(Put(given.row(self._partition, wall), lease.version))
        if plan.from_pool:
            free = pool.free - plan.from_pool
            writes.append(pool.changed(self._run_id, wall, free=free))
        return writes

    def _grant(self, parts: int, until: float) -> None:
        self._bucket.grant(self._worth * parts / WHOLE, until)

    async def _commit(self, writes: Sequence[Write]) -> bool:
        done: bool = await self._run_blocking(lambda: self._store.commit(writes))
        return done


def _as_ledger_error(error: Exception) -> Exception:
    if isinstance(error, LedgerError):
        return error
    failed = LedgerError(f"the lease cannot be kept: {error!r}")
    failed.__cause__ = error
    return failed
