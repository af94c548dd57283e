"""From a query to what is read of each table, checked before an item is read.

text --> tables named --describe, sample--> schemas --DuckDB binds--> result columns
`--> needed columns, filter, keys, limit of each scan
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp

from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.expressions import Condition
from transforms.dynamodb.expressions.rendering import render_condition
from transforms.dynamodb.key_queries import find_keys
from transforms.dynamodb.tables import TableDescription, TableRef, near_names
from transforms.query.backups import backup_schema
from transforms.query.inference import infer_schema
from transforms.query.pushdown import NOTHING, PushedFilter, push_filters
from transforms.query.reading import Reading, sample_table
from transforms.query.statement import (
    DIALECT,
    Qualified,
    ResultColumn,
    Statement,
    bind,
    needed_schemas,
    qualify_query,
)
from transforms.query.tables import FoundTable, NamedTable, TableRead

__all__ = ["QueryPlan", "QueryRequest", "check_query"]

_UNIT_BYTES = 4096
# Up to so many rows a LIMIT is read from one segment, to pay for no more than that.
_MOST_IN_TURN = 10_000
# API_Scan, API_Query: an expression is at most 4 KB.
_MAX_EXPRESSION = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """A query, and what its names stand for.

    Attributes:
        statement: the query.
        tables: names that were declared.
        inline: makes a table of a name that was not, such as ``eu-west-1/orders``;
            None if it is none.
        sample_items: how many items to look at for a schema that is not given.
    """

    statement: Statement
    tables: tuple[NamedTable, ...]
    inline: Callable[[str], NamedTable | None] = lambda _name: None
    sample_items: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """A checked query.

    Attributes:
        statement: as asked.
        sql: what DuckDB runs: the query, but for a WHERE that the service applies
            exactly while only a count is asked for.
        reads: the tables, in the order in which the query names them.
        result: its columns.
    """

    statement: Statement
    sql: str
    reads: tuple[TableRead, ...]
    result: tuple[ResultColumn, ...]

    @property
    def table(self) -> TableRef | None:
        """The first table that is read; None where only files are."""
        sources = (read.found.named.source for read in self.reads)
        return next((one for one in sources if isinstance(one, TableRef)), None)

    def lines(self) -> list[str]:
        """Returns the plan as people read it."""
        lines = []
        for read in self.reads:
            lines.append(f"read {_named(read)}")
            lines += [f"  {line}" for line in _read_lines(read)]
        columns = ", ".join(f"{one.name} {one.type}" for one in self.result)
        return [*lines, f"result: {columns}"]


def _named(read: TableRead) -> str:
    display = read.found.named.display
    return display if display == read.name else f"{read.name}: {display}"


def _read_lines(read: TableRead) -> list[str]:
    description = read.found.description
    lines = []
    if description is not None:
        megabytes = description.size_bytes / 1e6
        lines.append(
            f"table: about {description.item_count:,} items, {megabytes:,.1f} MB"
        )
    if read.columns is None:
        lines.append("columns: none, only the number of rows is asked for")
    else:
        source = " (inferred)" if read.columns.is_inferred else ""
        lines.append(f"columns{source}: {read.columns}")
    if description is not None:
        lines.append(_how(read))
        if read.filter is not None:
            rest = "" if read.exact else "; DuckDB checks the rest"
            lines.append(f"filter: {read.filter.text}{rest}")
        most = "at most " if read.keys or read.limit else "about "
        lines.append(f"reads {most}{estimate_units(read):,.0f} units")
    return lines


def _how(read: TableRead) -> str:
    if read.keys:
        count = f"{len(read.keys)} Queries" if len(read.keys) > 1 else "a Query"
        return f"by {count}: {read.keys[0].expression}"
    if read.limit is not None:
        return f"by a Scan, ended after {read.limit:,} rows"
    return "by a parallel Scan"


def estimate_units(read: TableRead) -> float:
    """Returns about how many read units a table's part takes; for Queries the most.

    A Scan pays for what it looks at, so no filter makes it cheaper.
    """
    description = read.found.description
    if description is None:
        return 0.0
    size = float(description.size_bytes)
    if read.limit is not None and description.item_count:
        size = min(size, size / description.item_count * read.limit)
    units = max(1, math.ceil(size / _UNIT_BYTES))  # an empty table takes one too
    return units * (1.0 if read.found.named.consistent else 0.5)


def check_query(request: QueryRequest, reading: Reading) -> QueryPlan:
    """Looks at every table, and returns what would be read; reads samples at most.

    Raises:
        UserError: a table that is not there, a name no table has, types that clash.
        JobStoppedError: the service does not let us look.
    """
    statement = request.statement
    named = [_find(name, request) for name in statement.tables]
    found = {one.named.name: one for one in _look(named, request, reading)}
    schemas = {name: one.schema for name, one in found.items()}
    result = bind(statement.text, schemas)
    needed = needed_schemas(statement, schemas, result)
    try:
        qualified: Qualified | None = qualify_query(statement, schemas)
    except (sqlglot.errors.SqlglotError, RecursionError):
        qualified = None
    filters: dict[str, PushedFilter] = {}
    if qualified is not None:
        keys = {
            name: one.description.keys
            for name, one in found.items()
            if one.description is not None
        }
        filters = push_filters(qualified, schemas, keys, reading.misfits)
    reads = tuple(
        _plan_read(found[name], needed[name], filters.get(name, NOTHING))
        for name in statement.tables
    )
    sql = statement.text
    if qualified is not None and len(reads) == 1:
        reads, sql = _narrow(qualified, reads[0], sql)
    return QueryPlan(statement=statement, sql=sql, reads=reads, result=result)


def _find(name: str, request: QueryRequest) -> NamedTable:
    for one in request.tables:
        if one.name.lower() == name.lower():
            return replace(one, name=name)
    inline = request.inline(name)
    if inline is not None:
        return inline
    near = near_names(name, [one.name for one in request.tables])
    raise UserError(
        f"the query names {name!r}, which is no table that was declared{near} Give it "
        f'with --table {name}=REGION/TABLE, or write "REGION/TABLE" in the query'
    )


def _look(
    named: Sequence[NamedTable], request: QueryRequest, reading: Reading
) -> list[FoundTable]:
    descriptions = worker_loop().run(_describe(named, reading))
    return [
        _with_schema(one, description, request, reading)
        for one, description in zip(named, descriptions, strict=True)
    ]


async def _describe(
    named: Sequence[NamedTable], reading: Reading
) -> list[TableDescription | None]:
    async def one(table: NamedTable) -> TableDescription | None:
        if isinstance(table.source, str):
            return None
        return await client_for(table.source, reading.transport).describe_table()

    return list(await asyncio.gather(*(one(table) for table in named)))


def _with_schema(
    named: NamedTable,
    description: TableDescription | None,
    request: QueryRequest,
    reading: Reading,
) -> FoundTable:
    if isinstance(named.source, str):
        schema = named.schema or backup_schema(named.source, request.sample_items)
        return FoundTable(named=named, schema=schema, description=None)
    assert description is not None
    if named.schema is not None:
        return FoundTable(named=named, schema=named.schema, description=description)
    items, units = sample_table(named, description, request.sample_items, reading)
    return FoundTable(
        named=named,
        schema=infer_schema(items, description.keys),
        description=description,
        sample_units=units,
    )


def _plan_read(found: FoundTable, columns: object, pushed: PushedFilter) -> TableRead:
    read = TableRead(found=found, columns=columns)  # type: ignore[arg-type]
    if found.description is None or not isinstance(found.named.source, TableRef):
        return read
    by_key = find_keys(pushed.terms, found.description.keys) if pushed.terms else None
    if by_key is None:
        return replace(read, filter=_short(pushed.condition), exact=pushed.exact)
    rest = by_key.rest
    condition = (
        None if rest is None else Condition(render_condition(rest).expression, rest)
    )
    return replace(
        read,
        keys=by_key.queries,
        filter=_short(condition),
        exact=pushed.exact and by_key.exact,
    )


def _short(condition: Condition | None) -> Condition | None:
    """Drops a filter that the service would refuse for its length."""
    if condition is None:
        return None
    is_short = len(condition.to_service().expression) <= _MAX_EXPRESSION
    return condition if is_short else None


def _narrow(
    qualified: Qualified, read: TableRead, sql: str
) -> tuple[tuple[TableRead, ...], str]:
    """Leaves a count or a limit to the service, if that gives the very same rows."""
    select = qualified.tree
    if not isinstance(select, exp.Select) or not _is_plain(select):
        return (read,), sql
    if _counts(select) and read.exact and read.found.description is not None:
        # The service has dropped what WHERE drops, and sends no column to check.
        tree = sqlglot.parse_one(sql, dialect=DIALECT)
        tree.set("where", None)
        return (replace(read, columns=None),), tree.sql(dialect=DIALECT)
    limit = select.args.get("limit")
    if (
        limit is not None
        and isinstance(limit.expression, exp.Literal)
        and limit.expression.is_int
        and not (select.args.get("where") or select.args.get("order"))
        and not select.find(exp.AggFunc)
    ):
        offset = select.args.get("offset")
        skipped = int(offset.expression.name) if offset is not None else 0
        rows = int(limit.expression.name) + skipped
        # Many rows come sooner from segments side by side.
        if rows <= _MOST_IN_TURN:
            return (replace(read, limit=max(1, rows)),), sql
    return (read,), sql


def _is_plain(select: exp.Select) -> bool:
    """True of SELECT … FROM one table [WHERE …] [ORDER BY …] [LIMIT …] alone."""
    kept = {"expressions", "from", "from_", "where", "order", "limit", "offset"}
    extra = {name for name, value in select.args.items() if value} - kept
    return not extra and not select.find(exp.Subquery, exp.Window, exp.UDTF)


def _counts(select: exp.Select) -> bool:
    """True of SELECT count(*) and nothing else."""
    terms = [each.unalias() for each in select.expressions]
    return all(
        isinstance(term, exp.Count) and isinstance(term.this, exp.Star)
        for term in terms
    )
