"""Writes items to tables: the sink, and the branch to several regions.

PCollection[Item] --(filter, columns once)--+--> Route oregon   --> us-west-2
                                            +--> Route virginia --> us-east-1

per route:  batch of items -> ItemProgram -> BatchWriter -> Receipt
                                                         -> RejectedItem
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.value_provider import ValueProvider
from apache_beam.transforms.window import GlobalWindows

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.items import Item
from transforms.receipts import OnReject, Receipt, RejectedItem
from transforms.rejected_files import rejected_line
from transforms.routes import Filter, Mode, Route, as_condition, check_columns
from transforms.run_context import RunContext
from transforms.run_values import Given, RunValue
from transforms.selection import Selection
from transforms.sink_options import Branches, Program, WriteOptions
from transforms.spool import Isolation
from transforms.throttle.rate import Rate
from transforms.write_dofns import REJECTED, FilterAndMap, WriteItems

__all__ = [
    "BranchItems",
    "FilterAndMapItems",
    "WriteRejected",
    "WriteResult",
    "WriteToDynamoDB",
    "WriteToRegions",
]


class _Outputs(NamedTuple):
    written: beam.PCollection[Receipt]
    kept_rejected: beam.PCollection[RejectedItem] | None


class WriteResult(_Outputs):
    """The outputs of one route.

    Attributes:
        written: a `Receipt` for each page, with the counts of its items.
    """

    __slots__ = ()

    @property
    def rejected(self) -> beam.PCollection[RejectedItem]:
        """The items that the service will never take, each with its reason.

        Raises:
            UserError: under on_reject="fail" such an item fails the bundle, so
                there is no such collection.
        """
        if self.kept_rejected is None:
            raise UserError(
                'rejected items are not collected under on_reject="fail"; '
                'give on_reject="collect" to have them here'
            )
        return self.kept_rejected


class WriteToDynamoDB(
    beam.PTransform[beam.PCollection[Item], WriteResult],
):
    """Writes a collection of items to one table.

    BatchWriteItem by 25 items and 16 MB, many requests in flight; throttles, 5xx,
    resets and unprocessed items are sent again with full jitter until a deadline.

    Args:
        table: the target.
        write: the share of its write capacity, or units a second.
        mode: what becomes of a stored item with the same key, as `Route` has it:
            "overwrite", "if-absent", "newer", "merge" or "delete".
        newer_by: for "newer", the attribute that says which item is.
        on_reject: what an item does that the service will never take: "fail" the
            bundle (default), or "collect" it in `result.rejected`.
        keys_unique: the promise that no two items have the same key, as in a scan
            of a base table into the same key schema. No key is decoded then. By
            default keys are compared, and the last item of a bundle wins.
        name: names the route in receipts and counters; default the table's name.
        run: the run's identity, where progress is kept, workers that share a rate.
        transport: connections and timeouts.

    Raises:
        UserError: an argument is out of bounds.
    """

    def __init__(
        self,
        table: TableRef,
        *,
        write: Rate | None = None,
        mode: Mode = "overwrite",
        newer_by: str | None = None,
        on_reject: OnReject = "fail",
        keys_unique: bool = False,
        name: str | None = None,
        run: RunContext | None = None,
        transport: TransportConfig | None = None,
    ) -> None:
        super().__init__()
        rate = write or Rate.percent(50)
        name = name or table.name.rpartition("/")[2]
        route = Route(name=name, target=table, write=rate, mode=mode, newer_by=newer_by)
        options = WriteOptions(
            on_reject=on_reject,
            keys_unique=keys_unique,
            run=run,
            transport=transport or TransportConfig(),
        )
        self._branches = Branches(
            shared=Program(run=run), routes=(route,), options=options
        )

    def expand(self, pcoll: beam.PCollection[Item]) -> WriteResult:
        """Returns the receipts and, where asked for, the rejected items."""
        on_reject = self._branches.options.on_reject
        result: WriteResult = pcoll | _Route(Given(self._branches), 0, on_reject)
        return result


class WriteToRegions(
    beam.PTransform[beam.PCollection[Item], Mapping[str, WriteResult]],
):
    """Branches items to several tables, each with its own filter, columns and rate.

    Args:
        routes: one or more; names and targets are distinct.
        filter: shared by all routes: evaluated once per item, before the branch.
        columns: shared mapping (source -> target attribute), applied once as well.
        on_reject, keys_unique, run, transport: as `WriteToDynamoDB` has them.
        selection: a sample, or only what has not expired, before the filter.
        isolation: what a route has not taken yet waits on the worker's disk, so that
            it does not hold up the others; by default it does.

    Returns (as the transform's output): a dict, route name -> `WriteResult`.

    Raises:
        UserError: no route, or two with one name or one target.
        ExpressionError: a filter does not parse.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        filter: Filter | None = None,  # noqa: A002  # the word that users say
        columns: Mapping[str, str] | None = None,
        on_reject: OnReject = "fail",
        keys_unique: bool = False,
        run: RunContext | None = None,
        transport: TransportConfig | None = None,
        selection: Selection | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        super().__init__()
        _check_routes(routes)
        self._shared = FilterAndMapItems(
            filter=filter,
            columns=columns,
            run=run,
            selection=selection,
            transport=transport,
        )
        self._branches = Branches(
            shared=self._shared.program,
            routes=tuple(routes),
            options=WriteOptions(
                on_reject=on_reject,
                keys_unique=keys_unique,
                run=run,
                transport=transport or TransportConfig(),
                isolation=isolation,
            ),
        )

    def expand(self, pcoll: beam.PCollection[Item]) -> dict[str, WriteResult]:
        """Returns each route's outputs by its name."""
        branches = self._branches
        results: dict[str, WriteResult] = pcoll | BranchItems(
            Given(branches),
            [route.name for route in branches.routes],
            branches.options.on_reject,
        )
        return results


class BranchItems(
    beam.PTransform[beam.PCollection[Item], Mapping[str, WriteResult]],
):
    """The same, of routes that may be told when the pipeline runs.

    Args:
        branches: the routes, and what is done once for all of them.
        labels: a name for each route, in the same order; only they and their number
            are part of the graph.
        on_reject: as `WriteToDynamoDB` has it; it decides the outputs.
    """

    def __init__(
        self, branches: RunValue[Branches], labels: Sequence[str], on_reject: OnReject
    ) -> None:
        super().__init__()
        self._branches, self._labels = branches, tuple(labels)
        self._on_reject: OnReject = on_reject

    def expand(self, pcoll: beam.PCollection[Item]) -> dict[str, WriteResult]:
        """Returns each route's outputs by its label."""
        items = pcoll | "Once" >> beam.ParDo(FilterAndMap(_Shared(self._branches)))
        return {
            label: items
            | f"Route {label}" >> _Route(self._branches, index, self._on_reject)
            for index, label in enumerate(self._labels)
        }


@dataclass(frozen=True, slots=True)
class _Shared:
    """What is done once for all routes."""

    branches: RunValue[Branches]

    def get(self) -> Program:
        return self.branches.get().shared


def _check_routes(routes: Sequence[Route]) -> None:
    if not routes:
        raise UserError("no route is given; a copy needs one target or more")
    names: set[str] = set()
    targets: dict[TableRef, str] = {}
    for route in routes:
        if route.name in names:
            raise UserError(
                f"two routes are named {route.name!r}; give each a name of its own"
            )
        names.add(route.name)
        table = route.target  # of one name in two accounts: by role, or by profile
        if table in targets:
            raise UserError(
                f"routes {targets[table]!r} and {route.name!r} both write "
                f"{table.display}; join their filters with OR in one route"
            )
        targets[table] = route.name


class FilterAndMapItems(
    beam.PTransform[beam.PCollection[Item], beam.PCollection[Item]],
):
    """Filters and reshapes items, a batch at a time.

    Args:
        filter: a condition expression, or a callable `Item -> bool`.
        columns: source -> target attribute; None keeps all.
        run: where evaluations are counted while the job runs.
        selection: a sample, or only what has not expired, before the filter.
        transport: to the table that the selection asks about.

    Raises:
        UserError, ExpressionError: the columns clash, the filter does not parse.
    """

    def __init__(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002  # the word that users say
        columns: Mapping[str, str] | None = None,
        run: RunContext | None = None,
        selection: Selection | None = None,
        transport: TransportConfig | None = None,
    ) -> None:
        super().__init__()
        check_columns(columns, "the shared columns")
        as_condition(filter)
        self.program = Program(
            filter=filter,
            columns=columns,
            run=run,
            selection=selection,
            transport=transport or TransportConfig(),
        )

    @property
    def is_identity(self) -> bool:
        """True when nothing is asked of it."""
        return self.program.is_identity

    def expand(self, pcoll: beam.PCollection[Item]) -> beam.PCollection[Item]:
        """Returns the items that the filter keeps, reshaped."""
        function = FilterAndMap(Given(self.program))
        items: beam.PCollection[Item] = pcoll | beam.ParDo(function)
        return items


class WriteRejected(
    beam.PTransform[beam.PCollection[RejectedItem], beam.PCollection[str]],
):
    """Keeps rejected items as gzip JSON lines, DynamoDB JSON inside.

    Args:
        path_prefix: of the files, on any Beam file system, or a provider of it;
            `-00000-of-00001.jsonl.gz` and the like follows. No file is written where
            nothing was rejected.
    """

    def __init__(self, path_prefix: str | ValueProvider) -> None:
        super().__init__()
        self._path_prefix = path_prefix

    def expand(self, pcoll: beam.PCollection[RejectedItem]) -> beam.PCollection[str]:
        """Returns the names of the files."""
        names: beam.PCollection[str] = (
            pcoll
            | "As JSON lines" >> beam.Map(rejected_line)
            | "Write files"
            >> beam.io.WriteToText(
                self._path_prefix,  # type: ignore[arg-type]  # a provider will do
                file_name_suffix=".jsonl.gz",
                skip_if_empty=True,
            )
        )
        return names


class _Route(beam.PTransform[beam.PCollection[Item], WriteResult]):
    """One branch: program, writer, receipts."""

    def __init__(
        self, branches: RunValue[Branches], index: int, on_reject: OnReject
    ) -> None:
        super().__init__()
        self._branches, self._index, self._on_reject = branches, index, on_reject

    def expand(self, pcoll: beam.PCollection[Item]) -> WriteResult:
        items = pcoll
        if not isinstance(pcoll.windowing.windowfn, GlobalWindows):
            # Results come when the service confirms, which may be in a later
            # window than the item's: they are told in the global one.
            items = items | "To the global window" >> beam.WindowInto(GlobalWindows())
        outputs = items | "Write" >> beam.ParDo(
            WriteItems(self._branches, self._index)
        ).with_outputs(REJECTED, main="written")
        if self._on_reject == "fail":
            return WriteResult(outputs.written, None)
        rejected = outputs[REJECTED]
        rejected.element_type = RejectedItem
        return WriteResult(outputs.written, rejected)
