"""A query as text: which tables it names, which columns of them it needs, if it binds.

    text --sqlglot--> tree --> tables named --(their schemas)--> needed columns
                                         `--> DuckDB on empty tables: names and types

DuckDB is the judge of what a query means: it binds every query on empty tables before
an item is read. What sqlglot finds out only makes the scans smaller, and is checked
by binding again on what is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from transforms.dynamodb.errors import UserError
from transforms.query.duck import Session, explain_error, open_session
from transforms.query.schema import TableSchema, quote_name

__all__ = [
    "Qualified",
    "ResultColumn",
    "Statement",
    "bind",
    "create_empty_tables",
    "needed_schemas",
    "parse_query",
    "parse_statement",
    "qualify_query",
    "tables_of",
]

DIALECT = "duckdb"


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT.

    Attributes:
        text: as DuckDB takes it.
        tables: the names it reads from, as written, each once, in order.
        explains: True if it stood after EXPLAIN.
    """

    text: str
    tables: tuple[str, ...]
    explains: bool = False

    @property
    def tree(self) -> exp.Query:
        """The parsed query, a fresh copy."""
        tree = sqlglot.parse_one(self.text, dialect=DIALECT)
        assert isinstance(tree, exp.Query)
        return tree


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a result, with its type in DuckDB's words."""

    name: str
    type: str


def parse_statement(text: str) -> exp.Expr:
    """Parses one statement.

    Raises:
        UserError: it is none, or more than one; shows where.
    """
    try:
        statements = [one for one in sqlglot.parse(text, dialect=DIALECT) if one]
    except sqlglot.errors.SqlglotError as error:
        raise UserError(f"the query cannot be read: {_place(error)}") from error
    if len(statements) != 1:
        raise UserError(
            f"expected one statement, got {len(statements)}; run them one by one"
        )
    return statements[0]


def _place(error: sqlglot.errors.SqlglotError) -> str:
    if isinstance(error, sqlglot.errors.ParseError) and error.errors:
        first = error.errors[0]
        return (
            f"{first['description']} at line {first['line']}, column {first['col']}, "
            f"near {first['highlight']!r}"
        )
    return str(error).splitlines()[0]


def parse_query(text: str) -> Statement:
    """Reads a query.

    Args:
        text: a SELECT (or WITH …, FROM …), perhaps after EXPLAIN.

    Raises:
        UserError: it cannot be read, or does something else than to select.
    """
    words = text.strip().rstrip(";").strip()
    explains = words[:8].upper() == "EXPLAIN " or words[:8].upper() == "EXPLAIN\n"
    if explains:
        words = words[8:].strip()
    tree = parse_statement(words)
    if not isinstance(tree, exp.Query):
        raise UserError(
            f"{tree.key.upper()} is not a query; say SELECT …, or INSERT INTO "
            '"REGION/TABLE" SELECT … to write its rows'
        )
    return Statement(words, tables_of(tree), explains)


def tables_of(tree: exp.Expr) -> tuple[str, ...]:
    """Returns the tables that a query reads, which are not its own CTEs.

    Raises:
        UserError: a name of two parts, which no table of ours has.
    """
    names: dict[str, None] = {}
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and isinstance(
                source.this, exp.Identifier
            ):
                if source.db:
                    written = source.sql(dialect=DIALECT)
                    raise UserError(
                        f"table {written} has a name of several parts; put a name with "
                        'dots in double quotes, as "eu-west-1/my.table"'
                    )
                names[source.name] = None
    return tuple(names)


def create_empty_tables(session: Session, schemas: Mapping[str, TableSchema]) -> None:
    """Creates the tables, without rows."""
    for name, schema in schemas.items():
        columns = ", ".join(
            f"{quote_name(one.name)} {one.type}" for one in schema.columns
        )
        session.execute(f"CREATE TABLE {quote_name(name)} ({columns})")


