"""A limiter whose rate is a lease: it begins with the first request that asks."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from transforms.throttle.limiter import Consumed, Limiter
from transforms.throttle.token_bucket import TokenBucket

__all__ = ["KEEPER", "Holder", "LeasedLimiter"]


KEEPER = "beam-dynamodb rate"
"""Name of the tasks that keep leases; they end when nobody asks any more."""


class Holder(Protocol):
    """Keeps a bucket granted: `LeaseHolder`, or `StaticShare` without a ledger."""

    async def run(self) -> None:
        """Grants the bucket its share until nobody asks for units any more."""
        ...


class LeasedLimiter(Limiter):
    """A bucket, and the task that keeps its lease while somebody uses it.

    Every method belongs to one event loop, as those of any limiter.
    """

    def __init__(
        self, bucket: TokenBucket, make_holder: Callable[[TokenBucket], Holder]
    ) -> None:
        """Asks for nothing yet.

        Args:
            bucket: made by `TokenBucket.without_lease`.
            make_holder: makes the one that keeps the bucket's lease.
        """
        self._bucket = bucket
        self._holder = make_holder(bucket)
        self._keeping: asyncio.Task[None] | None = None

    @property
    def waited_seconds(self) -> float:
        """Time spent in `acquire`, summed over callers."""
        return self._bucket.waited_seconds

    @property
    def burst_units(self) -> float:
        """A second of its present share."""
        return self._bucket.burst_units

    def take_at_once(self, units: float) -> bool:
        """Takes `units` if the lease is kept and the bucket has room."""
        if self._keeping is None or self._keeping.done():
            return False
        return self._bucket.take_at_once(units)

    async def acquire(self, units: float) -> None:
        """Waits until `units` may be spent under a lease that is still good.

        Raises:
            LedgerError: the ledger cannot be used.
            LedgerUnreachableError: it did not answer until the deadline.
        """
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._holder.run(), name=KEEPER)
            self._keeping.add_done_callback(self._ended)
        await self._bucket.acquire(units)

    def settle(self, reserved: float, consumed: Consumed) -> None:
        """Replaces a reservation by what the service charged."""
        self._bucket.settle(reserved, consumed)

    def report_throttled(self) -> None:
        """Goes slower for a while."""
        self._bucket.report_throttled()

    def _ended(self, keeping: asyncio.Task[None]) -> None:
        """Has those who wait raise what ended their lease: nobody renews it now."""
        if not keeping.cancelled() and isinstance(
            error := keeping.exception(), Exception
        ):
            self._bucket.fail(error)
