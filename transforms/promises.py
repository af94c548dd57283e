"""What a budget is worth, worked out while the run goes on.

    said while it runs (`rate RUN --set`) > timetable > the run's own rate
                          |
                          v
    percent x capacity of the table (asked again now and then) = units a second

Whoever holds a lease works it out when nobody else has for a while, and writes it into
the budget's pool, where the others find it at their next renewal.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from transforms.dynamodb.errors import BeamDynamoDBError
from transforms.ledger.lease_rows import WHOLE, Pool
from transforms.throttle.clock import Clock
from transforms.throttle.rate import Rate
from transforms.throttle.schedule import PAUSED, Schedule

__all__ = ["Capacity", "TablePromise"]

_LOGGER = logging.getLogger(__name__)

_MEASURE_SECONDS = 30.0
# "You can double your peak within 30 minutes": the pace of a ramp.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
_DOUBLING_SECONDS = 1800.0
# Of one on-demand table, unless the account's quota was raised (both directions).
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
_RAMP_END = 40_000.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What 100 % of a budget is.

    Attributes:
        units: a second.
        what: for people, such as ``1,000 provisioned WCU``.
        may_grow: nobody said this figure: it is what a new on-demand table starts
            with, and the service grows with the load.
    """

    units: float
    what: str
    may_grow: bool = False


class TablePromise:
    """Works out one budget's promise; a `Promise` of its leases."""

    def __init__(
        self,
        rate: Rate,
        capacity: Capacity,
        measure: Callable[[], Awaitable[Capacity]] | None,
        *,
        clock: Clock,
        rng: random.Random,
        schedule: Schedule | None = None,
        is_throttled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Takes what is known at the start.

        Args:
            rate: the run's own.
            capacity: as it was found.
            measure: asks the service again; None if it may not be asked.
            clock: its wall time is the timetable's.
            rng: spreads the asking over the workers.
            schedule: a timetable.
            is_throttled: whether the service refuses requests of this worker now.
        """
        self._rate = rate
        self._capacity = capacity
        self._measure = measure
        self._clock = clock
        self._rng = rng
        self._schedule = schedule
        self.is_throttled = is_throttled
        self._seen = -1
        self._due = 0.0

    def first(self, budget: str) -> Pool:
        """Returns the pool of a budget that nobody has used yet."""
        promise, reason = self._work_out("", self._capacity)
        return Pool(
            budget, 0, WHOLE, promise, "", reason, capacity=self._capacity.units
        )

    async def refreshed(self, pool: Pool, now: float) -> dict[str, object] | None:
        """Returns the pool's fields that change, None if it is as it should be."""
        if pool.measured != self._seen:  # somebody has just worked it out
            self._seen = pool.measured
            self._due = now + _MEASURE_SECONDS * self._rng.uniform(1, 1.5)
        known = Capacity(
            pool.capacity or self._capacity.units,
            self._capacity.what,
            self._capacity.may_grow,
        )
        is_due = now >= self._due
        if is_due:
            known = await self._measured(known)
        promise, reason = self._work_out(pool.rate, known)
        if (promise, reason) == (pool.promise, pool.reason) and not is_due:
            return None
        self._seen = pool.measured + 1
        self._due = now + _MEASURE_SECONDS * self._rng.uniform(1, 1.5)
        return {
            "promise": promise,
            "reason": reason,
            "capacity": known.units,
            "measured": pool.measured + 1,
        }

    async def _measured(self, known: Capacity) -> Capacity:
        """Asks the table; keeps what was known where it does not answer."""
        if self._measure is None:
            return known
        try:
            found = await self._measure()
        except BeamDynamoDBError as error:
            _LOGGER.warning("the capacity is taken to be as before: %s", error)
            return known
        if found.may_grow:
            factor = (
                1.0
                if self.is_throttled()
                else 2 ** (_MEASURE_SECONDS / _DOUBLING_SECONDS)
            )
            grown = min(max(_RAMP_END, found.units), known.units * factor)
            found = Capacity(max(found.units, grown), found.what, may_grow=True)
        self._capacity = Capacity(self._capacity.units, found.what, found.may_grow)
        return found

    def _work_out(self, said: str, capacity: Capacity) -> tuple[float, str]:
        scheduled = None
        if self._schedule is not None:
            scheduled = self._schedule.rate_at(self._clock.wall())
        source = "set while running" if said else "scheduled" if scheduled else ""
        text = said or scheduled or ""
        if text == PAUSED:
            return 0.0, f"paused ({source})"
        rate = Rate.parse(text) if text else self._rate
        if text and rate.kind == "percent" and not capacity.units:
            why = f"{rate} ({source}) is of {capacity.what}"
            return self._rate.units_per_second(None), f"{self._rate}; {why}"
        units = rate.units_per_second(capacity.units)
        what = f"{rate} of {capacity.what}" if rate.kind == "percent" else str(rate)
        return units, f"{what} ({source})" if source else what
