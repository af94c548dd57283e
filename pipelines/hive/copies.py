"""INSERT statements as copies: one scan, and a route for each table written."""

from collections.abc import Mapping
from typing import Any

import sqlglot

from pipelines.hive.catalogue import Catalogue, HiveTable
from pipelines.hive.syntax import CreateTable, DropTable, Insert, Select, Statement
from transforms.dynamodb.errors import UserError
from transforms.query.conditions import condition_of

__all__ = ["CopyWords", "copies_of"]

CopyWords = tuple[dict[str, Any], list[dict[str, Any]]]
"""The options of a copy and of its targets, as a job file says them."""


def copies_of(
    statements: list[Statement], region: str | None
) -> list[tuple[Insert, CopyWords]]:
    """Returns what a script copies, checked against its own names.

    Args:
        statements: the script.
        region: of tables that name none.

    Raises:
        UserError: a name that is not there, or an INSERT that does not fit its table.
    """
    catalogue = Catalogue(region)
    copies = []
    for statement in statements:
        match statement:
            case CreateTable():
                catalogue.create(statement)
            case DropTable():
                catalogue.drop(statement)
            case Insert():
                copies.append((statement, _copy(statement, catalogue)))
    return copies


def _copy(insert: Insert, catalogue: Catalogue) -> CopyWords:
    source = catalogue.find(insert.source, insert.line)
    said = {"source": source.place, "read_percent": str(source.read)}
    targets = [
        _target(catalogue.find(name, select.line), source, select)
        for name, select in insert.targets
    ]
    return said, targets


def _target(target: HiveTable, source: HiveTable, select: Select) -> dict[str, Any]:
    said: dict[str, Any] = {
        "to": target.place,
        "name": target.name,
        "write_percent": str(target.write),
    }
    columns = _columns(target, source, select)
    if columns is not None:
        said["columns"] = columns
    if select.where is not None:
        said["filter"] = _filter(source, select)
    return said


def _columns(
    target: HiveTable, source: HiveTable, select: Select
) -> Mapping[str, str] | None:
    """Returns attribute to attribute, by the places of the columns as Hive has it."""
    if select.columns is None:
        if source.is_whole and target.is_whole:
            return None
        chosen = list(source.attributes)
    else:
        chosen = list(select.columns)
    for column in chosen:
        if column not in source.attributes:
            known = ", ".join(source.attributes)
            raise UserError(
                f"line {select.line}: table {source.name} has no column {column!r}; it "
                f"has {known}"
            )
    if len(chosen) != len(target.attributes):
        raise UserError(
            f"line {select.line}: {len(chosen)} columns are selected, but table "
            f"{target.name} has {len(target.attributes)}; select as many"
        )
    pairs = zip(chosen, target.attributes.values(), strict=True)
    return {source.attributes[column]: attribute for column, attribute in pairs}


def _filter(source: HiveTable, select: Select) -> str:
    if source.schema is None:
        raise UserError(
            f"line {select.line}: table {source.name} has no columns for WHERE"
        )
    try:
        tree = sqlglot.parse_one(f"SELECT 1 WHERE {select.where}", dialect="hive")
        return condition_of(tree.args["where"].this, source.schema)
    except sqlglot.errors.SqlglotError as error:
        raise UserError(
            f"line {select.line}: WHERE {select.where} cannot be read: "
            f"{str(error).splitlines()[0]}"
        ) from error
    except UserError as error:
        raise UserError(f"line {select.line}: {error}") from error
