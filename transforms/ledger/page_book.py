"""The book of one attempt: pages on their way, until each route has settled them.

    scan:          begin(page) ---+
    shared filter: left_out(…) ---+--> the page is settled --> it extends its span
    each route:    settle(…)   ---+                              |
                                                     flush --> ReceiptWriter
                                                       cut --> a group, with its files

Before the scan begins a page it waits, by `await_settled`, for the one before it in its
segment: so a process that is killed has written one page of a segment in vain at most.
Scan and sinks are steps of one fused stage, and a bundle of it has one thread from its
first page to its end. So a thread has a book of its own: where a runner reads a segment
again while the earlier attempt is still at work in the same process, neither settles
the pages of the other, and each writes receipts of its own. So do attempts that a
thread makes one after the other: a runner that lost what a finished task has left does
it once more, and may look at the receipts meanwhile. No Beam here.
"""

import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.patience import LEDGER_DEADLINE_SECONDS, patiently
from transforms.ledger.receipts import ReceiptWriter, Span, page_digest
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["PageBook", "PageFacts", "Sink", "page_book_for"]

_FLUSH_INTERVAL_SECONDS = 0.005
_PAID_FLUSH_INTERVAL_SECONDS = 5.0  # where every row costs write units
_LOOK_UP_SECONDS = 0.25
_STALLED_SECONDS = 2.0


