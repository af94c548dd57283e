"""Progress: one line that tells how far a run is, while it runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

__all__ = ["ProgressPrinter", "describe_progress"]

_REDRAW_SECONDS = 0.5
_LINE_SECONDS = 2.0


def describe_progress(
    counts: Mapping[str, int],
    *,
    routes: Sequence[str],
    expected_items: int,
    elapsed_seconds: float,
) -> str:
    """Returns how far the run is, in one line.

    Args:
        counts: what the ledger says, by the names of transforms.metrics.
        routes: their names, in the order to show.
        expected_items: the table's own count, which may be hours old; 0 if unknown.
        elapsed_seconds: since the run began, above 0.

    >>> describe_progress(
    ...     {"scanned": 500, "written/oregon": 250},
    ...     routes=["oregon"],
    ...     expected_items=1000,
    ...     elapsed_seconds=2,
    ... )
    'scanned 500 of about 1,000, 250 items/s; written: oregon 250'
    """
    scanned = counts.get("scanned", 0)
    about = f" of about {expected_items:,}" if expected_items else ""
    speed = round(scanned / elapsed_seconds)
    written = (f"{route} {counts.get(f'written/{route}', 0):,}" for route in routes)
    return (
        f"scanned {scanned:,}{about}, {speed:,} items/s; written: {', '.join(written)}"
    )


class ProgressPrinter:
    """Shows progress: redraws one line on a terminal, else adds one now and then."""

    def __init__(
        self,
        stream: TextIO,
        *,
        monotonic: Callable[[], float],
        routes: Sequence[str],
        expected_items: int,
    ) -> None:
        self._stream = stream
        self._monotonic = monotonic
        self._routes = routes
        self._expected_items = expected_items
        self._redraws = stream.isatty()
        self._period = _REDRAW_SECONDS if self._redraws else _LINE_SECONDS
        self._began = self._shown = monotonic()

    def show(self, counts: Mapping[str, int]) -> None:
        """Shows these counts, if it is time again."""
        if self._monotonic() - self._shown >= self._period:
            self._draw(counts)

    def finish(self, counts: Mapping[str, int]) -> None:
        """Shows the last counts and leaves the line."""
        self._draw(counts)
        if self._redraws:
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self, counts: Mapping[str, int]) -> None:
        self._shown = self._monotonic()
        line = describe_progress(
            counts,
            routes=self._routes,
            expected_items=self._expected_items,
            elapsed_seconds=max(self._shown - self._began, 0.001),
        )
        # \r goes to the line's start and \x1b[K clears what the last one left.
        self._stream.write(f"\r{line}\x1b[K" if self._redraws else f"{line}\n")
        self._stream.flush()
