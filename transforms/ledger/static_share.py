"""A share of a promise without a ledger: an even part, used or not."""

from dataclasses import replace

from transforms.ledger.leases import LEASE_SECONDS, Promise
from transforms.throttle.clock import Clock
from transforms.throttle.token_bucket import TokenBucket

__all__ = ["StaticShare"]


class StaticShare:
    """Keeps a bucket at ``promise / workers`` while anybody asks it for units."""

    def __init__(
        self,
        budget: str,
        bucket: TokenBucket,
        promise: Promise,
        workers: int,
        clock: Clock,
    ) -> None:
        """Grants nothing yet."""
        self._pool = promise.first(budget)
        self._bucket = bucket
        self._promise = promise
        self._workers = workers
        self._clock = clock

    async def run(self) -> None:
        """Grants the share, and follows the promise until nobody asks any more."""
        spent = -1.0
        while self._bucket.waiting or self._bucket.spent_units != spent:
            spent = self._bucket.spent_units
            self._bucket.grant(self._pool.promise / self._workers)
            changes = await self._promise.refreshed(self._pool, self._clock.monotonic())
            if changes:
                self._pool = replace(self._pool, **changes)  # type: ignore[arg-type]
                self._bucket.grant(self._pool.promise / self._workers)
            await self._clock.sleep(LEASE_SECONDS)
