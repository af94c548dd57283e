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
from transforms.throttle.limiter import Consumed, Limiter, units_of
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
_LEAST_BURST_UNITS = 1.0


class TokenBucket(Limiter):
    """Admits requests in the order in which they asked, at a promised rate.

    First come, first served: a large request is not overtaken by small ones. One
    that is larger than the bucket goes when the bucket is full, and leaves debt:
    a 400 KB item costs 400 write units even on a table of 5.

    Every refusal reported by the service cuts the pace to 70 %, at most twice a
    second; it recovers by 1/30 of the promise per second. The promise itself is
    never exceeded.

    A bucket may be held on a lease: `grant` says the rate and until when. Nothing
    comes in after that moment, and nothing is let through, until the next grant.

    Not thread safe: belongs to one event loop, and `settle`, `report_throttled`
    and `grant` too are called from that loop's thread only.
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
        self._until = math.inf
        self._pace = 1.0
        self._refilled_at = clock.monotonic()
        self._cut_at = -math.inf
        self._waited_seconds = 0.0
        self._spent_units = 0.0
        self._waiting = 0
        self._failure: Exception | None = None
        self._queue = asyncio.Lock()  # first in, first out

    @classmethod
    def without_lease(cls, clock: Clock) -> "TokenBucket":
        """Makes an empty bucket that lets nothing through before its first `grant`.

        Its burst is a second of the rate, and at least one unit.
        """
        bucket = cls(1.0, 1.0, clock)
        bucket._rate = bucket._balance = 0.0
        bucket._until = clock.monotonic()
        return bucket

    @property
    def waited_seconds(self) -> float:
        """Seconds spent in `acquire`, summed over callers: may exceed wall time."""
        return self._waited_seconds

    @property
    def burst_units(self) -> float:
        """What the bucket holds when it is full."""
        return self._burst

    @property
    def spent_units(self) -> float:
        """Units taken so far: settled ones as charged, others as reserved."""
        return self._spent_units

    @property
    def waiting(self) -> int:
        """Requests that wait in `acquire` now."""
        return self._waiting

    @property
    def is_throttled(self) -> bool:
        """Whether the pace is below the promise, because the service refused."""
        self._refill()
        return self._pace < 1.0

    @property
    def rate_per_second(self) -> float:
        """The pace of this moment: the promise, or less after a refusal."""
        self._refill()
        return self._rate * self._pace

    def take_at_once(self, units: float) -> bool:
        """Takes `units` if the bucket holds them, or is full, and nobody waits.

        Raises:
            ValueError: `units` is negative or not finite.
            Exception: what `fail` was given.
        """
        _amount("units", units)
        if self._waiting or self._nap_seconds(units) > 0:
            return False
        self._balance -= units
        self._spent_units += units
        return True

    async def acquire(self, units: float) -> None:
        """Waits until the bucket holds `units`, or is full, and takes `units`.

        With 0 units it still waits for its turn and until there is no debt.

        Raises:
            ValueError: `units` is negative or not finite.
            Exception: what `fail` was given.
        """
        _amount("units", units)
        asked_at = self._clock.monotonic()
        self._waiting += 1
        try:
            async with self._queue:
                while (nap := self._nap_seconds(units)) > 0:
                    await self._clock.sleep(nap)
                self._balance -= units
                self._spent_units += units
        finally:
            self._waiting -= 1
            self._waited_seconds += self._clock.monotonic() - asked_at

    def settle(self, reserved: float, consumed: Consumed) -> None:
        """Gives back `reserved` and takes `consumed`; the balance may go below 0.

        Raises:
            ValueError: an amount is negative or not finite.
        """
        charged = _amount("consumed", units_of(consumed))
        given_back = _amount("reserved", reserved) - charged
        if given_back == 0:  # a good estimate: nothing changes
            return
        self._balance = min(self._burst, self._refill() + given_back)
        self._spent_units -= given_back

    def report_throttled(self) -> None:
        """Cuts the pace to 70 %, unless it was cut within the last half second."""
        self._refill()
        if self._refilled_at - self._cut_at >= _CUT_INTERVAL_SECONDS:
            self._pace *= _CUT
            self._cut_at = self._refilled_at

    def grant(self, rate_per_second: float, until: float = math.inf) -> None:
        """Changes the promise and its end; the burst becomes a second of it.

        Args:
            rate_per_second: 0 or more; with 0 nothing is let through.
            until: on this bucket's monotonic clock.

        Raises:
            RateError: the rate is negative or not finite.
        """
        if not 0 <= rate_per_second < math.inf:
            raise RateError(
                f"a granted rate must be finite and not negative, got {rate_per_second}"
            )
        self._refill()
        self._rate, self._until = rate_per_second, until
        self._burst = max(rate_per_second, _LEAST_BURST_UNITS)
        self._balance = min(self._balance, self._burst)

    def fail(self, error: Exception) -> None:
        """Lets nothing through any more: `acquire` raises `error`."""
        self._failure = error

    def _refill(self) -> float:
        """Adds what has come in since the last look; returns the balance."""
        now = self._clock.monotonic()
        elapsed = max(0.0, min(now, self._until) - self._refilled_at)
        promise_seconds = elapsed
        if self._pace < 1.0:
            self._pace, promise_seconds = _recover(self._pace, elapsed)
        self._balance = min(self._burst, self._balance + self._rate * promise_seconds)
        self._refilled_at = now
        return self._balance

    def _nap_seconds(self, units: float) -> float:
        """How long to wait before looking again; 0 if the request may go."""
        if self._failure is not None:
            raise self._failure
        missing = min(units, self._burst) - self._refill()
        if self._rate == 0 or self._refilled_at >= self._until:
            return _MAX_NAP_SECONDS
        if missing <= 0:
            return 0.0
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
