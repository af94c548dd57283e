"""One request's capacity, from the first try to the service's bill.

    again() --> try --> failed(error) --> again() --> try --> settle(consumed)

A limiter is asked before *every* try, retries included: a try without an answer may
have been applied and charged, and the next one may be charged again (I5).
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ConditionFailedError,
    RetryableError,
    ThrottledError,
)
from transforms.throttle.limiter import Consumed, Limiter

__all__ = ["Spending"]


class Spending:
    """A reservation that follows a request; a `Meter` for the client's retries.

    A try of which nobody knows what became is charged as estimated.
    """

    def __init__(
        self,
        limiter: Limiter,
        estimate: float,
        *,
        on_throttled: Callable[[], None] | None = None,
    ) -> None:
        """Reserves nothing yet.

        Args:
            limiter: gives leave.
            estimate: units of one try.
            on_throttled: called for each try that the service refused for capacity.
        """
        self._limiter = limiter
        self._estimate = estimate
        self._reservation = limiter.reservation(estimate)
        self._on_throttled = on_throttled
        self._is_open = False

    async def again(self) -> None:
        """Waits until a try may be sent."""
        await self._reservation.take()
        self._is_open = True

    def failed(self, error: RetryableError) -> None:
        """Gives back what a refused try reserved; any other counts as charged."""
        if not isinstance(error, ThrottledError):
            self.settle(self._estimate)
            return
        self.settle(0.0)
        self._limiter.report_throttled()
        if self._on_throttled is not None:
            self._on_throttled()

    def settle(self, consumed: Consumed) -> None:
        """Replaces the reservation of the last try by what was charged."""
        if self._is_open:
            self._reservation.settle(consumed)
            self._is_open = False

    async def call(self, client: DynamoDBClient, operation: str, body: bytes) -> bytes:
        """Returns the reply of `client.call`; the first `again` was the caller's.

        Raises:
            BeamDynamoDBError: as the client. What was refused is given back, but
                for a failed condition, which the caller settles: it is charged.
        """
        with self.refunded():
            return await client.call(operation, body, meter=self)

    @contextmanager
    def refunded(self) -> Iterator[None]:
        """Gives the reservation back if the service refuses what is sent inside.

        A request that is cancelled may have been charged, so it counts as charged.
        """
        try:
            yield
        except ConditionFailedError:
            raise
        except asyncio.CancelledError:
            self.settle(self._estimate)
            raise
        except BeamDynamoDBError:
            self.settle(0.0)
            raise
