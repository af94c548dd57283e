"""A query on one machine: pages stream into DuckDB, and its result streams out.

table --pages--> batches --+--> DuckDB (capped, spilling) --> batches of the result
table --pages--> batches --+
"""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from transforms.query.duck import (
    DEFAULT_MEMORY_MB,
    Session,
    explain_failure,
    open_session,
)
from transforms.query.plan import QueryPlan
from transforms.query.reading import ReadCounts, Reading, arrow_schema, read_table
from transforms.query.schema import quote_name
from transforms.query.statement import Statement
from transforms.query.tables import TableRead

__all__ = ["LocalQuery", "run_locally"]

_RESULT_ROWS = 10_000

Counts = Mapping[str, ReadCounts]


@dataclass(slots=True)
class LocalQuery:
    """A query that runs while its result is read.

    Attributes:
        schema: of the result.
        counts: what was read of each table so far.
    """

    schema: pa.Schema
    counts: Counts
    _result: pa.RecordBatchReader
    _failures: list[BaseException]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the result.

        Raises:
            JobStoppedError: a read failed, or the query needs more than it may have.
            UserError: a value the query cannot be computed of.
        """
        with _explained(self._failures):
            yield from self._result


@contextmanager
def run_locally(
    plan: QueryPlan,
    reading: Reading,
    *,
    memory_mb: int = DEFAULT_MEMORY_MB,
    threads: int | None = None,
    show: Callable[[Counts], None] = lambda _counts: None,
) -> Iterator[LocalQuery]:
    """Runs a query.

    A table that the query reads once streams through it; one that may be read twice
    is put into DuckDB's own file first.

    Args:
        plan: the query.
        reading: how tables are read.
        memory_mb: DuckDB's cap; what does not fit spills.
        threads: DuckDB's; one a core by default.
        show: called after each page with what was read so far.

    Raises:
        JobStoppedError, UserError: as iterating over the result does.
    """
    counts = {read.name: ReadCounts() for read in plan.reads}
    failures: list[BaseException] = []
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(open_session(memory_mb, threads=threads))
        streams = _reads_once(plan.statement)
        with _explained(failures):
            for read in plan.reads:
                batches = _watched(
                    read_table(read, reading, counts[read.name]),
                    failures,
                    lambda: show(counts),
                )
                stack.callback(batches.close)
                _give(session, read, batches, streams=streams)
            result: pa.RecordBatchReader = session.sql(plan.sql).to_arrow_reader(
                _RESULT_ROWS
            )
        yield LocalQuery(result.schema, counts, result, failures)


def _reads_once(statement: Statement) -> bool:
    """True if DuckDB pulls each table once: it is one SELECT of different tables."""
    tree = statement.tree
    with contextlib.suppress(sqlglot.errors.SqlglotError):
        is_one = isinstance(tree, exp.Select) and len(traverse_scope(tree)) == 1
        return is_one and len(list(tree.find_all(exp.Table))) == len(statement.tables)
    return False


def _give(
    session: Session,
    read: TableRead,
    batches: Iterator[pa.RecordBatch],
    *,
    streams: bool,
) -> None:
    """Makes a table of batches, under the name that the query has for it."""
    reader = pa.RecordBatchReader.from_batches(arrow_schema(read), batches)
    stream = f"stream of {read.name}"
    session.register(stream, reader)
    columns = "*"
    if read.columns is not None:
        # Arrow has no type of its own for JSON.
        columns = ", ".join(
            f"CAST({quote_name(one.name)} AS {one.type}) AS {quote_name(one.name)}"
            for one in read.columns.columns
        )
    kind = "TEMP VIEW" if streams else "TABLE"
    session.execute(
        f"CREATE {kind} {quote_name(read.name)} AS "  # noqa: S608 - names are quoted
        f"SELECT {columns} FROM {quote_name(stream)}"
    )


def _watched(
    batches: Iterator[pa.RecordBatch],
    failures: list[BaseException],
    show: Callable[[], None],
) -> Generator[pa.RecordBatch, None, None]:
    """Passes batches on; keeps the error, of which DuckDB would leave only the text."""
    try:
        for batch in batches:
            show()
            yield batch
    except GeneratorExit:
        raise
    except BaseException as error:
        failures.append(error)
        raise


@contextmanager
def _explained(failures: list[BaseException]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if failures:
            raise failures[0] from error
        if isinstance(error, duckdb.Error):
            raise explain_failure(error) from error
        raise
