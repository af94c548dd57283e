"""Stages at work: DuckDB on a bundle's rows, or on those of a partition.

    Item batches --ItemsToRows--> Rows --RunMap--> Rows --PartitionRows-->
        (partition, (input, Rows)) --GroupByKey--> --RunPartition--> Rows

Each DoFn has a DuckDB of its own, capped, with a temporary directory that ends with it.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
import duckdb
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms import metrics
from transforms.items import ItemBatch
from transforms.query.aside import AsideFiles
from transforms.query.columns import ColumnDecoder, MisfitPolicy
from transforms.query.duck import explain_failure, open_session
from transforms.query.partitioning import split_by_partition
from transforms.query.rows import Rows
from transforms.query.schema import TableSchema, quote_name
from transforms.query.stages import INPUT, Input, Map, Partitioned, Shape

__all__ = ["ItemsToRows", "PartitionRows", "RunMap", "RunPartition"]

# A Map runs when so much has come, or the bundle ends.
_FLUSH_BYTES = 32 * 1024 * 1024
_RESULT_ROWS = 10_000
_THREADS = 1  # the workers are the parallelism


class ItemsToRows(beam.DoFn):
    """Makes columns of items.

    Args:
        table: names the table in errors.
        columns: to make; None for one column of NULLs.
        misfits: what becomes of items that do not fit.
        aside: keeps them, if they are to be left out.
    """

    def __init__(
        self,
        table: str,
        columns: TableSchema | None,
        misfits: MisfitPolicy,
        aside: AsideFiles | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        assert (misfits == "aside") == (aside is not None)
        self._table, self._columns, self._misfits = table, columns, misfits
        self._aside = aside

    def setup(self) -> None:
        """Makes the decoder, which has C parts and does not travel."""
        self._decoder = None
        if self._columns is not None:
            self._decoder = ColumnDecoder(self._table, self._columns, self._misfits)

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(self, batch: ItemBatch) -> Iterator[Rows]:
        """Yields the batch's rows; counts what does not fit.

        Raises:
            JobStoppedError: an item does not fit, and is to stop the job.
        """
        if self._decoder is None:
            nulls = pa.nulls(len(batch), pa.bool_())
            yield Rows(pa.record_batch([nulls], names=["row"]))
            return
        start = 0
        for origin, count in batch.runs:
            columns = self._decoder.decode(batch.wires[start : start + count])
            start += count
            metrics.MISFITS.counter().inc(columns.misfits)
            metrics.KEPT_ASIDE.counter().inc(len(columns.aside))
            if columns.aside and self._aside is not None:
                self._aside.keep(origin, columns.aside)
            yield Rows(columns.batch)

    def infer_output_type(self, _input_type: object) -> type[Rows]:
        """Rows, one element a batch of items."""
        return Rows


class _Duck:
    """A DuckDB with a stage's tables."""

    def __init__(self, memory_mb: int) -> None:
        self._stack = contextlib.ExitStack()
        self.session = self._stack.enter_context(
            open_session(memory_mb, threads=_THREADS)
        )
        self._whole: dict[str, int] = {}

    def close(self) -> None:
        self._stack.close()

    def broadcast(self, inputs: Sequence[Input], sides: Sequence[list[Rows]]) -> None:
        """Fills the tables that are there whole, once for the same rows."""
        for each, side in zip(inputs, sides, strict=True):
            if self._whole.get(each.name) != id(side):
                self.empty(each.name, each.node.shape)
                for rows in side:
                    self.add(each.name, rows)
                self._whole[each.name] = id(side)

    def empty(self, name: str, shape: Shape) -> None:
        columns = ", ".join(f"{quote_name(each)} {kind}" for each, kind in shape)
        self.session.execute(f"CREATE OR REPLACE TABLE {_table(name)} ({columns})")

    def add(self, name: str, rows: Rows) -> None:
        self.session.register("added", rows.batch)
        self.session.execute(f"INSERT INTO {_table(name)} SELECT * FROM added")  # noqa: S608
        self.session.unregister("added")

    def run(self, sql: str, shape: Shape) -> Iterator[Rows]:
        names = [name for name, _ in shape]
        try:
            for batch in self.session.sql(sql).to_arrow_reader(_RESULT_ROWS):
                if batch.num_rows:
                    yield Rows(batch.rename_columns(names))
        except duckdb.Error as error:
            raise explain_failure(error) from error


def _table(name: str) -> str:
    return name if name == INPUT else quote_name(name)


class RunMap(beam.DoFn):
    """Runs a Map on the rows of a bundle, some megabytes at a time."""

    def __init__(self, stage: Map, memory_mb: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stage, self._memory_mb = stage, memory_mb

    def setup(self) -> None:
        """Opens DuckDB."""
        self._duck = _Duck(self._memory_mb)

    def start_bundle(self) -> None:
        """Begins without rows."""
        self._waiting: list[Rows] = []
        self._bytes = 0

    def process(  # type: ignore[no-untyped-def] # Beam mistakes the type of *sides
        self,
        rows: Rows,
        *sides,  # noqa: ANN002
    ) -> Iterator[Rows]:
        """Takes rows; runs when there are many."""
        self._duck.broadcast(self._stage.broadcasts, sides)
        self._waiting.append(rows)
        self._bytes += rows.batch.nbytes
        if self._bytes >= _FLUSH_BYTES:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Runs on what is left."""
        if self._waiting:
            for rows in self._flush():
                yield GlobalWindows.windowed_value(rows)

    def teardown(self) -> None:
        """Closes DuckDB; its files go."""
        self._duck.close()

    def _flush(self) -> Iterator[Rows]:
        self._duck.empty(INPUT, self._stage.source.shape)
        for rows in self._waiting:
            self._duck.add(INPUT, rows)
        self._waiting, self._bytes = [], 0
        yield from self._duck.run(self._stage.sql, self._stage.shape)

    def infer_output_type(self, _input_type: object) -> type[Rows]:
        """Rows of the stage's shape."""
        return Rows


class PartitionRows(beam.DoFn):
    """Sends rows to their partitions."""

    def __init__(self, keys: tuple[str, ...], partitions: int, place: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._keys, self._partitions, self._place = keys, partitions, place

    def process(self, rows: Rows) -> Iterator[tuple[int, tuple[int, Rows]]]:
        """Yields (partition, (which input of the stage, its rows))."""
        for partition, part in split_by_partition(
            rows.batch, self._keys, self._partitions
        ):
            yield partition, (self._place, Rows(part))


class RunPartition(beam.DoFn):
    """Runs SQL on all rows of a partition, which may spill."""

    def __init__(self, stage: Partitioned, memory_mb: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stage, self._memory_mb = stage, memory_mb

    def setup(self) -> None:
        """Opens DuckDB."""
        self._duck = _Duck(self._memory_mb)

    def process(  # type: ignore[no-untyped-def] # as above
        self,
        partition: tuple[int, Iterable[tuple[int, Rows]]],
        *sides,  # noqa: ANN002
    ) -> Iterator[Rows]:
        """Yields the stage's rows of one partition."""
        self._duck.broadcast(self._stage.broadcasts, sides)
        for each in self._stage.inputs:
            self._duck.empty(each.name, each.node.shape)
        for place, rows in partition[1]:
            if place >= 0:
                self._duck.add(self._stage.inputs[place].name, rows)
        yield from self._duck.run(self._stage.sql, self._stage.shape)

    def teardown(self) -> None:
        """Closes DuckDB; its files go."""
        self._duck.close()
