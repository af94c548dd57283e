"""Progress of a query: rows so far of each table, in one line on standard error."""

from collections.abc import Callable, Mapping
from typing import TextIO

from transforms.query.plan import QueryPlan
from transforms.query.reading import ReadCounts

__all__ = ["QueryProgress", "describe_counts"]

_REDRAW_SECONDS = 0.5
_LINE_SECONDS = 2.0


def describe_counts(plan: QueryPlan, counts: Mapping[str, ReadCounts]) -> str:
    """Returns how far the tables are read, in one line."""
    parts = []
    for read in plan.reads:
        so_far = counts[read.name]
        description = read.found.description
        items = description.item_count if description else 0
        about = f" of about {items:,}" if items > so_far.scanned else ""
        units = f", {so_far.units:,.1f} units" if so_far.units else ""
        odd = f", {so_far.misfits:,} misfits" if so_far.misfits else ""
        parts.append(f"{read.name} {so_far.rows:,} rows{about}{units}{odd}")
    return f"read {'; '.join(parts)}"


class QueryProgress:
    """Shows progress: redraws one line on a terminal, else adds one now and then."""

    def __init__(
        self, plan: QueryPlan, stream: TextIO, monotonic: Callable[[], float]
    ) -> None:
        self._plan = plan
        self._stream = stream
        self._monotonic = monotonic
        self._redraws = stream.isatty()
        self._period = _REDRAW_SECONDS if self._redraws else _LINE_SECONDS
        self._shown = monotonic()

    def show(self, counts: Mapping[str, ReadCounts]) -> None:
        """Shows these counts, if it is time again."""
        if self._monotonic() - self._shown >= self._period:
            self._shown = self._monotonic()
            line = describe_counts(self._plan, counts)
            # \r goes to the line's start and \x1b[K clears what the last one left.
            self._stream.write(f"\r{line}\x1b[K" if self._redraws else f"{line}\n")
            self._stream.flush()

    def finish(self, counts: Mapping[str, ReadCounts]) -> None:
        """Shows the last counts and leaves the line; nothing if nothing was read."""
        if not counts:
            return
        start = "\r\x1b[K" if self._redraws else ""
        self._stream.write(f"{start}{describe_counts(self._plan, counts)}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Takes the line away, before something else is printed."""
        if self._redraws:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


class StageProgress:
    """Shows how many items the workers have read; adds a line now and then."""

    def __init__(
        self, plan: QueryPlan, stream: TextIO, monotonic: Callable[[], float]
    ) -> None:
        found = [read.found.description for read in plan.reads]
        self._expected = sum(each.item_count for each in found if each is not None)
        self._stream = stream
        self._monotonic = monotonic
        self._shown = monotonic()

    def show(self, counts: Mapping[str, int]) -> None:
        """Shows these counts, if it is time again."""
        if counts and self._monotonic() - self._shown >= _LINE_SECONDS:
            self._shown = self._monotonic()
            self.finish(counts)

    def finish(self, counts: Mapping[str, int]) -> None:
        """Shows the last counts."""
        scanned, misfits = counts.get("scanned", 0), counts.get("misfits", 0)
        about = f" of about {self._expected:,}" if self._expected > scanned else ""
        odd = f", {misfits:,} misfits" if misfits else ""
        self._stream.write(f"scanned {scanned:,}{about} items{odd}\n")
        self._stream.flush()
