"""A limiter that keeps a rate, pays its debts and yields to throttling.

    acquire(estimate) -> send the request -> settle(estimate, consumed)

The bucket holds at most `burst_units` and fills at the promised rate. A request
takes its estimate when it is sent; when the service has said what it charged,
the difference is given back or becomes debt, and the next request waits until
the debt is paid.

The bound (I5). Take any window of T seconds, and count for each request sent in
it what the service charged. The sum is at most

    T x rate + max(burst_units, largest estimate) + estimation errors

where the errors are those that the window cannot know: what requests still in
flight at its end will cost beyond their estimates, and what requests sent before
it gave back inside it. With exact estimates they are 0; with one request in
flight they are at most one request's error at either end.
"""

import asyncio
import math

from transforms.throttle.clock import Clock
from transforms.throttle.limiter import Limiter
from transforms.throttle.rate import RateError

__all__ = ["TokenBucket"]

_CUT = 0.7
# Requests in flight are refused together: one refusal, one cut.
_CUT_INTERVAL_SECONDS = 0.5
_RECOVERY_SECONDS = 30.0  # from standstill to the promised rate
# A sleeper looks up this often, for what was given back and for a new rate.
_MAX_NAP_SECONDS = 0.25
# Event loops wake on about this grain; it also ends the chase of float residues.
_MIN_NAP_SECONDS = 0.001


class TokenBucket(Limiter):
    """Admits requests in the order in which they asked, at a promised rate.

    First come, first served: a large request is not overtaken by small ones. One
    that is larger than the bucket goes when the bucket is full, and leaves debt:
    a 400 KB item costs 400 write units even on a table of 5.

    Every refusal reported by the service cuts the pace to 70 %, at most twice a
    second; it recovers by 1/30 of the promise per second. The promise itself is
    never exceeded.

    Not thread safe: belongs to one event loop, and `settle`, `report_throttled`
    and `set_rate` too are called from that loop's thread only.
    """

    def __init__(
        self, rate_per_second: float, burst_units: float, clock: Clock
    ) -> None:
        """Starts with a full bucket.

        Args:
            rate_per_second: the promise, in capacity units per second; above 0.
            burst_units: what may be spent at once after a pause; above 0. The
                larger of a second of the rate and one item is a good choice.
            clock: tells the time and waits.

        Raises:
            RateError: a rate or burst that is not a finite number above 0.
        """
        self._rate = _positive("rate_per_second", rate_per_second)
        self._burst = _positive("burst_units", burst_units)
        self._clock = clock
        self._balance = self._burst
        self._pace = 1.0
        self._refilled_at = clock.monotonic()
        self._cut_at = -math.inf
        self._waited_seconds = 0.0
        self._queue = asyncio.Lock()  # first in, first out

    @property
    def waited_seconds(self) -> float:
        """Seconds spent in `acquire`, summed over callers: may exceed wall time."""
        return self._waited_seconds

    @property
    def rate_per_second(self) -> float:
        """The pace of this moment: the promise, or less after a refusal."""
        self._refill()
        return self._rate * self._pace

    async def acquire(self, units: float) -> None:
        """Waits until the bucket holds `units`, or is full, and takes `units`.

        With 0 units it still waits for its turn and until there is no debt.

        Raises:
            ValueError: `units` is negative or not finite.
        """
        needed = min(_amount("units", units), self._burst)
        asked_at = self._clock.monotonic()
        try:
            async with self._queue:
                while (missing := needed - self._refill()) > 0:
                    await self._clock.sleep(self._nap_seconds(missing))
                self._balance -= units
        finally:
            self._waited_seconds += self._clock.monotonic() - asked_at

    def settle(self, reserved: float, consumed: float) -> None:
        """Gives back `reserved` and takes `consumed`; the balance may go below 0.

        Raises:
            ValueError: an amount is negative or not finite.
        """
        given_back = _amount("reserved", reserved) - _amount("consumed", consumed)
        self._balance = min(self._burst, self._refill() + given_back)

    def report_throttled(self) -> None:
        """Cuts the pace to 70 %, unless it was cut within the last half second."""
        self._refill()
        if self._refilled_at - self._cut_at >= _CUT_INTERVAL_SECONDS:
            self._pace *= _CUT
            self._cut_at = self._refilled_at

    def set_rate(self, rate_per_second: float) -> None:
        """Changes the promise from now on; balance, burst and pace stay.

        Raises:
            RateError: not a finite number above 0.
        """
        checked = _positive("rate_per_second", rate_per_second)
        self._refill()  # the time until now is paid at the old rate
        self._rate = checked

    def _refill(self) -> float:
        """Adds what has come in since the last look; returns the balance."""
        now = self._clock.monotonic()
        elapsed = now - self._refilled_at
        self._pace, promise_seconds = _recover(self._pace, elapsed)
        self._balance = min(self._burst, self._balance + self._rate * promise_seconds)
        self._refilled_at = now
        return self._balance

    def _nap_seconds(self, missing: float) -> float:
        needed = missing / (self._rate * self._pace)
        return min(max(needed, _MIN_NAP_SECONDS), _MAX_NAP_SECONDS)


def _recover(pace: float, elapsed: float) -> tuple[float, float]:
    """The pace after `elapsed` seconds, and its integral over them.

    The pace climbs on a straight line and stays at 1; the integral is the time
    in which the full promise would have brought in as much.
    """
    recovered = min(1.0, pace + elapsed / _RECOVERY_SECONDS)
    climbing = (recovered - pace) * _RECOVERY_SECONDS
    integral = (pace + recovered) / 2 * climbing + recovered * (elapsed - climbing)
    return recovered, integral


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise RateError(
            f"{name} must be a finite number above 0, got {value}; "
            f"for no limit use UnlimitedLimiter"
        )
    return value


def _amount(name: str, units: float) -> float:
    if not 0 <= units < math.inf:
        raise ValueError(f"{name} must be finite and not negative, got {units}")
    return units
