"""What of a query DynamoDB can do itself: filters, keys, counts and limits.

    WHERE --terms of one table--> Condition --> FilterExpression
      `--> DuckDB applies the whole of it again to what comes

A term is pushed only if every item that makes it true in SQL passes (see `terms`).
`exact` tells whether no other item does: only then may a limit or a count be left to
the service.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from transforms.dynamodb.expressions import Condition
from transforms.dynamodb.expressions.rendering import render_condition
from transforms.dynamodb.expressions.syntax import Node, conjunction
from transforms.dynamodb.tables import KeySchema
from transforms.query.columns import MisfitPolicy
from transforms.query.schema import TableSchema
from transforms.query.statement import Qualified
from transforms.query.terms import TableTerms

__all__ = ["PushedFilter", "push_filters"]

# The service's limit on the operators of an expression.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
_MAX_OPERATORS = 250


@dataclass(frozen=True, slots=True)
class PushedFilter:
    """What one table's scan is told.

    Attributes:
        condition: the filter; None for none.
        exact: True if WHERE is wholly in `condition` and passes no item too many.
        terms: the conditions of the WHERE's AND, for keys to be found in.
    """

    condition: Condition | None
    exact: bool
    terms: tuple[Node, ...] = ()


NOTHING = PushedFilter(None, exact=False)


def push_filters(
    qualified: Qualified,
    schemas: Mapping[str, TableSchema],
    keys: Mapping[str, KeySchema],
    misfits: MisfitPolicy,
) -> dict[str, PushedFilter]:
    """Returns what each table's scan may leave out.

    Args:
        qualified: the query.
        schemas: by the tables' own names.
        keys: of those that are DynamoDB tables; key attributes are always there, and
            of their type.
        misfits: under "null" an item that does not fit need not be seen at all.
    """
    places: dict[str, list[tuple[Scope, str]]] = {}
    for scope in qualified.scopes():
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table):
                name = qualified.source_name(scope, alias)
                if name is not None:
                    places.setdefault(name, []).append((scope, alias))
    return {
        name: _push_one(
            *where[0], TableTerms(schemas[name], keys.get(name), misfits=misfits)
        )
        # A table that is read in two places would need a filter wide enough for both.
        if len(where) == 1
        else NOTHING
        for name, where in places.items()
    }


def _push_one(scope: Scope, alias: str, table: "TableTerms") -> PushedFilter:
    select = scope.expression
    if not isinstance(select, exp.Select) or not _is_kept_whole(select, alias):
        return NOTHING
    where = select.args.get("where")
    if where is None:
        return PushedFilter(None, exact=True)
    terms = (
        list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    )
    pushed = [table.push(term.unnest(), alias) for term in terms]
    found = [one for one in pushed if one is not None]
    if not found:
        return NOTHING
    node = conjunction(*(one.node for one in found))
    if render_condition(node).expression.count(" ") > _MAX_OPERATORS:
        return NOTHING
    exact = len(found) == len(pushed) and all(one.exact for one in found)
    return PushedFilter(
        Condition(render_condition(node).expression, node),
        exact,
        tuple(one.node for one in found),
    )


def _is_kept_whole(select: exp.Select, alias: str) -> bool:
    """True if a row of the table that WHERE drops can change no other row.

    A row on the inner side of an outer join can: without it, the other side's row
    stands alone.
    """
    for join in select.args.get("joins") or ():
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        if side in ("RIGHT", "FULL") or kind in ("SEMI", "ANTI", "ASOF", "POSITIONAL"):
            return False
        if side == "LEFT" and join.this.alias_or_name == alias:
            return False
    return True