class Sink(Protocol):
    """A step that settles pages when their writes are done, as the book's thread."""

    @property
    def is_busy(self) -> bool:
        """Whether any of its items is on its way."""
        ...

    @property
    def has_queue(self) -> bool:
        """Whether any of them was not sent yet."""
        ...

    @property
    def answers(self) -> int:
        """How many of its requests have been answered."""
        ...

    def settle_finished(self) -> None:
        """Settles what has been done by now; waits for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class PageFacts:
    """A page as the scan read it.

    Attributes:
        segment: of the scan.
        start_key: what it was read with; None for a segment's first page.
        end_key: where the next page starts; None for a segment's last page.
        items: items in it, after the service's own filter.
        counts: of the scan, by the names of `transforms.metrics`.
    """

    segment: int
    start_key: bytes | None
    end_key: bytes | None
    items: int
    counts: Mapping[str, int]


@dataclass(slots=True)
class _OpenPage:
    facts: PageFacts
    begins_span: bool
    attempt: int
    counts: Counter[str]
    left_out: int = 0
    stands_alone: bool = False
    seen: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _OpenSpan:
    segment: int
    start: bytes
    attempt: int
    end_key: bytes | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def frozen(self) -> Span:
        counts = dict(self.counts)
        return Span(self.segment, self.start, self.end_key, counts, self.attempt)


_Place = tuple[int, bytes]
"""A segment, and the digest of a key in it."""


class PageBook:
    """Settles pages and writes their receipts. One thread calls.

    Args:
        writer: takes the spans; None leaves them until they are cut.
        routes: the names of all routes that the scan's items go to.
        flush_interval_seconds: `flush` writes no more often, unless told to.
        clock: spaces the writes.
    """

    def __init__(
        self,
        writer: ReceiptWriter | None,
        routes: Sequence[str],
        *,
        flush_interval_seconds: float = _FLUSH_INTERVAL_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._writer = writer
        self._routes = tuple(routes)
        self._clock = clock or SystemClock()
        self._interval_seconds = flush_interval_seconds
        self._flushed_at = self._clock.monotonic()
        self._silent_since: float | None = None  # the first of the refusals in a row
        self._sinks: dict[str, Sink] = {}
        self.news = threading.Event()
        self._pages: dict[_Place, _OpenPage] = {}
        self._on_their_way: Counter[int] = Counter()
        self._stalled: set[int] = set()  # segments that are not waited for
        self._begun = 0
        self._attempts: dict[int, int] = {}  # of segments that have more pages
        self._by_end: dict[_Place, _OpenSpan] = {}
        self._changed: dict[tuple[int, bytes, int], _OpenSpan] = {}

    def join(self, route: str, sink: Sink) -> None:
        """Lets the scan wait for a route's writes, until another sink joins for it.

        The sink sets `news`, from any thread, when something is done.
        """
        self._sinks[route] = sink

    def await_settled(self, segment: int) -> None:
        """Waits until all that was begun of a segment has its receipt.

        Only for items that a sink has: what a step between scan and sinks keeps to
        itself, it may keep until the bundle ends. A page of which a request is not
        answered for seconds does not hold up other segments: its own goes on as well
        until it is settled. Where receipts are paid for they may be
        `flush_interval_seconds` late.

        Raises:
            FencedError: another process has taken the run up.
            LedgerError: the ledger did not answer until the deadline.
        """
        if self._on_their_way[segment] and segment not in self._stalled:
            self._await_sinks(segment)
        if self._interval_seconds > _FLUSH_INTERVAL_SECONDS:
            self.flush()
        elif any(place[0] == segment for place in self._changed):
            self.flush(at_once=True)

    def _await_sinks(self, segment: int) -> None:
        sinks = self._sinks.values()
        answers, quiet_since = -1, 0.0
        while self._on_their_way[segment] and any(sink.is_busy for sink in sinks):
            now = self._clock.monotonic()
            answered = sum(sink.answers for sink in sinks)
            if answered != answers or any(sink.has_queue for sink in sinks):
                answers, quiet_since = answered, now
            elif now - quiet_since >= _STALLED_SECONDS:
                self._stalled.add(segment)
                return
            self.news.wait(_LOOK_UP_SECONDS)
            self.news.clear()
            for sink in sinks:
                sink.settle_finished()

    def begin(self, page: PageFacts, *, begins_span: bool) -> None:
        """Puts a page down before its items are sent anywhere.

        Args:
            page: as it was read.
            begins_span: it is the first that this attempt reads of its segment. Its
                span is a new one, so that an attempt never goes on with the receipts
                of an earlier one.
        """
        place = page.segment, page_digest(page.start_key)
        if begins_span:
            self._forget(page.segment)
            self._attempts[page.segment] = self._begun
            self._begun += 1
        attempt = self._attempts.get(page.segment, 0)
        if page.end_key is None:
            self._attempts.pop(page.segment, None)
        opened = _OpenPage(page, begins_span, attempt, Counter(page.counts))
        self._pages[place] = opened
        self._on_their_way[page.segment] += 1
        self._close_if_settled(place, opened)

    def left_out(self, segment: int, page: bytes, name: str, items: int) -> None:
        """Accounts for items that no route will see.

        Args:
            segment: of the page.
            page: the digest of its start key.
            name: of the count.
            items: how many.
        """
        opened = self._pages.get((segment, page))
        if opened is not None and items:
            opened.left_out += items
            opened.counts[name] += items
            self._close_if_settled((segment, page), opened)

    def settle(
        self,
        segment: int,
        page: bytes,
        route: str,
        items: int,
        counts: Mapping[str, int],
        *,
        has_file: bool = False,
    ) -> None:
        """Accounts for items of a page on one route, durably done.

        Args:
            segment: of the page.
            page: the digest of its start key.
            route: whose items they were.
            items: how many came to the route.
            counts: what became of them.
            has_file: items of it are kept in a file of the page's name. Such a page
                is a span by itself, so that its receipt tells whether the file
                counts: see `counted_pages`.
        """
        opened = self._pages.get((segment, page))
        if opened is not None:
            opened.stands_alone |= has_file
            opened.seen[route] += items
            opened.counts.update(counts)
            self._close_if_settled((segment, page), opened)

    def flush(self, *, at_once: bool = False) -> None:
        """Writes the spans that changed, if it is time.

        While the ledger does not answer they stay for the next flush; one that is to
        write at once tries until the ledger's deadline.

        Raises:
            FencedError: another process has taken the run up.
            LedgerError: the ledger did not answer until the deadline.
        """
        if self._writer is None:
            return
        if at_once:
            patiently(lambda: self._flush(at_once=True), clock=self._clock)
            return
        try:
            self._flush(at_once=False)
        except LedgerUnreachableError as error:
            now = self._clock.monotonic()
            if self._silent_since is None:
                self._silent_since = now
            silence = now - self._silent_since
            if silence >= LEDGER_DEADLINE_SECONDS:
                raise LedgerError(
                    f"{error}; no receipt was taken for {silence:.0f} s"
                ) from error

    def _flush(self, *, at_once: bool) -> None:
        assert self._writer is not None  # flush has looked
        now = self._clock.monotonic()
        is_due = now - self._flushed_at >= self._interval_seconds
        if not self._changed or not (is_due or at_once):
            return
        self._flushed_at = now
        # Until they are written they stay changed: the next flush writes them again.
        self._writer.write([span.frozen() for span in self._changed.values()])
        self._changed.clear()
        self._silent_since = None

    def cut(self) -> list[Span]:
        """Takes the settled spans; later pages begin new ones."""
        spans = [span.frozen() for span in self._changed.values()]
        self._changed.clear()
        self._by_end.clear()
        return spans

    def _forget(self, segment: int) -> None:
        """Leaves what an earlier attempt on this thread had begun of a segment."""
        for place in [place for place in self._by_end if place[0] == segment]:
            del self._by_end[place]
        if self._on_their_way.pop(segment, 0):  # seldom, and pages may be many
            for place in [place for place in self._pages if place[0] == segment]:
                del self._pages[place]
        self._stalled.discard(segment)

    def _close_if_settled(self, place: _Place, page: _OpenPage) -> None:
        expected = page.facts.items - page.left_out
        if expected and any(page.seen[route] != expected for route in self._routes):
            return
        del self._pages[place]
        segment = page.facts.segment
        self._on_their_way[segment] -= 1
        if not self._on_their_way[segment]:
            del self._on_their_way[segment]
            self._stalled.discard(segment)
        begins = page.begins_span or page.stands_alone
        span = None if begins else self._by_end.pop(place, None)
        if span is None:
            span = _OpenSpan(*place, page.attempt)
        span.end_key = page.facts.end_key
        span.counts.update(page.counts)
        self._changed[span.segment, span.start, span.attempt] = span
        if span.end_key is not None and not page.stands_alone:
            self._by_end[span.segment, page_digest(span.end_key)] = span


def page_book_for(
    location: LedgerLocation,
    run_id: str,
    epoch: int,
    routes: Sequence[str],
    *,
    by_file: bool = False,
) -> PageBook:
    """Returns the calling thread's book of a run; a forked child gets its own.

    Ask in each bundle: the steps of a stage are set up by one thread, and may be run
    by another one.

    Args:
        location: the run's ledger.
        run_id: the run.
        epoch: of the run when this process was told about it.
        routes: the names of all routes that the scan's items go to.
        by_file: whether spans wait for the files that hold their items.
    """
    key = location, run_id, epoch, threading.get_ident()
    with _registry.lock:
        book = _registry.books.get(key)
        if book is None:
            name = uuid4().hex[:8]
            writer = ReceiptWriter(open_store(location), run_id, epoch, name)
            book = _registry.books[key] = PageBook(
                None if by_file else writer,
                routes,
                flush_interval_seconds=_PAID_FLUSH_INTERVAL_SECONDS
                if location.serves_hosts
                else _FLUSH_INTERVAL_SECONDS,
            )
        return book


class _Registry:
    """The books of this process."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forgets everything; a lock copied by a fork may be held by nobody."""
        self.lock = threading.Lock()
        self.books: dict[tuple[LedgerLocation, str, int, int], PageBook] = {}


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.renew)
