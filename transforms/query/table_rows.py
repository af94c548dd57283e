"""The rows of a query's tables in a pipeline: scans, Queries of keys, and backups."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import apache_beam as beam

from transforms import metrics
from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.expressions import render_projection
from transforms.dynamodb.expressions.syntax import Path
from transforms.dynamodb.tables import TableRef
from transforms.items import Origin
from transforms.query.aside import AsideFiles
from transforms.query.backups import backup_files
from transforms.query.reading import ReadCounts, Reading, forget, read_table
from transforms.query.rows import Rows
from transforms.query.stage_dofns import ItemsToRows
from transforms.query.tables import TableRead
from transforms.run_values import Given
from transforms.scan import ReadFromDynamoDB, ScanTable
from transforms.scan_spec import ScanSpec

__all__ = ["ReadTableRows"]


class ReadTableRows(beam.PTransform[Any, beam.PCollection[Rows]]):
    """Reads what a query needs of one table.

    A scan is cut into `splits` restrictions; each Query and each file of a backup is
    read by one worker.

    Args:
        read: what of which table.
        reading: how; `keep_aside` is the workers' own.
        splits: see above.
        aside: a directory of this table's, for items that are to be left out.
    """

    def __init__(
        self, read: TableRead, reading: Reading, splits: int, aside: str
    ) -> None:
        super().__init__()
        self._read, self._splits = read, splits
        self._reading = replace(reading, keep_aside=forget)
        self._aside = None
        if reading.misfits == "aside":
            self._aside = AsideFiles(aside)

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
                        source.display,
                        self._read.columns,
                        self._reading.misfits,
                        self._aside,
                    )
                )
            )
            return rows
        rows = (
            pbegin
            | "Parts" >> beam.Create(_parts(self._read))
            | "Share out" >> beam.Reshuffle()
            | "Read a part" >> beam.ParDo(ReadPart(self._reading, self._aside))
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
            run=self._reading.run,
            transport=self._reading.transport,
        ).spec
        return replace(
            spec,
            # What is kept aside is kept whole.
            projection=None if self._aside else projection,
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


class _Numbered:
    """Keeps a part's items aside under names that are the same when it is read again.

    Its pages come in one order, so their numbers stand for them.
    """

    def __init__(self, part: TableRead, aside: AsideFiles) -> None:
        source = part.found.named.display
        keys = [(one.expression, one.names, one.values) for one in part.keys]
        self._part = blake2b(repr((source, keys)).encode(), digest_size=8).digest()
        self._aside = aside
        self._numbers = itertools.count()

    def keep(self, _table: str, items: Sequence[Wire]) -> None:
        self._aside.keep(Origin(next(self._numbers), self._part), items)


class ReadPart(beam.DoFn):
    """Reads a Query or a file from its start to its end."""

    def __init__(self, reading: Reading, aside: AsideFiles | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reading, self._aside = reading, aside

    def process(self, part: TableRead) -> Iterator[Rows]:
        """Yields the part's rows."""
        counts = ReadCounts()
        reading = self._reading
        if self._aside is not None:
            reading = replace(reading, keep_aside=_Numbered(part, self._aside).keep)
        for batch in read_table(part, reading, counts):
            yield Rows(batch)
        metrics.KEPT_ASIDE.counter().inc(counts.aside)
        metrics.SCANNED.counter().inc(counts.scanned)
        metrics.MISFITS.counter().inc(counts.misfits)
