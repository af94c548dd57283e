"""Asks a ledger again while it does not answer: busy, throttled, or out of reach."""

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from transforms.dynamodb.event_loop import worker_loop
from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.throttle.backoff import full_jitter
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["LEDGER_DEADLINE_SECONDS", "patiently"]

LEDGER_DEADLINE_SECONDS = 600.0
"""As for a table: a ledger that is away for so long stops the job."""

T = TypeVar("T")
_logger = logging.getLogger(__name__)


def patiently(
    ask: Callable[[], T],
    *,
    deadline_seconds: float = LEDGER_DEADLINE_SECONDS,
    clock: Clock | None = None,
    rng: random.Random | None = None,
) -> T:
    """Returns what the ledger answers, however often it has to be asked.

    Not on an event loop: it blocks its thread.

    Args:
        ask: may be called again after it raised `LedgerUnreachableError`.
        deadline_seconds: how long it is asked without an answer.
        clock: times and sleeps.
        rng: for the backoff's jitter.

    Raises:
        LedgerError: no answer until the deadline, or the ledger's own refusal.
    """
    clock = clock or SystemClock()
    delays = full_jitter(rng or random.Random())  # noqa: S311  # jitter, no secret
    started = clock.monotonic()
    tries = 0
    while True:
        try:
            return ask()
        except LedgerUnreachableError as error:
            tries += 1
            waited = clock.monotonic() - started
            if waited >= deadline_seconds:
                raise LedgerError(
                    f"{error}; it was asked {tries} times in {waited:.0f} s; go on "
                    "with --resume when it is there again"
                ) from error
            if tries.bit_count() == 1:  # 1, 2, 4, 8 …
                _logger.warning("the run's ledger does not answer yet: %s", error)
        worker_loop().run(clock.sleep(next(delays)))