def bind(text: str, schemas: Mapping[str, TableSchema]) -> tuple[ResultColumn, ...]:
    """Returns the columns of a query's result.

    Raises:
        UserError: a column that no table has (with the nearest that one has), an
            ambiguous one, types that do not go together.
    """
    with open_session(memory_mb=256, threads=1) as session:
        create_empty_tables(session, schemas)
        try:
            relation = session.sql(text)
        except duckdb.Error as error:
            raise explain_error(error, _sample_hint(schemas)) from error
        if relation is None:
            raise UserError("the query has no result; say SELECT …")
        return tuple(
            ResultColumn(name, str(kind))
            for name, kind in zip(relation.columns, relation.types, strict=True)
        )


def _sample_hint(schemas: Mapping[str, TableSchema]) -> str:
    sampled = [name for name, schema in schemas.items() if schema.is_inferred]
    if not sampled:
        return ""
    items = max(schemas[name].sample_items for name in sampled)
    return (
        f"\nthe columns of {', '.join(sampled)} are those of a sample of "
        f"{items:,} items; --schema {sampled[0]}='name TYPE, …' gives others"
    )


@dataclass(frozen=True, slots=True)
class Qualified:
    """A query in which every column says its table, and tables have plain names.

    Attributes:
        tree: the query; reads t0, t1 … for the tables of `names`.
        names: the table's own name by its plain one.
    """

    tree: exp.Query
    names: Mapping[str, str]

    def scopes(self) -> list[Scope]:
        """Returns the SELECTs, inner ones first."""
        return traverse_scope(self.tree)

    def source_name(self, scope: Scope, alias: str) -> str | None:
        """Returns the table that an alias stands for; None if it is no table."""
        source = scope.sources.get(alias)
        return self.names.get(source.name) if isinstance(source, exp.Table) else None


def qualify_query(
    statement: Statement, schemas: Mapping[str, TableSchema]
) -> Qualified:
    """Names the table of every column.

    Raises:
        sqlglot.errors.SqlglotError: it is beyond sqlglot; DuckDB may still know.
    """
    plain = {name: f"t{place}" for place, name in enumerate(statement.tables)}
    tree = statement.tree
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and source.name in plain:
                _rename(source, plain[source.name])
    columns: dict[str, object] = {
        plain[name]: {one.name.lower(): str(one.type) for one in schema.columns}
        for name, schema in schemas.items()
        if name in plain
    }
    qualified: Any = qualify(tree, schema=columns, dialect=DIALECT)
    return Qualified(qualified, {new: old for old, new in plain.items()})


def _rename(table: exp.Table, name: str) -> None:
    if not table.alias:
        table.set(
            "alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
        )
    table.set("this", exp.to_identifier(name, quoted=True))


def needed_schemas(
    statement: Statement,
    schemas: Mapping[str, TableSchema],
    result: tuple[ResultColumn, ...],
) -> dict[str, TableSchema | None]:
    """Returns each table's columns that the query needs; None if it needs no column.

    On those alone it has the same `result`; where sqlglot cannot tell, every column is
    needed.
    """
    whole: dict[str, TableSchema | None] = {
        name: schemas[name] for name in statement.tables
    }
    try:
        found = _columns_by_table(qualify_query(statement, schemas))
    except (sqlglot.errors.SqlglotError, RecursionError):
        return whole
    needed = {
        name: schemas[name].only(sorted(columns)) if columns else None
        for name, columns in found.items()
    }
    needed = {name: needed.get(name) for name in statement.tables}
    left = {name: one or _any_column(schemas[name]) for name, one in needed.items()}
    try:
        return needed if bind(statement.text, left) == result else whole
    except UserError:
        return whole


def _columns_by_table(qualified: Qualified) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in qualified.names.values()}
    for scope in qualified.scopes():
        for column in scope.columns:
            name = qualified.source_name(scope, column.table)
            if name is not None:
                found[name].add(column.name)
    return found


def _any_column(schema: TableSchema) -> TableSchema:
    return schema.only([schema.columns[0].name])
