"""Items as beam Rows: what the `with_schema` of each source of items gives.

ReadFromDynamoDB -------+
ReadFromDynamoDBExport -+--> Item --ItemsToRows--> Rows --> beam Row, typed
"""

from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms.archive.exports import ReadFromDynamoDBExport
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import render_projection
from transforms.dynamodb.expressions.syntax import Path
from transforms.items import Item
from transforms.query.columns import MisfitPolicy
from transforms.query.query_items import RowsToBeamRows
from transforms.query.row_types import row_type_of
from transforms.query.schema import TableSchema, parse_schema
from transforms.query.stage_dofns import ItemsToRows
from transforms.query.statement import ResultColumn
from transforms.run_values import Given
from transforms.scan import ReadFromDynamoDB, ScanTable

__all__ = ["ItemsToBeamRows", "ReadExportRows", "ReadRows"]


class ItemsToBeamRows(
    beam.PTransform[beam.PCollection[Item], beam.PCollection[Any]],
):
    """Makes a beam Row of each item.

    Args:
        what: where they are from, for messages.
        schema: the columns, as `parse_schema` reads them.
        misfits: an item with a value that its column cannot hold stops the job
            ("error"), or has NULL there ("null"); counted in any case.

    Raises:
        UserError: the schema cannot be read, or holds a type that Rows have not.
    """

    def __init__(
        self, what: str, schema: TableSchema | str, misfits: MisfitPolicy = "error"
    ) -> None:
        super().__init__()
        if misfits not in ("error", "null"):
            raise UserError(f'misfits must be "error" or "null" here, got {misfits!r}')
        self._what, self._misfits = what, misfits
        self.schema = parse_schema(schema) if isinstance(schema, str) else schema
        self._row_type = row_type_of(
            [ResultColumn(one.name, str(one.type)) for one in self.schema.columns]
        )

    def expand(self, pcoll: beam.PCollection[Item]) -> beam.PCollection[Any]:
        """Returns the rows."""
        names = [column.name for column in self.schema.columns]
        columns = ItemsToRows(self._what, self.schema, self._misfits)
        rows: beam.PCollection[Any] = (
            pcoll
            | "Columns" >> beam.ParDo(columns)
            | "As beam Rows"
            >> beam.ParDo(RowsToBeamRows(names)).with_output_types(self._row_type)
        )
        return rows


class ReadRows(beam.PTransform[PBegin, beam.PCollection[Any]]):
    """Reads a table as beam Rows; asks for the attributes of the schema alone.

    Args:
        read: the scan.
        schema, misfits: as `ItemsToBeamRows` has them.
    """

    def __init__(
        self,
        read: ReadFromDynamoDB,
        schema: TableSchema | str,
        misfits: MisfitPolicy = "error",
    ) -> None:
        super().__init__()
        self._rows = ItemsToBeamRows(read.table.display, schema, misfits)
        self._spec = read.spec
        if read.projection is None:
            paths = [Path(one.attribute) for one in self._rows.schema.columns]
            self._spec = replace(read.spec, projection=render_projection(paths))

    def expand(self, pbegin: PBegin) -> beam.PCollection[Any]:
        """Returns the rows."""
        rows: beam.PCollection[Any] = (
            pbegin | "Items" >> ScanTable(Given(self._spec)) | "Rows" >> self._rows
        )
        return rows


class ReadExportRows(beam.PTransform[PBegin, beam.PCollection[Any]]):
    """Reads an export as beam Rows.

    Args:
        read: the export.
        schema, misfits: as `ItemsToBeamRows` has them.
    """

    def __init__(
        self,
        read: ReadFromDynamoDBExport,
        schema: TableSchema | str,
        misfits: MisfitPolicy = "error",
    ) -> None:
        super().__init__()
        self._read, self._rows = read, ItemsToBeamRows(read.path, schema, misfits)

    def expand(self, pbegin: PBegin) -> beam.PCollection[Any]:
        """Returns the rows."""
        rows: beam.PCollection[Any] = pbegin | "Items" >> self._read | self._rows
        return rows
