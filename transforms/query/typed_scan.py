"""A scan as beam Rows: what `ReadFromDynamoDB(...).with_schema(...)` gives."""

from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import render_projection
from transforms.dynamodb.expressions.syntax import Path
from transforms.query.columns import MisfitPolicy
from transforms.query.query_items import RowsToBeamRows
from transforms.query.row_types import row_type_of
from transforms.query.schema import TableSchema, parse_schema
from transforms.query.stage_dofns import ItemsToRows
from transforms.query.statement import ResultColumn
from transforms.run_values import Given
from transforms.scan import ReadFromDynamoDB, ScanTable

__all__ = ["ReadRows"]


class ReadRows(beam.PTransform[PBegin, beam.PCollection[Any]]):
    """Reads a table as beam Rows; asks for the attributes of the schema alone.

    Args:
        read: the scan.
        schema: the columns, as `parse_schema` reads them.
        misfits: an item with a value that its column cannot hold stops the job
            ("error"), or has NULL there ("null"); counted in any case.

    Raises:
        UserError: the schema cannot be read, or holds a type that Rows have not.
    """

    def __init__(
        self,
        read: ReadFromDynamoDB,
        schema: TableSchema | str,
        misfits: MisfitPolicy = "error",
    ) -> None:
        super().__init__()
        if misfits == "aside":
            raise UserError('misfits must be "error" or "null" here, got "aside"')
        self._schema = parse_schema(schema) if isinstance(schema, str) else schema
        columns = self._schema.columns
        self._row_type = row_type_of(
            [ResultColumn(one.name, str(one.type)) for one in columns]
        )
        self._misfits = misfits
        self._spec = read.spec
        if read.projection is None:
            paths = [Path(one.attribute) for one in columns]
            self._spec = replace(read.spec, projection=render_projection(paths))

    def expand(self, pbegin: PBegin) -> beam.PCollection[Any]:
        """Returns the rows."""
        names = [column.name for column in self._schema.columns]
        table = self._spec.table.display
        rows: beam.PCollection[Any] = (
            pbegin
            | "Items" >> ScanTable(Given(self._spec))
            | "Columns" >> beam.ParDo(ItemsToRows(table, self._schema, self._misfits))
            | "As beam Rows"
            >> beam.ParDo(RowsToBeamRows(names)).with_output_types(self._row_type)
        )
        return rows
