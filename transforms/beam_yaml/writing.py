"""Writes to one table, to several, and to an export, in Beam YAML."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, cast

import apache_beam as beam

from transforms.archive.exports import WriteToDynamoDBExport
from transforms.beam_yaml.configuration import chosen_rate, typed
from transforms.beam_yaml.items_and_rows import (
    as_items,
    export_as_row,
    receipts_as_rows,
    rejected_as_rows,
)
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.receipts import OnReject
from transforms.routes import Route
from transforms.write import WriteResult, WriteToRegions

__all__ = ["write_to_dynamodb", "write_to_dynamodb_export", "write_to_regions"]

# Beam reads the types of arguments, and of unions only typing's own.
# ruff: noqa: UP045

_Outputs = dict[str, beam.PCollection[Any]]


class RouteConfiguration(NamedTuple):
    """One target of `write_to_regions`; `to` is REGION/TABLE or an ARN."""

    to: str
    name: Optional[str] = None
    filter: Optional[str] = None
    columns: Optional[Mapping[str, str]] = None
    mapping: Optional[str] = None
    hash_key: Optional[str] = None
    write_percent: Optional[float] = None
    write_units: Optional[float] = None
    mode: Optional[str] = None
    newer_by: Optional[str] = None
    role: Optional[str] = None
    external_id: Optional[str] = None
    profile: Optional[str] = None
    endpoint: Optional[str] = None


@typed("WriteToDynamoDB")
def write_to_dynamodb(
    *,
    table: str,
    filter: Optional[str] = None,  # noqa: A002  # the word that users say
    columns: Optional[Mapping[str, str]] = None,
    mapping: Optional[str] = None,
    write_percent: Optional[float] = None,
    write_units: Optional[float] = None,
    mode: Optional[str] = None,
    newer_by: Optional[str] = None,
    keys_unique: Optional[bool] = None,
    error_handling: Optional[Mapping[str, str]] = None,
    role: Optional[str] = None,
    external_id: Optional[str] = None,
    profile: Optional[str] = None,
    endpoint: Optional[str] = None,
) -> beam.PTransform[beam.PCollection[Any], Any]:
    """Writes items or rows to a DynamoDB table; gives a row of counts for each page.

    Of a row, a column is an attribute, and null is none.

    Args:
        table: as REGION/TABLE, or its ARN.
        filter: a DynamoDB condition; other items are left out.
        columns: the attributes to write, source name to target name.
        mapping: what becomes of an item, in the words of docs/mapping.md.
        write_percent: the rate, in percent of the table's capacity; 50 by default.
        write_units: the rate, in write units a second.
        mode: overwrite (the default), if-absent, newer, merge or delete.
        newer_by: for newer, the attribute that says which item is.
        keys_unique: the promise that no two items have one key.
        error_handling: as {output: NAME}: items that the service never takes are rows
            there, instead of stopping the job.
        role: a role to assume, its ARN.
        external_id: what the role's owner asks for.
        profile: a profile of the AWS configuration.
        endpoint: a service URL, of an engine or a VPC endpoint.
    """
    transform = "WriteToDynamoDB"
    said = RouteConfiguration(
        to=table,
        name=table.rpartition("/")[2],
        filter=filter,
        columns=columns,
        mapping=mapping,
        write_percent=write_percent,
        write_units=write_units,
        mode=mode,
        newer_by=newer_by,
        role=role,
        external_id=external_id,
        profile=profile,
        endpoint=endpoint,
    )
    return _Write(
        {"written": _route(transform, said)},
        _rejected_output(transform, error_handling),
        keys_unique=bool(keys_unique),
    )


@typed("WriteToRegions")
def write_to_regions(
    *,
    routes: Sequence[RouteConfiguration],
    filter: Optional[str] = None,  # noqa: A002  # the word that users say
    columns: Optional[Mapping[str, str]] = None,
    keys_unique: Optional[bool] = None,
    error_handling: Optional[Mapping[str, str]] = None,
) -> beam.PTransform[beam.PCollection[Any], Any]:
    """Writes items or rows to several tables, each with its own filter and rate.

    Each route is an output of its name, with a row of counts for each page.

    Args:
        routes: the targets: each has `to` as REGION/TABLE, a name (its region by
            default), and filter, columns and so on as WriteToDynamoDB has them.
        filter: of all routes: evaluated once an item.
        columns: of all routes: applied once an item.
        keys_unique: as WriteToDynamoDB has it.
        error_handling: as WriteToDynamoDB has it; of all routes.
    """
    transform = "WriteToRegions"
    made: dict[str, Route] = {}
    for said in cast("Sequence[dict[str, Any]]", routes):
        if "to" not in said:
            raise UserError(f"{transform}: a route has no 'to'; name its table")
        route = _route(transform, RouteConfiguration(**said))
        if route.name in made:
            raise UserError(
                f"{transform}: two routes are named {route.name!r}; give one a 'name'"
            )
        made[route.name] = route
    return _Write(
        made,
        _rejected_output(transform, error_handling),
        keys_unique=bool(keys_unique),
        filter=filter,
        columns=columns,
    )


@typed("WriteToDynamoDBExport")
def write_to_dynamodb_export(
    *,
    path: str,
    format: Optional[str] = None,  # noqa: A002  # the word that users say
    schema: Optional[str] = None,
    partition_by: Optional[str] = None,
    lossless: Optional[bool] = None,
    error_handling: Optional[Mapping[str, str]] = None,
) -> beam.PTransform[beam.PCollection[Any], Any]:
    """Writes items or rows as the service exports them, or as Parquet; gives one row.

    Args:
        path: where; the export gets a new directory in it.
        format: dynamodb-json (the default) or parquet.
        schema: Parquet's columns, as "id:string, price:decimal(12,2)".
        partition_by: Parquet's directories, as "month=substr(day, 1, 7)".
        lossless: Parquet: adds the column _item, each item in DynamoDB JSON.
        error_handling: as WriteToDynamoDB has it, for what does not fit the schema.
    """
    rejected = _rejected_output("WriteToDynamoDBExport", error_handling)
    if rejected == "written":
        raise _taken(rejected)
    return _WriteExport(
        WriteToDynamoDBExport(
            path,
            format=format or "dynamodb-json",  # type: ignore[arg-type]  # it checks it
            schema=schema,
            partition_by=partition_by,
            lossless=bool(lossless),
            on_reject="fail" if rejected is None else "collect",
        ),
        rejected,
    )


class _WriteExport(beam.PTransform[beam.PCollection[Any], _Outputs]):
    """WriteToDynamoDBExport, of items or rows, whose outputs are rows."""

    def __init__(self, write: WriteToDynamoDBExport, rejected: str | None) -> None:
        super().__init__()
        self._write, self._rejected = write, rejected

    def expand(self, pcoll: beam.PCollection[Any]) -> _Outputs:
        result = pcoll | "Items" >> as_items(pcoll) | "Write" >> self._write
        written = result.manifest | "Export" >> export_as_row(self._write.directory)
        outputs: _Outputs = {"written": written}
        if self._rejected is not None:
            rows = result.rejected | "Rejected rows" >> rejected_as_rows()
            outputs[self._rejected] = rows
        return outputs


class _Write(beam.PTransform[beam.PCollection[Any], _Outputs]):
    """WriteToRegions, of items or rows, whose outputs are rows."""

    def __init__(
        self, routes: Mapping[str, Route], rejected: str | None, **options: Any
    ) -> None:
        super().__init__()
        if rejected in routes:
            raise _taken(rejected)
        self._outputs, self._rejected = tuple(routes), rejected
        on_reject: OnReject = "fail" if rejected is None else "collect"
        self._write = WriteToRegions(
            tuple(routes.values()), on_reject=on_reject, **options
        )

    def expand(self, pcoll: beam.PCollection[Any]) -> _Outputs:
        results = pcoll | "Items" >> as_items(pcoll) | "Write" >> self._write
        outputs = {
            output: result.written | f"Counts of {output}" >> receipts_as_rows()
            for output, result in zip(self._outputs, results.values(), strict=True)
        }
        if self._rejected is not None:
            outputs[self._rejected] = _all_rejected(results)
        return outputs


def _all_rejected(results: Mapping[str, WriteResult]) -> beam.PCollection[Any]:
    rejected = [result.rejected for result in results.values()]
    rows: beam.PCollection[Any] = (
        rejected
        | "Rejected of all routes" >> beam.Flatten()
        | "Rejected rows" >> rejected_as_rows()
    )
    return rows


def _route(transform: str, said: RouteConfiguration) -> Route:
    target = TableRef.parse(
        said.to,
        endpoint_url=said.endpoint,
        profile=said.profile,
        role_arn=said.role,
        external_id=said.external_id,
    )
    rate = chosen_rate(transform, "write", said.write_percent, said.write_units)
    return Route(
        name=said.name or target.region,
        target=target,
        filter=said.filter,
        columns=said.columns,
        mapping=said.mapping,
        hash_key=said.hash_key,
        write=rate,
        mode=said.mode or "overwrite",  # type: ignore[arg-type]  # Route checks it
        newer_by=said.newer_by,
    )


def _taken(output: str | None) -> UserError:
    return UserError(f"error_handling: {output!r} is an output already; name another")


def _rejected_output(transform: str, said: Mapping[str, str] | None) -> str | None:
    if said is None:
        return None
    if set(said) != {"output"}:
        raise UserError(
            f"{transform}: write error_handling as {{output: NAME}}, not {dict(said)}"
        )
    return said["output"]
