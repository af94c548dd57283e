"""Reads one table of a query, as Arrow batches, in this process.

Scan or Query, segments interleaved --pages--> ColumnDecoder --> batches
backup's files                      --rows--->      "       -->    "
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.key_queries import KeyQueryClient, KeyRequest
from transforms.dynamodb.operations import ScanPage, ScanRequest
from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.limits import capacity_units, limiter_for
from transforms.query.backups import read_backup
from transforms.query.columns import ColumnDecoder, Columns, MisfitPolicy
from transforms.query.tables import NamedTable, TableRead
from transforms.run_context import RunContext
from transforms.scan_restriction import SEGMENTS_IN_FLIGHT, choose_segments
from transforms.segment_reader import SegmentReader
from transforms.throttle.clock import SystemClock

__all__ = [
    "ReadCounts",
    "Reading",
    "arrow_schema",
    "forget",
    "read_table",
    "sample_table",
]

# Beside one page of each segment on its way: those that become columns.
_PAGES_READ_AHEAD = 8
_FIRST_SEGMENTS = 4  # a sample is taken from this many places of the table
ROW = "row"
"""Name of the column that a table without needed columns has: one NULL a row."""


@dataclass(slots=True)
class ReadCounts:
    """What was read of a table so far.

    Attributes:
        rows: rows that came, those kept aside left out.
        scanned: items that the service looked at and charged for.
        units: read units consumed.
        misfits: values that did not fit their column.
        aside: items left out because of them.
    """

    rows: int = 0
    scanned: int = 0
    units: float = 0.0
    misfits: int = 0
    aside: int = 0


def forget(_table: str, _items: Sequence[Wire]) -> None:
    """Keeps nothing aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the tables of a query are read.

    Attributes:
        run: what readers of a run know of it: who pays, and when to pause.
        transport: connections and timeouts.
        misfits: what becomes of items that do not fit.
        keep_aside: is given a table's name and its items left out.
    """

    run: RunContext = field(default_factory=lambda: RunContext(""))
    transport: TransportConfig = field(default_factory=TransportConfig)
    misfits: MisfitPolicy = "error"
    keep_aside: Callable[[str, Sequence[Wire]], None] = forget


def arrow_schema(read: TableRead) -> pa.Schema:
    """Returns the schema of a table's batches."""
    if read.columns is None:
        return pa.schema([(ROW, pa.bool_())])
    return pa.schema([(one.name, one.type.arrow) for one in read.columns.columns])


def read_table(
    read: TableRead, reading: Reading, counts: ReadCounts
) -> Iterator[pa.RecordBatch]:
    """Yields a table's rows; `counts` follows.

    Raises:
        BeamDynamoDBError: a read failed for good, or an item does not fit.
    """
    for columns in _columns(read, reading, counts):
        counts.rows += columns.batch.num_rows
        counts.misfits += columns.misfits
        counts.aside += len(columns.aside)
        if columns.aside:
            reading.keep_aside(read.name, columns.aside)
        yield columns.batch


def _columns(
    read: TableRead, reading: Reading, counts: ReadCounts
) -> Iterator[Columns]:
    source, misfits = read.found.named.source, reading.misfits
    if isinstance(source, str):
        yield from read_backup(source, read.columns, misfits)
        return
    decoder = None
    if read.columns is not None:
        decoder = ColumnDecoder(source.display, read.columns, misfits)
    for page in _pages(read, source, reading):
        counts.scanned += page.scanned_count
        counts.units += page.consumed.units
        if decoder is None:
            nulls = pa.nulls(page.count, pa.bool_())
            yield Columns(pa.record_batch([nulls], names=[ROW]), 0, ())
        elif page.items:
            yield decoder.decode(page.items)


def _pages(read: TableRead, table: TableRef, reading: Reading) -> Iterator[ScanPage]:
    description = read.found.description
    assert description is not None
    in_flight = 1 if read.limit is not None else SEGMENTS_IN_FLIGHT
    if read.keys:
        segments = len(read.keys)
    elif read.limit is not None:
        segments = 1
    else:
        segments = choose_segments(description.size_bytes, 1, in_flight)
    with closing(_open_reader(read, table, reading, segments)) as reader:
        waiting = iter(range(segments))
        for segment in _up_to(in_flight, waiting):
            reader.open(segment, None)
        while reader.active:
            taken = reader.take()
            if taken.page.last_key is None:
                for segment in _up_to(1, waiting):
                    reader.open(segment, None)
            yield taken.page


def _up_to(count: int, numbers: Iterator[int]) -> list[int]:
    return [number for _, number in zip(range(count), numbers, strict=False)]


def _open_reader(
    read: TableRead, table: TableRef, reading: Reading, segments: int
) -> SegmentReader:
    named, description = read.found.named, read.found.description
    assert description is not None
    client = client_for(table, reading.transport)
    capacity = capacity_units(description, "read")
    common: dict[str, Any] = {
        "table": table.wire_name,
        "page_limit": read.limit,
        "consistent": named.consistent,
        # What is kept aside is kept whole.
        "projection": None if reading.misfits == "aside" else read.projection,
        "filter": read.filter.to_service() if read.filter else None,
        "counts_only": read.counts_only,
    }
    request: Any = (
        KeyRequest(queries=read.keys, **common)
        if read.keys
        else ScanRequest(total_segments=segments, **common)
    )
    return SegmentReader(
        KeyQueryClient(client) if read.keys else client,
        request,
        limiter_for(table, "read", named.read, capacity, run=reading.run),
        worker=worker_loop(),
        clock=SystemClock(),
        pages_in_flight=SEGMENTS_IN_FLIGHT + _PAGES_READ_AHEAD,
    )


def sample_table(
    named: NamedTable, description: TableDescription, items: int, reading: Reading
) -> tuple[list[Wire], float]:
    """Returns some items of a table and what they cost, in read units.

    The first ones of a few segments, so that they are not all of one partition.
    """
    table = named.source
    assert isinstance(table, TableRef)
    each = -(-items // _FIRST_SEGMENTS)
    capacity = capacity_units(description, "read")
    reader = SegmentReader(
        client_for(table, reading.transport),
        ScanRequest(table.wire_name, total_segments=_FIRST_SEGMENTS, page_limit=each),
        limiter_for(table, "read", named.read, capacity, run=reading.run),
        worker=worker_loop(),
        clock=SystemClock(),
        pages_in_flight=_FIRST_SEGMENTS,
    )
    wires: list[Wire] = []
    units = 0.0
    with closing(reader):
        for segment in range(_FIRST_SEGMENTS):
            reader.open(segment, None)
        while reader.active and len(wires) < items:
            page = reader.take().page
            units += page.consumed.units
            wires += page.items
    return wires, units
