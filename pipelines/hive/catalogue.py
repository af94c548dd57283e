"""The script's own names for tables: made and dropped here alone, never in DynamoDB."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.hive.syntax import CreateTable, DropTable
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import near_names
from transforms.query.schema import Column, TableSchema
from transforms.throttle.rate import Rate

__all__ = ["Catalogue", "HiveTable"]

_PREFIX = "dynamodb."
_KNOWN = (
    "table.name",
    "region",
    "endpoint",
    "throughput.read.percent",
    "throughput.write.percent",
    "column.mapping",
    "type.mapping",
)
_ENDPOINT = re.compile(
    r"(?:https?://)?dynamodb\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/?"
)
# What a column may be compared with in WHERE; lists and maps with nothing.
_TYPES = {
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "tinyint": "BIGINT",
    "smallint": "BIGINT",
    "int": "BIGINT",
    "bigint": "BIGINT",
    "float": "DOUBLE",
    "double": "DOUBLE",
    "decimal": "DOUBLE",
    "boolean": "BOOLEAN",
    "binary": "BLOB",
    "array": "JSON",
    "map": "JSON",
    "struct": "JSON",
}
_DEFAULT_PERCENT = 50.0
_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class HiveTable:
    """A name of the script, and the table that it stands for.

    Attributes:
        name: in the script.
        place: ``REGION/TABLE``.
        attributes: column to attribute, in order, without a column that holds the
            whole item.
        is_whole: True if ``*`` is the whole item: no mapping was given, or a
            map<string,string> column holds what is not mapped.
        schema: its columns, for WHERE.
        read: the rate to read at.
        write: the rate to write at.
    """

    name: str
    place: str
    attributes: Mapping[str, str]
    is_whole: bool
    schema: TableSchema | None
    read: Rate
    write: Rate

    @classmethod
    def of(cls, made: CreateTable, region: str | None) -> "HiveTable":
        """Makes sense of CREATE EXTERNAL TABLE.

        Raises:
            UserError: a property that is missing, unknown or of no sense.
        """
        where = f"line {made.line}: table {made.name}"
        said = _properties(made, where)
        mapping = _pairs(said.get("column.mapping", ""), "column.mapping", where)
        types = _pairs(said.get("type.mapping", ""), "type.mapping", where)
        declared = {column.lower(): column for column in made.columns}
        for column in (*mapping, *types):
            if column.lower() not in declared:
                raise UserError(
                    f"{where} has no column {column!r}{near_names(column, declared)}"
                )
        folded = {column.lower(): attribute for column, attribute in mapping.items()}
        whole = [
            column
            for column, kind in made.columns.items()
            if re.sub(r"\s", "", kind.lower()) == "map<string,string>"
            and column.lower() not in folded
        ]
        attributes = {
            column.lower(): folded.get(column.lower(), column)
            for column in made.columns
            if column not in whole
        }
        if mapping and not whole and len(mapping) < len(made.columns):
            missing = next(c for c in made.columns if c.lower() not in folded)
            raise UserError(
                f"{where}: column {missing!r} is not in dynamodb.column.mapping; add "
                f"{missing}:attribute"
            )
        return cls(
            made.name,
            f"{_region(said, region, where)}/{said['table.name']}",
            attributes,
            is_whole=not mapping or bool(whole),
            schema=_schema(made, attributes, types, where),
            read=_rate(said, "read", where),
            write=_rate(said, "write", where),
        )


def _properties(made: CreateTable, where: str) -> dict[str, str]:
    said = {}
    for name, value in made.properties.items():
        short = name.lower().removeprefix(_PREFIX)
        if not name.lower().startswith(_PREFIX) or short not in _KNOWN:
            known = [f"{_PREFIX}{each}" for each in _KNOWN]
            raise UserError(
                f"{where}: property {name!r} is not known{near_names(name, known)}; "
                f"known are {', '.join(known)}"
            )
        said[short] = value
    if not said.get("table.name"):
        raise UserError(f"{where} has no 'dynamodb.table.name'; add it")
    return said


def _region(said: Mapping[str, str], default: str | None, where: str) -> str:
    found = said.get("region")
    if found is None and (endpoint := _ENDPOINT.fullmatch(said.get("endpoint", ""))):
        found = endpoint[1]
    if found is None and default is None:
        raise UserError(
            f"{where} has no 'dynamodb.region'; add it, or give --region for all tables"
        )
    return found or default or ""


def _pairs(text: str, name: str, where: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        column, colon, attribute = part.partition(":")
        if not colon or not column.strip() or not attribute.strip():
            raise UserError(
                f"{where}: dynamodb.{name} holds {part!r}; give column:value, …"
            )
        pairs[column.strip()] = attribute.strip()
    return pairs


def _rate(said: Mapping[str, str], direction: str, where: str) -> Rate:
    text = said.get(f"throughput.{direction}.percent")
    if text is None:
        return Rate.percent(_DEFAULT_PERCENT)
    try:
        # The connector's percents are fractions: .1000 is 10 %, 1.5 is the most.
        return Rate.percent(float(text) * _PERCENT)
    except ValueError as error:
        raise UserError(
            f"{where}: dynamodb.throughput.{direction}.percent is {text!r}; give a "
            f"fraction, as 0.4 for 40 % ({error})"
        ) from error


def _schema(
    made: CreateTable,
    attributes: Mapping[str, str],
    types: Mapping[str, str],
    where: str,
) -> TableSchema | None:
    folded = {column.lower(): tag for column, tag in types.items()}
    columns = []
    for column, kind in made.columns.items():
        if column.lower() not in attributes:
            continue
        word = re.match(r"\w*", kind.lower())
        if word is None or word[0] not in _TYPES:
            raise UserError(f"{where}: column {column!r} is of type {kind!r}, unknown")
        columns.append(
            Column.of(
                column.lower(),
                _TYPES[word[0]],
                attribute=attributes[column.lower()],
                tags=_tags(_TYPES[word[0]], folded.get(column.lower())),
            )
        )
    return TableSchema(tuple(columns)) if columns else None


def _tags(kind: str, tag: str | None) -> tuple[str, ...]:
    return () if tag is None or kind == "JSON" else (tag.upper(),)


class Catalogue:
    """The names of a script, as its statements make and drop them."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._tables: dict[str, HiveTable] = {}

    def create(self, made: CreateTable) -> None:
        """Adds a name.

        Raises:
            UserError: it is there already, or its properties make no sense.
        """
        if made.name in self._tables:
            if made.if_not_exists:
                return
            raise UserError(
                f"line {made.line}: table {made.name} was made above; drop it first, "
                "or say IF NOT EXISTS"
            )
        self._tables[made.name] = HiveTable.of(made, self._region)

    def drop(self, dropped: DropTable) -> None:
        """Takes a name away; a name that is not there is no fault.

        A script often begins by dropping what an earlier run of it has made in Hive.
        """
        self._tables.pop(dropped.name, None)

    def find(self, name: str, line: int) -> HiveTable:
        """Returns the table of a name.

        Raises:
            UserError: no statement above has made it.
        """
        if name not in self._tables:
            raise UserError(
                f"line {line}: there is no table {name}"
                f"{near_names(name, self._tables)}; make it above by CREATE EXTERNAL "
                "TABLE"
            )
        return self._tables[name]
