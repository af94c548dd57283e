"""A scan as it was asked for, and as its table lets it be done. No I/O, no Beam."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import ServiceExpression
from transforms.dynamodb.key_queries import KeyRequest
from transforms.dynamodb.operations import ScanRequest
from transforms.dynamodb.tables import IndexDescription, TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.receipts import Chain
from transforms.limits import capacity_units
from transforms.push_down import Demand, PushDown, push_down
from transforms.run_context import RunContext
from transforms.scan_restriction import choose_segments
from transforms.throttle.rate import Rate

__all__ = ["PlannedScan", "ScanSpec", "plan_scan"]

# Limit is a 32-bit number (API_Scan).
_MAX_PAGE_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSpec:
    """A scan as it was asked for; see `ReadFromDynamoDB` for the fields."""

    table: TableRef
    read: Rate
    consistent: bool
    segments: int | None
    page_limit: int | None
    index: str | None
    projection: ServiceExpression | None
    filter: ServiceExpression | None
    segments_in_flight: int
    splits: int
    run: RunContext
    transport: TransportConfig
    limit: int | None = None
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class ResumePoints:
    """Where a resumed run goes on: a snapshot of receipts, the same for all workers.

    Attributes:
        done: a bit for each segment, of those that are not read again.
        keys: segment to the key at which it goes on.
    """

    done: bytes = b""
    keys: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of_chains(cls, chains: Mapping[int, Chain]) -> "ResumePoints":
        """Makes the snapshot of what is settled of each segment.

        >>> points = ResumePoints.of_chains({3: Chain(is_done=True), 9: Chain(b"k")})
        >>> points.is_done(3), points.is_done(9), points.start_key(9)
        (True, False, b'k')
        """
        done = bytearray(max(chains, default=-1) // 8 + 1)
        keys = {}
        for segment, chain in chains.items():
            if chain.is_done:
                done[segment // 8] |= 1 << segment % 8
            elif chain.end_key is not None:
                keys[segment] = chain.end_key
        return cls(bytes(done), keys)

    def is_done(self, segment: int) -> bool:
        """True if all of the segment is settled."""
        place = segment // 8
        return place < len(self.done) and bool(self.done[place] >> segment % 8 & 1)

    def start_key(self, segment: int) -> bytes | None:
        """Where the segment goes on; None for its start."""
        return self.keys.get(segment)


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """A scan with what DescribeTable had to say.

    Attributes:
        spec: as it was asked for.
        total_segments: 1 to 1,000,000.
        capacity_units: what 100 % of the read rate is, in units a second.
        budget_index: the index whose capacity is spent; None for the table's.
        pushed: what the service does of what the routes ask.
        resume_points: what an earlier launch of the run has done.
        part: which part of the segments this is, counted from 0.
        parts: how many there are; 1 for the whole scan.
    """

    spec: ScanSpec
    total_segments: int
    capacity_units: float
    budget_index: str | None
    pushed: PushDown = field(default_factory=PushDown)
    resume_points: ResumePoints = field(default_factory=ResumePoints)
    part: int = 0
    parts: int = 1

    def split(self) -> "Iterator[PlannedScan]":
        """Yields the parts that workers take: as many as asked for.

        They are elements of their own, and not only restrictions, because Flink moves
        elements between its workers, and a restriction stays where it was cut.
        """
        parts = min(self.spec.splits, self.total_segments)
        return (replace(self, part=part, parts=parts) for part in range(parts))

    @property
    def is_query(self) -> bool:
        """True if keys are read by Query; a segment is then one of them."""
        return bool(self.pushed.queries)

    def request(self) -> ScanRequest | KeyRequest:
        """The request of every page; a reader fills in segment and start key."""
        spec = self.spec
        if self.is_query:
            return KeyRequest(
                table=spec.table.wire_name,
                queries=self.pushed.queries,
                page_limit=spec.page_limit,
                consistent=spec.consistent,
                projection=self.pushed.projection,
                filter=self.pushed.filter,
            )
        page_limit = spec.page_limit
        if spec.limit is not None and spec.filter is None:
            # Reads no more than is wanted, where that fits into a page.
            page_limit = min(spec.limit, page_limit or _MAX_PAGE_LIMIT, _MAX_PAGE_LIMIT)
        return ScanRequest(
            table=spec.table.wire_name,
            segment=0,
            total_segments=self.total_segments,
            start_key=None,
            page_limit=page_limit,
            consistent=spec.consistent,
            index=spec.index,
            projection=spec.projection or self.pushed.projection,
            filter=spec.filter or self.pushed.filter,
        )


def plan_scan(
    spec: ScanSpec, table: TableDescription, time_to_live: str | None = None
) -> PlannedScan:
    """Completes a scan by what its table is.

    Args:
        spec: the scan.
        table: its table.
        time_to_live: the attribute that says when items expire, where that matters.

    Raises:
        UserError: the table has no such index, or it cannot be read consistently.
        RateError: a percentage of a capacity that is not reported.
    """
    index = _find_index(spec, table)
    is_global = index is not None and index.kind == "GSI"
    if is_global and spec.consistent:
        raise UserError(
            f"index {spec.index!r} of {spec.table.display} is a global one, which "
            "cannot be read consistently; leave out consistent=True"
        )
    segments = spec.segments or choose_segments(
        table.size_bytes, spec.splits, spec.segments_in_flight
    )
    if spec.limit is not None:
        segments = 1  # a limit needs one who counts
    capacity = capacity_units(table, "read", index)
    spec.read.units_per_second(capacity)  # raises now rather than on every worker
    pushed = PushDown()
    if spec.demand is not None:
        pushed = push_down(
            spec.demand, table.keys, index=spec.index, time_to_live=time_to_live
        )
    return PlannedScan(
        spec,
        len(pushed.queries) or segments,
        capacity,
        spec.index if is_global else None,
        pushed,
    )


def _find_index(spec: ScanSpec, table: TableDescription) -> IndexDescription | None:
    if spec.index is None:
        return None
    for index in table.indexes:
        if index.name == spec.index:
            return index
    names = ", ".join(index.name for index in table.indexes) or "none"
    raise UserError(
        f"{spec.table.display} has no index {spec.index!r}; it has: {names}"
    )
