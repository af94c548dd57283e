"""The beam schema of a query's result: types that SqlTransform and DataFrames read."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Optional

from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.timestamp import Timestamp

from transforms.dynamodb.errors import UserError
from transforms.query.statement import ResultColumn

__all__ = ["row_type_of"]

_TYPES: Mapping[str, Any] = {
    "BIGINT": int,
    "INTEGER": int,
    "SMALLINT": int,
    "TINYINT": int,
    "UBIGINT": int,
    "UINTEGER": int,
    "DOUBLE": float,
    "FLOAT": float,
    "BOOLEAN": bool,
    "VARCHAR": str,
    "JSON": str,
    "BLOB": bytes,
    "DATE": date,
    "TIMESTAMP": Timestamp,
    "HUGEINT": Decimal,
}


def row_type_of(columns: Sequence[ResultColumn]) -> RowTypeConstraint:
    """Returns the schema of a result; every column may be NULL.

    Raises:
        UserError: two columns have one name, or a type that beam has no schema for.
    """
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"two columns of the result are named {name!r}; rename one with AS"
            )
    fields: list[Any] = [
        (column.name, Optional[_type_of(column)])  # noqa: UP045
        for column in columns
    ]
    return RowTypeConstraint.from_fields(fields)


def _type_of(column: ResultColumn) -> Any:
    if column.type in _TYPES:
        return _TYPES[column.type]
    if column.type.startswith("DECIMAL"):
        return Decimal
    if column.type.endswith("[]"):
        member = ResultColumn(column.name, column.type[:-2])
        return Sequence[Optional[_type_of(member)]]  # type: ignore[misc] # noqa: UP045
    raise UserError(
        f"column {column.name!r} of the result is {column.type}, which beam Rows do "
        "not hold; cast it to VARCHAR or JSON"
    )
