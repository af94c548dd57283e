"""Reads a DynamoDB table by a parallel scan, as a bounded collection of items.

    ScanSpec --DescribeTable--> PlannedScan --split--> restrictions of segments
             --Scan, segments interleaved--> Page --opened in batches--> Item

Everything that a worker needs travels in the `ScanSpec`, which may be a value of the
run; nothing is asked of AWS before the pipeline runs. The initial split carries the
parallelism, because Flink, Spark and Beam's local runner never split a running
restriction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import (
    Condition,
    ServiceExpression,
    parse_condition,
    render_projection,
)
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.items import Item, OpenPages
from transforms.push_down import Demand
from transforms.run_context import RunContext
from transforms.run_values import Given, RunValue
from transforms.scan_dofns import ScanPages, describe
from transforms.scan_restriction import (
    MAX_SEGMENTS,
    SEGMENTS_IN_FLIGHT,
)
from transforms.scan_spec import PlannedScan, ScanSpec
from transforms.throttle.rate import Rate

__all__ = ["ReadFromDynamoDB", "ScanTable"]

# A page_limit beyond this is refused by the service's 32-bit Limit.
_MAX_LIMIT = 2**31 - 1
_MAX_ITEMS = 10**12


@dataclass(eq=False, kw_only=True)
class ReadFromDynamoDB(beam.PTransform[PBegin, beam.PCollection[Item]]):
    """Reads all items of a table or an index once, by parallel scan.

    Args:
        table: the table; the only positional argument.
        read: the rate, in read units. Default: 50 % of the table's capacity, as the
            EMR connector has it; of an index's own, where one is read.
        consistent: strongly consistent reads, which cost double.
        segments: TotalSegments, 1 to 1,000,000; None chooses by the table's size
            when the pipeline runs, see `choose_segments`.
        page_limit: the most items a page may evaluate; None for 1 MB pages.
        index: reads this index instead of the table.
        projection: document paths of what to return; None for whole items.
        filter: a condition that the service applies to what it read. It saves
            traffic, not read units.
        names: `#name` placeholders of the filter.
        values: `:value` placeholders of the filter.
        segments_in_flight: segments that one restriction reads at the same time. Few
            make small pages dear (a wake-up each); each may hold 1 MB.
        splits: restrictions the scan is cut into at first, so the parallelism on
            runners that never split again; at most one for each segment.
        demand: what those who use the items need of them (`push_down.demand_of`): it
            becomes filter, projection or Queries once the table is known.
        limit: how many items are read at most. One segment is read then, by one
            worker, which stops there.
        run: the run it belongs to: progress, and workers that share the rate.
        transport: connections and timeouts.

    Raises:
        UserError: an argument is out of bounds.
        ExpressionError: the filter does not parse, with the place.
    """

    table: TableRef = field(kw_only=False)
    read: Rate = field(default_factory=lambda: Rate.percent(50))
    consistent: bool = False
    segments: int | None = None
    page_limit: int | None = None
    index: str | None = None
    projection: Sequence[str] | None = None
    filter: str | Condition | None = None
    names: Mapping[str, str] | None = None
    values: Mapping[str, Any] | None = None
    segments_in_flight: int = SEGMENTS_IN_FLIGHT
    splits: int = 16
    limit: int | None = None
    demand: Demand | None = None
    run: RunContext | None = None
    transport: TransportConfig = field(default_factory=TransportConfig)

    def __post_init__(self) -> None:
        """Checks what can be checked without asking AWS."""
        super().__init__()
        _check_between("segments", self.segments, MAX_SEGMENTS)
        _check_between("page_limit", self.page_limit, _MAX_LIMIT)
        _check_between("segments_in_flight", self.segments_in_flight, 1_000)
        _check_between("splits", self.splits, MAX_SEGMENTS)
        _check_between("limit", self.limit, _MAX_ITEMS)
        if self.demand is not None and (self.filter or self.projection):
            raise UserError(
                "a scan's filter and projection come from its demand or are given, not "
                "both; leave one out"
            )
        self.spec = ScanSpec(
            table=self.table,
            read=self.read,
            consistent=self.consistent,
            segments=self.segments,
            page_limit=self.page_limit,
            index=self.index,
            projection=self._service_projection(),
            filter=self._service_filter(),
            segments_in_flight=self.segments_in_flight,
            splits=self.splits,
            run=self.run or RunContext(""),
            transport=self.transport,
            limit=self.limit,
            demand=self.demand,
        )

    def _service_projection(self) -> ServiceExpression | None:
        if isinstance(self.projection, str):
            raise UserError(
                f"projection must be a list of paths, got the text {self.projection!r}"
            )
        return None if self.projection is None else render_projection(self.projection)

    def _service_filter(self) -> ServiceExpression | None:
        if isinstance(self.filter, str):
            condition = parse_condition(
                self.filter, names=self.names, values=self.values
            )
            return condition.to_service()
        if self.names or self.values:
            raise UserError(
                "names and values belong to a filter given as text; "
                "leave them out, or give the filter as text"
            )
        return self.filter.to_service() if self.filter else None

    def expand(self, pbegin: PBegin) -> beam.PCollection[Item]:
        """Returns the items of the table."""
        items: beam.PCollection[Item] = pbegin | ScanTable(Given(self.spec))
        return items

    def with_schema(
        self, schema: Any, misfits: Literal["error", "null"] = "error"
    ) -> "beam.PTransform[PBegin, beam.PCollection[Any]]":
        """Returns the same scan as beam Rows, for SqlTransform, DataFrames, Beam YAML.

        Args:
            schema: the columns, ``"id VARCHAR, total DECIMAL(38,2)"``, or a
                `TableSchema`; see docs/query.md.
            misfits: an item with a value that its column cannot hold stops the job
                ("error"), or has NULL there ("null").

        Raises:
            UserError: the schema cannot be read, or the extra `query` is missing.
        """
        # Queries stand above scans; this one line looks up, when it is asked to.
        typed_scan = import_module("transforms.query.typed_scan")
        rows: beam.PTransform[PBegin, beam.PCollection[Any]] = typed_scan.ReadRows(
            self, schema, misfits
        )
        return rows


class ScanTable(beam.PTransform[PBegin, beam.PCollection[Item]]):
    """The same, of a scan that may be told when the pipeline runs.

    Args:
        spec: the scan. What `ReadFromDynamoDB` would check, its maker has checked.
    """

    def __init__(self, spec: RunValue[ScanSpec]) -> None:
        super().__init__()
        self._spec = spec

    def expand(self, pbegin: PBegin) -> beam.PCollection[Item]:
        """Returns the items of the table."""
        items: beam.PCollection[Item] = (
            pbegin
            | "Scan" >> beam.Create([None])
            | "Ask the run what to read" >> beam.Map(_told, self._spec)
            | "Describe the table" >> beam.Map(describe)
            | "Cut into parts" >> beam.FlatMap(PlannedScan.split)
            | "Spread over workers" >> beam.Reshuffle()
            | "Read pages" >> beam.ParDo(ScanPages(self._spec))
            | "Open pages" >> beam.ParDo(OpenPages())  # type: ignore[no-untyped-call]
        )
        return items


def _check_between(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise UserError(f"{name} must be between 1 and {most:,}, got {value}")


def _told(_: None, spec: Any) -> ScanSpec:
    """Reads a RunValue[ScanSpec]; Beam's own type checks know no protocols."""
    told: ScanSpec = spec.get()
    return told
