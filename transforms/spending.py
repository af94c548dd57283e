"""One request's capacity, from the first try to the service's bill.

    at_once() or again() --> try --> failed(error) --> again() --> try --> settle(…)

A limiter is asked before *every* try, retries included: a try without an answer may
have been applied and charged, and the next one may be charged again (I5).
"""

import asyncio
from collections.abc import Callable

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

    __slots__ = ("_estimate", "_is_open", "_limiter", "_on_throttled", "_reservation")

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

    def at_once(self) -> bool:
        """Whether a try may be sent without waiting; if not, await `again`."""
        self._is_open = self._reservation.take_at_once()
        return self._is_open

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
        """Returns the reply of `client.call`; leave for the first try is the caller's.

        Raises:
            BeamDynamoDBError: as the client. What was refused is given back, but
                for a failed condition, which the caller settles: it is charged.
        """
        try:
            return await client.call(operation, body, meter=self)
        except BaseException as error:
            self.give_up(error)
            raise

    def give_up(self, error: BaseException) -> None:
        """Gives back what was reserved for a request that the service refused.

        A request that was cancelled may have been charged, so it counts as charged;
        a failed condition is charged, and the caller knows how much.
        """
        if isinstance(error, ConditionFailedError):
            return
        if isinstance(error, asyncio.CancelledError):
            self.settle(self._estimate)
        elif isinstance(error, BeamDynamoDBError):
            self.settle(0.0)
