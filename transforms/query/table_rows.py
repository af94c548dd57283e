"""The rows of a query's tables in a pipeline: scans, Queries of keys, and backups."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam

from transforms import metrics
from transforms.dynamodb.expressions import render_projection
from transforms.dynamodb.expressions.syntax import Path
from transforms.dynamodb.tables import TableRef
from transforms.query.backups import backup_files
from transforms.query.reading import ReadCounts, Reading, read_table
from transforms.query.rows import Rows
from transforms.query.stage_dofns import ItemsToRows
from transforms.query.tables import TableRead
from transforms.run_context import RunContext
from transforms.run_values import Given
from transforms.scan import ReadFromDynamoDB, ScanTable
from transforms.scan_spec import ScanSpec

__all__ = ["ReadTableRows"]


class ReadTableRows(beam.PTransform[Any, beam.PCollection[Rows]]):
    """Reads what a query needs of one table.

    A scan is cut into `splits` restrictions; each Query and each file of a backup is
    read by one worker.
    """

    def __init__(
        self, read: TableRead, reading: Reading, run: RunContext, splits: int
    ) -> None:
        super().__init__()
        self._read, self._reading, self._run = read, reading, run
        self._splits = splits

    def expand(self, pbegin: Any) -> beam.PCollection[Rows]:
        """Returns the rows."""
        source = self._read.found.named.source
        rows: beam.PCollection[Rows]
        if isinstance(source, TableRef) and not self._read.keys:
            rows = (
                pbegin
                | "Scan" >> ScanTable(Given(self._scan(source)))
                | "Columns"
                >> beam.ParDo(
                    ItemsToRows(
                        source.display, self._read.columns, self._reading.misfits
                    )
                )
            )
            return rows
        reading = replace(self._reading, run=self._run)
        rows = (
            pbegin
            | "Parts" >> beam.Create(_parts(self._read))
            | "Share out" >> beam.Reshuffle()
            | "Read a part" >> beam.ParDo(ReadPart(reading))
        )
        return rows

    def _scan(self, table: TableRef) -> ScanSpec:
        read, named = self._read, self._read.found.named
        projection = read.projection
        if projection is None:
            description = read.found.description
            assert description is not None
            key = description.keys.partition_key.name
            projection = render_projection([Path(key)])
        spec = ReadFromDynamoDB(
            table,
            read=named.read,
            consistent=named.consistent,
            splits=self._splits,
            run=self._run,
            transport=self._reading.transport,
        ).spec
        return replace(
            spec,
            projection=projection,
            filter=read.filter.to_service() if read.filter else None,
        )


def _parts(read: TableRead) -> list[TableRead]:
    named = read.found.named
    if isinstance(named.source, str):
        files = backup_files(named.source)
        return [
            replace(read, found=replace(read.found, named=replace(named, source=file)))
            for file in files
        ]
    return [replace(read, keys=(key,)) for key in read.keys]


class ReadPart(beam.DoFn):
    """Reads a Query or a file from its start to its end."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reading = reading

    def process(self, part: TableRead) -> Iterator[Rows]:
        """Yields the part's rows."""
        counts = ReadCounts()
        for batch in read_table(part, self._reading, counts):
            yield Rows(batch)
        metrics.SCANNED.counter().inc(counts.scanned)
        metrics.MISFITS.counter().inc(counts.misfits)
