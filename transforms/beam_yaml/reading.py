"""Reads of tables and exports in Beam YAML, and SQL over what they give."""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms.archive.exports import ReadFromDynamoDBExport
from transforms.beam_yaml.configuration import chosen_rate, typed
from transforms.beam_yaml.items_and_rows import as_items
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.query.query_items import QueryItems
from transforms.scan import ReadFromDynamoDB

__all__ = ["query_items", "read_from_dynamodb", "read_from_dynamodb_export"]


# Beam reads the types of arguments, and of unions only typing's own.
# ruff: noqa: UP045


@typed("ReadFromDynamoDB")
def read_from_dynamodb(
    *,
    table: str,
    schema: Optional[str] = None,
    misfits: Optional[str] = None,
    filter: Optional[str] = None,  # noqa: A002  # the word that users say
    read_percent: Optional[float] = None,
    read_units: Optional[float] = None,
    index: Optional[str] = None,
    projection: Optional[Sequence[str]] = None,
    consistent: Optional[bool] = None,
    segments: Optional[int] = None,
    limit: Optional[int] = None,
    role: Optional[str] = None,
    external_id: Optional[str] = None,
    profile: Optional[str] = None,
    endpoint: Optional[str] = None,
) -> beam.PTransform[PBegin, beam.PCollection[Any]]:
    """Reads all items of a DynamoDB table or index once, by parallel scan.

    Without a schema it gives items, byte for byte, for WriteToDynamoDB, WriteToRegions
    and QueryItems; with one, rows for every transform of Beam YAML.

    Args:
        table: as REGION/TABLE, or its ARN.
        schema: the columns of the rows, as "id VARCHAR, total DECIMAL(38,2)".
        misfits: a value that its column cannot hold stops the job ("error"), or is
            null ("null").
        filter: a DynamoDB condition that the service applies to what it read.
        read_percent: the rate, in percent of the table's capacity; 50 by default.
        read_units: the rate, in read units a second.
        index: reads this index instead of the table.
        projection: document paths of what to read; of the schema by default.
        consistent: strongly consistent reads, at twice the units.
        segments: of the parallel scan; chosen from the size by default.
        limit: how many items are read at most, by one worker.
        role: a role to assume, its ARN.
        external_id: what the role's owner asks for.
        profile: a profile of the AWS configuration.
        endpoint: a service URL, of an engine or a VPC endpoint.
    """
    _check_needs_schema("ReadFromDynamoDB", schema, misfits)
    read = ReadFromDynamoDB(
        TableRef.parse(
            table,
            endpoint_url=endpoint,
            profile=profile,
            role_arn=role,
            external_id=external_id,
        ),
        read=chosen_rate("ReadFromDynamoDB", "read", read_percent, read_units),
        filter=filter,
        index=index,
        projection=projection,
        consistent=bool(consistent),
        segments=segments,
        limit=limit,
    )
    if schema is None:
        return read
    return read.with_schema(schema, _misfits(misfits))


@typed("ReadFromDynamoDBExport")
def read_from_dynamodb_export(
    *, path: str, schema: Optional[str] = None, misfits: Optional[str] = None
) -> beam.PTransform[PBegin, beam.PCollection[Any]]:
    """Reads all items of a full export or backup; each file is checked first.

    Args:
        path: of its directory, as s3://bucket/AWSDynamoDB/0123-4567.
        schema: the columns of the rows; without one it gives items.
        misfits: as ReadFromDynamoDB has it.
    """
    _check_needs_schema("ReadFromDynamoDBExport", schema, misfits)
    read = ReadFromDynamoDBExport(path)
    if schema is None:
        return read
    return read.with_schema(schema, _misfits(misfits))


@typed("QueryItems")
def query_items(
    *,
    sql: str,
    schemas: Mapping[str, str],
    broadcast: Optional[Sequence[str]] = None,
    misfits: Optional[str] = None,
) -> beam.PTransform[Any, beam.PCollection[Any]]:
    """Runs SQL, in DuckDB's dialect, over items or rows; gives rows.

    Args:
        sql: one SELECT over the names of the inputs.
        schemas: the columns of each input, by its name.
        broadcast: inputs that fit in each worker's memory.
        misfits: as ReadFromDynamoDB has it.
    """
    query = QueryItems(
        sql, schemas, broadcast=broadcast or (), misfits=_misfits(misfits)
    )
    return _QueryInputs(query, list(schemas))


class _QueryInputs(beam.PTransform[Any, beam.PCollection[Any]]):
    """Beam YAML gives one input without its name, and several by name."""

    def __init__(self, query: QueryItems, names: Sequence[str]) -> None:
        super().__init__()
        self._query, self._names = query, names

    def expand(self, inputs: Any) -> beam.PCollection[Any]:
        if isinstance(inputs, beam.PCollection):
            if len(self._names) != 1:
                raise UserError(
                    f"QueryItems has schemas of {', '.join(self._names)} and one "
                    "input; give an input for each, as input: {NAME: TRANSFORM, …}"
                )
            inputs = {self._names[0]: inputs}
        items = {
            name: one | f"Items of {name}" >> as_items(one)
            for name, one in inputs.items()
        }
        rows: beam.PCollection[Any] = items | self._query
        return rows


def _check_needs_schema(
    transform: str, schema: str | None, misfits: str | None
) -> None:
    if misfits is not None and schema is None:
        raise UserError(f"{transform}: misfits says what becomes of a schema's columns")


def _misfits(said: str | None) -> Any:
    return said or "error"
