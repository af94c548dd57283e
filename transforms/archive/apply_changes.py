"""Applies incremental exports to tables: each key's newest change, a put or a delete.

    Change --by key--> NewestChanges --per route--> put (the image passes the filters)
                                               +--> delete (gone, or it does not pass)

A route that filters must not keep an item which once passed and no longer does: such an
item is deleted by its key, whether or not it was ever there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from transforms import metrics
from transforms.archive.digest import ContentDigest
from transforms.archive.item_lines import Change
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.transport import TransportConfig
from transforms.items import Item, ItemBatch
from transforms.receipts import OnReject, RejectedItem
from transforms.routes import Filter, ItemProgram, Mode, Route
from transforms.run_context import RunContext
from transforms.stop import stop_if_asked
from transforms.tally import Tally
from transforms.write import WriteToDynamoDB

__all__ = ["ApplyChanges", "NewestChanges"]

_DELETES: Final = "deletes"


@dataclass(eq=False)
class NewestChanges(
    beam.PTransform[beam.PCollection[Change], beam.PCollection[Change]]
):
    """Keeps the newest change of each key, by the service's clock.

    Args:
        run: where the others are counted, as superseded on every route.
    """

    run: RunContext | None = field(default=None)

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pcoll: beam.PCollection[Change]) -> beam.PCollection[Change]:
        """Returns one change a key."""
        newest: beam.PCollection[Change] = (
            pcoll
            | "By key" >> beam.Map(_by_key).with_output_types(tuple[bytes, Change])
            | "Together" >> beam.GroupByKey()
            | "Newest" >> beam.ParDo(KeepNewest(self.run)).with_output_types(Change)
        )
        return newest


def _by_key(change: Change) -> tuple[bytes, Change]:
    return ContentDigest.of([change.keys]).total.to_bytes(16, "big"), change


class KeepNewest(beam.DoFn):
    """Of the changes of one key, keeps the newest."""

    def __init__(self, run: RunContext | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run = run

    def setup(self) -> None:
        """Opens the counters of this process."""
        self._tally = Tally(self._run)

    def process(self, element: tuple[bytes, Iterable[Change]]) -> Iterator[Change]:
        """Yields the newest of the changes."""
        changes = list(element[1])
        self._tally.add(metrics.SHARED_SUPERSEDED, len(changes) - 1)
        yield max(changes, key=lambda change: change.written_micros)

    def finish_bundle(self) -> None:
        """Shows the progress."""
        self._tally.flush()


@dataclass(eq=False, kw_only=True)
class ApplyChanges(
    beam.PTransform[
        beam.PCollection[Change], Mapping[str, Sequence[beam.PCollection[RejectedItem]]]
    ]
):
    """Puts and deletes what changed, at each route's rate.

    Args:
        routes: of mode "overwrite"; their filters decide between put and delete.
        filter, columns: shared by all routes, before their own.
        after: a collection that must be complete first, a single element; None waits
            for nothing.
        on_reject, run, transport: as `WriteToRegions` has them.

    Returns (as the transform's output): a dict, route name -> rejected items, one
    collection of puts and one of deletes; empty under on_reject="fail".

    Raises:
        UserError: a route that deletes.
    """

    routes: Sequence[Route]
    filter: Filter | None = None
    columns: Mapping[str, str] | None = None
    after: Mapping[str, beam.PCollection[int]] | None = None
    on_reject: OnReject = "fail"
    run: RunContext | None = None
    transport: TransportConfig = field(default_factory=TransportConfig)

    def __post_init__(self) -> None:
        """Refuses routes for which changes have no meaning."""
        super().__init__()
        for route in self.routes:
            if route.mapping is not None:
                raise UserError(
                    f"route {route.name}: changes are not mapped, because the keys of "
                    "what is deleted could not be told; leave out the mapping"
                )
            if route.types:
                raise UserError(
                    f"route {route.name}: changes are not converted, because the keys "
                    "of what is deleted could not be told; leave out the types"
                )
            if route.mode != "overwrite":
                raise UserError(
                    f"route {route.name}: changes overwrite or delete as they were "
                    f"made, so mode {route.mode!r} has no meaning; leave it out"
                )

    def expand(
        self, pcoll: beam.PCollection[Change]
    ) -> dict[str, list[beam.PCollection[RejectedItem]]]:
        """Returns what was rejected."""
        return {
            route.name: self._apply(pcoll, route, f"Route {route.name}")
            for route in self.routes
        }

    def _apply(
        self, changes: beam.PCollection[Change], route: Route, label: str
    ) -> list[beam.PCollection[RejectedItem]]:
        waits = [AsSingleton(self.after[route.name])] if self.after else []
        divided = changes | f"{label}: put or delete" >> beam.ParDo(
            DivideChanges(route, self.filter, self.columns, self.run), *waits
        ).with_outputs(_DELETES, main="puts")
        results = []
        modes: tuple[Mode, ...] = ("overwrite", "delete")
        for mode, items in zip(modes, (divided.puts, divided[_DELETES]), strict=True):
            items.element_type = Item
            results.append(
                items
                | f"{label}: {mode}"
                >> WriteToDynamoDB(
                    route.target,
                    write=route.write,
                    mode=mode,
                    on_reject=self.on_reject,
                    keys_unique=True,
                    name=route.name,
                    run=self.run,
                    transport=self.transport,
                )
            )
        if self.on_reject == "fail":
            return []
        return [result.rejected for result in results]


class DivideChanges(beam.DoFn):
    """Tells for one route which changes are puts and which are deletes."""

    def __init__(
        self,
        route: Route,
        shared_filter: Filter | None,
        shared_columns: Mapping[str, str] | None,
        run: RunContext | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run = run
        self._route = route
        self._shared_filter, self._shared_columns = shared_filter, shared_columns

    def setup(self) -> None:
        """Compiles filters and columns; compiled decoders do not travel."""
        route = self._route
        self._images = [
            ItemProgram(self._shared_filter, self._shared_columns),
            ItemProgram(route.filter, route.columns),
        ]
        self._keys = [
            ItemProgram(None, self._shared_columns),
            ItemProgram(None, route.columns),
        ]

    def process(
        self,
        change: Change,
        after: int | None = None,
    ) -> Iterator[Any]:
        """Yields the item to put, or tagged the key to delete."""
        del after  # its being there is what counts
        stop_if_asked(self._run)
        kept = None if change.image is None else _apply(self._images, change.image)
        if kept is not None:
            yield kept
        else:
            key = _apply(self._keys, change.keys)
            assert key is not None  # no filter is asked
            yield beam.pvalue.TaggedOutput(_DELETES, key)

    def infer_output_type(self, _input_type: object) -> type[Item]:
        """Items, whole ones and keys."""
        return Item


def _apply(programs: Sequence[ItemProgram], wire: bytes) -> Item | None:
    batch = ItemBatch.of_page([wire], None)
    for program in programs:
        batch = program.apply(batch).kept
        if not len(batch):
            return None
    return Item(batch.wires[0])
