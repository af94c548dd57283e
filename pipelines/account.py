"""The account: where every scanned item went, for every route.

    scanned + fanned out = written + filtered + skipped + superseded + rejected

An item that the filter of all routes leaves out counts as filtered for each of them,
an expired one as skipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from transforms import metrics

__all__ = ["Account", "RouteAccount", "make_account", "waiting_lines"]

_FATES = {
    metric.name: metric
    for metric in (
        metrics.WRITTEN,
        metrics.FILTERED,
        metrics.SKIPPED,
        metrics.SUPERSEDED,
        metrics.REJECTED,
    )
}
_FANNED_OUT = metrics.FANNED_OUT.name


@dataclass(frozen=True, slots=True)
class RouteAccount:
    """What became of the scanned items on one route; all figures are items."""

    name: str
    written: int
    filtered: int
    skipped: int
    superseded: int
    rejected: int
    fanned_out: int = 0

    @property
    def total(self) -> int:
        """Every item whose fate is known."""
        return sum(getattr(self, fate) for fate in _FATES)


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one run.

    Attributes:
        scanned: items that the service read for it.
        routes: what became of them.
        is_query: True if Queries read them, and no Scan.
    """

    scanned: int
    routes: tuple[RouteAccount, ...]
    is_query: bool = False

    @property
    def read_word(self) -> str:
        """How the items were read: scanned, or queried."""
        return "queried" if self.is_query else "scanned"

    @property
    def balances(self) -> bool:
        """True if no item was lost and none counted twice, on any route."""
        return all(
            route.total == self.scanned + route.fanned_out for route in self.routes
        )

    @property
    def rejected(self) -> int:
        """Items that some service refused, over all routes."""
        return sum(route.rejected for route in self.routes)

    def table(self) -> list[str]:
        """Returns the account as aligned lines, a heading and one line a route."""
        added = [_FANNED_OUT] if any(route.fanned_out for route in self.routes) else []
        rows = [
            ("route", "scanned", *(name.replace("_", " ") for name in added), *_FATES)
        ]
        for route in self.routes:
            figures = (getattr(route, name) for name in (*added, *_FATES))
            rows.append((route.name, *(f"{n:,}" for n in (self.scanned, *figures))))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join(_align(row, widths)).rstrip() for row in rows]

    def line(self) -> str:
        """Returns the account in one line, without the fates that no item had."""
        parts = [f"{self.read_word} {self.scanned:,}"]
        for route in self.routes:
            fates = [(fate, getattr(route, fate)) for fate in _FATES]
            said = [f"{fate} {count:,}" for fate, count in fates if count]
            if route.fanned_out:
                said.append(f"of these fanned out {route.fanned_out:,}")
            parts.append(f"{route.name}: {', '.join(said) or 'nothing to write'}")
        return "items: " + "; ".join(parts)


def make_account(
    counters: Mapping[str, int], routes: Sequence[str], *, is_query: bool = False
) -> Account:
    """Makes the account of a run's counters, by their full names."""
    return Account(
        scanned=counters.get(metrics.SCANNED.name, 0),
        is_query=is_query,
        routes=tuple(_route_account(counters, name) for name in routes),
    )


def _route_account(counters: Mapping[str, int], name: str) -> RouteAccount:
    fates = {
        fate: counters.get(metric.name_of(name), 0) for fate, metric in _FATES.items()
    }
    for shared in (metrics.SCAN_FILTERED, metrics.SHARED_FILTERED):
        fates["filtered"] += counters.get(shared.name, 0)
    fates["superseded"] += counters.get(metrics.SHARED_SUPERSEDED.name, 0)
    fates["skipped"] += counters.get(metrics.EXPIRED.name, 0)
    fanned_out = counters.get(metrics.FANNED_OUT.name_of(name), 0)
    return RouteAccount(name=name, fanned_out=fanned_out, **fates)


def _align(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *figures = row
    return [
        name.ljust(widths[0]),
        *(figure.rjust(w) for figure, w in zip(figures, widths[1:], strict=True)),
    ]


def waiting_lines(counters: Mapping[str, int]) -> Iterator[str]:
    """Yields for each table for how long its rate held requests back."""
    prefix = f"{metrics.THROTTLED_SECONDS.name}/"
    for name, seconds in sorted(counters.items()):
        if name.startswith(prefix):
            budget = name.removeprefix(prefix)
            yield f"{budget}: its rate held requests back for {seconds:,} s together"
