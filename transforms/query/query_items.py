"""QueryItems: SQL over collections of items, in any pipeline and on any runner."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import apache_beam as beam
import pyarrow as pa
import sqlglot
from apache_beam.utils.timestamp import Timestamp

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import near_names
from transforms.query.columns import MisfitPolicy
from transforms.query.cutting import CutQuery, cut_query
from transforms.query.row_types import row_type_of
from transforms.query.rows import Rows
from transforms.query.run_stages import RunStages, StageOptions
from transforms.query.schema import TableSchema, parse_schema
from transforms.query.stage_dofns import ItemsToRows
from transforms.query.stages import Shape, draw_stages
from transforms.query.statement import (
    bind,
    needed_schemas,
    parse_query,
    qualify_query,
)

__all__ = ["QueryItems", "QueryRows", "cut_text"]


def cut_text(
    sql: str, schemas: Mapping[str, TableSchema], broadcast: Sequence[str] = ()
) -> tuple[CutQuery, dict[str, TableSchema | None]]:
    """Cuts a query given as text.

    Args:
        sql: the query.
        schemas: of the tables that it may name.
        broadcast: those of them that fit in each worker's memory.

    Returns:
        The stages, and of each table the columns that are needed (None: only the
        number of rows).

    Raises:
        UserError: it does not bind, or cannot be cut.
    """
    statement = parse_query(sql)
    for name in (*statement.tables, *broadcast):
        if name not in schemas:
            raise UserError(
                f"{name!r} is no table of the query's schemas"
                f"{near_names(name, schemas)}"
            )
    result = bind(statement.text, {name: schemas[name] for name in statement.tables})
    needed = needed_schemas(statement, schemas, result)
    try:
        qualified = qualify_query(statement, schemas)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise UserError(
            f"the query cannot be cut into parts: {error}; run it on one machine"
        ) from error
    shapes = {plain: _shape(needed[name]) for plain, name in qualified.names.items()}
    small = frozenset(p for p, name in qualified.names.items() if name in broadcast)
    return cut_query(qualified, shapes, small, result), needed


def _shape(columns: TableSchema | None) -> Shape:
    if columns is None:
        return (("row", "BOOLEAN"),)
    return tuple((one.name, str(one.type)) for one in columns.columns)


class QueryRows(beam.PTransform[Any, beam.PCollection[Rows]]):
    """Runs SQL over collections of items, and returns Arrow batches.

    `last.result` has the columns; theirs are in the same order. For the arguments see
    `QueryItems`.
    """

    def __init__(
        self,
        sql: str,
        schemas: Mapping[str, TableSchema | str],
        *,
        broadcast: Sequence[str] = (),
        misfits: MisfitPolicy = "error",
        options: StageOptions | None = None,
    ) -> None:
        super().__init__()
        if misfits == "aside":
            raise UserError(
                'misfits="aside" needs a run directory, which only the command has; '
                'choose "error" or "null"'
            )
        parsed = {
            name: parse_schema(each) if isinstance(each, str) else each
            for name, each in schemas.items()
        }
        self.cut, self._columns = cut_text(sql, parsed, broadcast)
        self._misfits = misfits
        self._options = options or StageOptions()

    def stages(self) -> list[str]:
        """Returns the stages as people read them."""
        return draw_stages(self.cut.last)

    def expand(self, tables: Any) -> beam.PCollection[Rows]:
        """Returns the result's rows.

        Args:
            tables: a mapping of the items of each table, by its name.

        Raises:
            UserError: a table of the query is not there.
        """
        rows = {}
        for name, columns in self._columns.items():
            if name not in tables:
                raise UserError(
                    f"the query reads {name!r}, but there is no collection of that "
                    f"name; give {{{name!r}: items, …}}"
                )
            rows[name] = tables[name] | f"Columns of {name}" >> beam.ParDo(
                ItemsToRows(name, columns, self._misfits)
            )
        found: beam.PCollection[Rows] = rows | "Query" >> RunStages(
            self.cut.last, self._options
        )
        return found


class QueryItems(beam.PTransform[Any, beam.PCollection[Any]]):
    """Runs SQL, in DuckDB's dialect, over collections of items.

    >>> import apache_beam as beam
    >>> from transforms import Item
    >>> birds = [b'{"name":{"S":"auk"},"n":{"N":"2"}}', b'{"name":{"S":"auk"}}']
    >>> query = QueryItems(
    ...     "SELECT name, count(*) AS birds, sum(n) AS seen FROM birds GROUP BY name",
    ...     schemas={"birds": "name VARCHAR, n DOUBLE"},
    ... )
    >>> with beam.Pipeline() as pipeline:
    ...     items = (
    ...         pipeline | beam.Create(birds) | beam.Map(Item).with_output_types(Item)
    ...     )
    ...     _ = {"birds": items} | query | beam.Map(print)
    Row(name='auk', birds=2, seen=2.0)

    Args:
        sql: one SELECT over the names of `schemas`.
        schemas: the columns of each table, as `parse_schema` reads them.
        broadcast: tables that fit in each worker's memory: joined where the other
            side is, instead of being shuffled.
        misfits: an item with a value that its column cannot hold stops the job
            ("error"), or has NULL there ("null"); counted in any case.
        options: partitions and memory.

    Returns (as the transform's output): beam Rows, with a schema, for SqlTransform,
    DataFrames and Beam YAML. The input is a dict, table name -> PCollection[Item].

    Raises:
        UserError: the query does not bind, or cannot be cut into parts.
    """

    def __init__(
        self,
        sql: str,
        schemas: Mapping[str, TableSchema | str],
        *,
        broadcast: Sequence[str] = (),
        misfits: MisfitPolicy = "error",
        options: StageOptions | None = None,
    ) -> None:
        super().__init__()
        self._rows = QueryRows(
            sql, schemas, broadcast=broadcast, misfits=misfits, options=options
        )
        self._row_type = row_type_of(self._rows.cut.result)

    def expand(self, tables: Any) -> beam.PCollection[Any]:
        """Returns the result as beam Rows."""
        names = [column.name for column in self._rows.cut.result]
        found: beam.PCollection[Any] = (
            tables
            | "Run" >> self._rows
            | "As beam Rows"
            >> beam.ParDo(RowsToBeamRows(names)).with_output_types(self._row_type)
        )
        return found


class RowsToBeamRows(beam.DoFn):
    """Makes a beam Row of each row."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = list(names)

    def process(self, rows: Rows) -> Iterator[beam.Row]:
        """Yields the rows, in order."""
        columns = [_values(column) for column in rows.batch.columns]
        for values in zip(*columns, strict=True):
            yield beam.Row(**dict(zip(self._names, values, strict=True)))


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return _with_moments(values) if "timestamp" in str(column.type) else values


def _with_moments(values: list[Any]) -> list[Any]:
    """Makes the Timestamps that a beam schema has of Python's."""
    return [
        _with_moments(each)
        if isinstance(each, list)
        else Timestamp.from_utc_datetime(each.replace(tzinfo=timezone.utc))
        if isinstance(each, datetime)
        else each
        for each in values
    ]
