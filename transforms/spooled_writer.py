"""A writer that never holds its caller up, until its spool is full.

    caller's thread              |  a thread of the writer's own
    -----------------------------+--------------------------------------------
    submit --> a few in memory --+--> LaneWriter.submit (waits for room in flight)
           '-> the others: Spool-+
    take_finished <--------------+--- outcomes, when all of it was really written

So a route whose region is slow or away lets the scan go on for the others. What waits
is in the order it came in, and no receipt is written of it: a run that ends before it
is written reads those pages again. No Beam here.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from transforms.dynamodb.errors import BeamDynamoDBError, JobStoppedError
from transforms.items import Wire
from transforms.outcomes import Outcome, Refused
from transforms.spool import Spool, Stored
from transforms.writer_lanes import LaneWriter

__all__ = ["ItemWriter", "SpooledWriter"]

PAGES_IN_MEMORY = 8
MAX_PAGES = 50_000
"""Of each page that waits some 2 KB stay in memory."""

_LOOK_UP_SECONDS = 0.25
_logger = logging.getLogger(__name__)


class ItemWriter(Protocol):
    """What a sink needs of a writer; see `LaneWriter`."""

    def submit(
        self, items: Sequence[Wire], token: object, refused: Sequence[Refused] = ()
    ) -> None:
        """Queues items."""

    def take_finished(self) -> list[Outcome]:
        """Returns the outcomes that became complete since the last call."""

    def drain(self, look_up: Callable[[], None] | None = None) -> list[Outcome]:
        """Waits until nothing is in flight; returns what became complete."""

    def close(self) -> None:
        """Stops at once."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Items of one submission, in memory or in the spool."""

    token: object
    items: Sequence[Wire]
    refused: Sequence[Refused]
    stored: Stored | None = None


class SpooledWriter:
    """Hands what is submitted to a `LaneWriter`, in order, from a thread of its own.

    Args:
        writer: nobody else submits to it.
        spool: where pages wait for it.
        must_stop: asked by `is_handed_on`: what still waits is dropped then.
    """

    def __init__(
        self, writer: LaneWriter, spool: Spool, must_stop: Callable[[], bool]
    ) -> None:
        self._writer, self._spool, self._must_stop = writer, spool, must_stop
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._in_memory = 0
        self._is_handing_on = False
        self._is_closed = False
        self._disk_is_full = False
        self._error: BeamDynamoDBError | None = None
        self._thread: threading.Thread | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Submissions that a stop has dropped: they were neither written nor told."""
        return self._dropped

    def submit(
        self, items: Sequence[Wire], token: object, refused: Sequence[Refused] = ()
    ) -> None:
        """Queues items; waits only while the spool is full.

        Args:
            items: wire items.
            token: comes back in the `Outcome`, and stays in memory.
            refused: items beside them that are not sent.

        Raises:
            JobStoppedError: an earlier request failed for good.
        """
        given = _Waiting(token, items, refused)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_room(given))
                self._raise_error()
                if self._fits_memory(given):
                    self._in_memory += _is_heavy(given)
                    self._append(given)
                    return
            stored = self._put(given)
            if stored is not None:
                with self._changed:
                    self._append(_Waiting(token, (), (), stored))
                return

    def take_finished(self) -> list[Outcome]:
        """Returns the outcomes that became complete since the last call.

        Raises:
            JobStoppedError: a request failed for good, or the spool did.
        """
        with self._changed:
            self._raise_error()
        return self._writer.take_finished()

    def drain(self, look_up: Callable[[], None] | None = None) -> list[Outcome]:
        """Waits until all is written; returns what became complete.

        Args:
            look_up: called a few times a second meanwhile; what it raises ends the
                wait.
        """
        while not self.is_handed_on(look_up):
            pass
        return self._writer.drain(look_up)

    def is_handed_on(self, look_up: Callable[[], None] | None = None) -> bool:
        """Waits a moment; tells whether all is in flight or written by then.

        So that what becomes complete can be taken meanwhile: a spool may take hours.
        If the run is stopped, what is in flight is finished, and what still waits is
        dropped: see `dropped`.

        Raises:
            JobStoppedError: a request failed for good, or the spool did.
        """
        with self._changed:
            if not (self._error or self._is_idle()):
                self._changed.wait(_LOOK_UP_SECONDS)
            if look_up:
                look_up()
            if self._waiting and self._must_stop():
                self._dropped += len(self._waiting)
                self._waiting.clear()
            self._raise_error()
            return self._is_idle()

    def close(self) -> None:
        """Stops at once; what waits is dropped, and the disk given back."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()
            is_running = self._thread is not None
        self._writer.close()
        if not is_running:
            self._spool.close()

    # --- under the condition's lock ------------------------------------------

    def _has_room(self, given: _Waiting) -> bool:
        if self._error or self._is_closed or self._fits_memory(given):
            return True
        if self._disk_is_full or len(self._waiting) >= MAX_PAGES:
            return False
        return self._spool.has_room(given.items, given.refused)

    def _fits_memory(self, given: _Waiting) -> bool:
        is_short = len(self._waiting) < MAX_PAGES
        return is_short and (not _is_heavy(given) or self._in_memory < PAGES_IN_MEMORY)

    def _is_idle(self) -> bool:
        return not (self._waiting or self._is_handing_on)

    def _append(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._hand_on, name="spooled-writer", daemon=True
            )
            self._thread.start()
        self._changed.notify_all()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
        if self._is_closed:
            raise JobStoppedError("the writer was closed; send its items again")

    # --- the caller's thread -------------------------------------------------

    def _put(self, given: _Waiting) -> Stored | None:
        """Writes items to the spool; None if the disk does not take them now."""
        try:
            return self._spool.put(given.items, given.refused)
        except OSError as error:
            with self._changed:
                if not (self._disk_is_full or self._is_closed or self._error):
                    _logger.warning(
                        "the spool of a route that lags can't grow: %s; the other "
                        "routes wait for it until what is there is written",
                        error.strerror,
                    )
                self._disk_is_full = True
        return None

    # --- the writer's own thread ---------------------------------------------

    def _hand_on(self) -> None:
        """Whatever goes wrong is told to the caller, who would wait for ever."""
        try:
            while (given := self._next()) is not None:
                items, refused = given.items, given.refused
                if given.stored is not None:
                    items, refused = self._spool.take(given.stored)
                self._writer.submit(items, given.token, refused)
        except BeamDynamoDBError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  # a defect must not hang the job
            failed = JobStoppedError(f"the spool cannot be read back: {error!r}")
            failed.__cause__ = error
            self._fail(failed)
        finally:
            self._spool.close()

    def _next(self) -> _Waiting | None:
        """Returns what comes next; None when the writer is closed."""
        with self._changed:
            self._is_handing_on = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            given = self._waiting.popleft()
            self._is_handing_on = True
            self._in_memory -= given.stored is None and _is_heavy(given)
            if given.stored is not None or not self._in_memory:
                self._disk_is_full = False  # worth another try
            return given

    def _fail(self, error: BeamDynamoDBError) -> None:
        with self._changed:
            self._error = self._error or error
            self._is_handing_on = False
            self._changed.notify_all()


def _is_heavy(given: _Waiting) -> bool:
    """Whether it holds items, and not only a count of such as were left out."""
    return bool(given.items or given.refused)
