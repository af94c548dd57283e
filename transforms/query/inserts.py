"""INSERT INTO … SELECT, once or many times of one source: what it reads and writes."""

from dataclasses import dataclass

from sqlglot import exp

from transforms.dynamodb.errors import UserError
from transforms.query.conditions import condition_of
from transforms.query.schema import TableSchema
from transforms.query.statement import DIALECT, parse_query, parse_statement

__all__ = ["Copied", "Insert", "copied", "parse_inserts"]


@dataclass(frozen=True, slots=True)
class Insert:
    """One INSERT.

    Attributes:
        target: the table that is written, as named.
        select: the query whose rows are written.
    """

    target: str
    select: str


def parse_inserts(text: str) -> tuple[Insert, ...]:
    """Returns the INSERTs of a statement; none if it is a query.

    Args:
        text: ``INSERT INTO "REGION/TABLE" SELECT …``, or
            ``FROM t INSERT INTO … SELECT … INSERT INTO … SELECT …``.

    Raises:
        UserError: it cannot be read, or inserts something else than a query's rows.

    >>> [one.target for one in parse_inserts('INSERT INTO "us-west-2/a" FROM b')]
    ['us-west-2/a']
    """
    words = text.strip().upper()
    if not words.startswith(("INSERT", "FROM")):
        return ()
    tree = parse_statement(text)
    if isinstance(tree, exp.MultitableInserts):
        source = exp.From(this=tree.args["source"])
        return tuple(_insert(each, source) for each in tree.expressions)
    return (_insert(tree, None),) if isinstance(tree, exp.Insert) else ()


def _insert(insert: exp.Expr, source: exp.From | None) -> Insert:
    if isinstance(insert, exp.ConditionalInsert):
        insert = insert.this
    target, select = insert.this, insert.expression
    if not isinstance(target, exp.Table) or not isinstance(select, exp.Query):
        raise UserError(
            f"{insert.sql(dialect=DIALECT)} is not understood; write INSERT INTO "
            '"REGION/TABLE" SELECT …, and name attributes by AS'
        )
    if source is not None:
        if select.args.get("from_"):
            raise UserError(
                "a SELECT after FROM … INSERT reads the FROM before it; leave out its "
                "own"
            )
        select = select.copy()
        select.set("from_", source.copy())
    return Insert(target.name, parse_query(select.sql(dialect=DIALECT)).text)


@dataclass(frozen=True, slots=True)
class Copied:
    """An INSERT that is a copy: items travel as they are, and nothing is decoded.

    Attributes:
        columns: source attribute to target attribute; None for whole items.
        condition: which items, in DynamoDB's own grammar; None for all.
    """

    columns: dict[str, str] | None
    condition: str | None


def copied(select: str, schema: TableSchema) -> Copied | None:
    """Returns the copy that a SELECT of one table is, or None if it is none.

    Args:
        select: the query.
        schema: of its table.
    """
    tree = parse_query(select).tree
    if not isinstance(tree, exp.Select) or not _is_plain(tree):
        return None
    columns: dict[str, str] | None = {}
    for each in tree.expressions:
        if isinstance(each, exp.Star) and not any(each.args.values()):
            columns = None
            continue
        column = each.unalias()
        found = isinstance(column, exp.Column) and schema.find(column.name)
        if not found or columns is None or found.attribute in columns:
            return None
        columns[found.attribute] = each.alias_or_name
    where = tree.args.get("where")
    try:
        condition = None if where is None else condition_of(where.this, schema)
    except UserError:
        return None
    return Copied(columns, condition)


def _is_plain(select: exp.Select) -> bool:
    used = {name for name, value in select.args.items() if value}
    tables = list(select.find_all(exp.Table))
    return used <= {"expressions", "from_", "where", "kind"} and len(tables) == 1
