"""A plan: both ends as they were found, and what would be done between them."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from transforms.dynamodb.tables import (
    IndexDescription,
    KeySchema,
    TableDescription,
    TableRef,
)
from transforms.planning.capacity import PlannedRate
from transforms.planning.keys import describe_keys
from transforms.push_down import PushDown
from transforms.routes import Filter, Route
from transforms.selection import Selection
from transforms.throttle.rate import Rate

__all__ = ["CopyPlan", "CopyRequest", "PlannedRoute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """What somebody wants copied; nothing in it was checked against a service.

    Attributes:
        source: the table to read, or ``index`` of it if that is given.
        read: the rate to read at.
        routes: where the items go.
        filter: which items, for all routes.
        columns: source name to target name for all routes; None keeps all.
        consistent: strongly consistent reads.
        segments: of the parallel scan, 1 to 1,000,000; None chooses.
        workers: processes that share each rate.
        selection: a sample, or only what has not expired; None takes every item.
        limit: how many items are read at most; None for all.
        push_down: whether the service filters, projects and queries where it can.
    """

    source: TableRef
    read: Rate
    routes: tuple[Route, ...]
    filter: Filter | None = None
    columns: Mapping[str, str] | None = None
    index: str | None = None
    consistent: bool = False
    segments: int | None = None
    workers: int = 1
    selection: Selection | None = None
    limit: int | None = None
    push_down: bool = False


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """A route, the table it was found to write to, and at what rate."""

    route: Route
    table: TableDescription
    write: PlannedRate

    @property
    def at_rate(self) -> Route:
        """The route with its rate in units a second, so that no worker need ask."""
        return dataclasses.replace(self.route, write=self.write.rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """A checked request. Made by ``check_copy``; printed by a dry run.

    Attributes:
        request: what was asked for.
        source: the source table.
        index: the index that is read, if one is.
        read: the rate to read at.
        segments: of the parallel scan.
        splits: parts that workers take; each reads several segments at once.
        routes: the targets, in the order asked for.
        pushed: what the service does of what all routes ask.
    """

    request: CopyRequest
    source: TableDescription
    index: IndexDescription | None
    read: PlannedRate
    segments: int
    splits: int
    routes: tuple[PlannedRoute, ...]
    pushed: PushDown = field(default_factory=PushDown)

    @property
    def keys(self) -> KeySchema:
        """The key of every item: the table's own, also when an index is read."""
        return self.source.keys

    def lines(self) -> list[str]:
        """Returns the plan as people read it."""
        lines = _indent(f"read {self._what()}", self._read_lines())
        for planned in self.routes:
            route = planned.route
            head = f"{route.mode} as {route.name}: {route.target.display}"
            lines += _indent(head, _route_lines(planned))
        return lines

    def _what(self) -> str:
        name = self.request.source.display
        return f"index {self.index.name} of {name}" if self.index else name

    def _read_lines(self) -> list[str]:
        request = self.request
        workers = (
            f", shared by {request.workers} workers" if request.workers > 1 else ""
        )
        reads = "strongly" if request.consistent else "eventually"
        return [
            _size(self.source),
            f"keys: {describe_keys(self.keys)}",
            f"rate: {self.read}{workers}",
            self._segments_line(reads),
            *self.pushed.notes,
            *_selected(request),
            *_selection(request.filter, request.columns),
        ]

    def _segments_line(self, reads: str) -> str:
        if self.pushed.queries:
            return f"{reads} consistent reads"
        return f"segments: {self.segments:,}, {reads} consistent reads"


def _route_lines(planned: PlannedRoute) -> list[str]:
    route = planned.route
    return [
        _size(planned.table),
        f"keys: {describe_keys(planned.table.keys)}",
        f"rate: {planned.write}",
        *_selection(route.filter, route.columns),
        *_typed(route),
        *_mapped(route),
    ]


def _selected(request: CopyRequest) -> list[str]:
    lines = []
    if request.limit is not None:
        lines.append(f"limit: the first {request.limit:,} items")
    if request.selection is not None and request.selection.sample is not None:
        lines.append(f"sample: {request.selection.sample:.4%} of the keys")
    if request.selection is not None and request.selection.skip_expired:
        lines.append("expired items: skipped")
    return lines


def _typed(route: Route) -> list[str]:
    if not route.types:
        return []
    typed = ", ".join(f"{name} {each}" for name, each in route.types.items())
    return [f"types: {typed}; what does not fit: {route.misfit}"]


def _mapped(route: Route) -> list[str]:
    if route.mapping is None:
        return []
    mapping = route.mapping
    text = getattr(mapping, "text", getattr(mapping, "__qualname__", mapping))
    return [f"mapping: {text}"]


def _size(table: TableDescription) -> str:
    """The service counts items about every six hours, hence the word."""
    megabytes = table.size_bytes / 1e6
    return f"table: about {table.item_count:,} items, {megabytes:,.1f} MB"


def _selection(
    item_filter: Filter | None, columns: Mapping[str, str] | None
) -> list[str]:
    lines = []
    if item_filter is not None:
        text = getattr(item_filter, "text", getattr(item_filter, "__name__", None))
        lines.append(f"filter: {text or item_filter}")
    if columns is not None:
        named = (old if old == new else f"{old}:{new}" for old, new in columns.items())
        lines.append(f"columns: {', '.join(named)}")
    return lines


def _indent(head: str, lines: list[str]) -> list[str]:
    return [head, *(f"  {line}" for line in lines)]
