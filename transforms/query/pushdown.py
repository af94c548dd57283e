"""What of a query DynamoDB can do itself: filters, keys, counts and limits.

    WHERE --terms of one table--> Condition --> FilterExpression
      `--> DuckDB applies the whole of it again to what comes

A term is pushed only if every item that makes it true in SQL passes. Where the two
differ the condition is wider: a DOUBLE is compared with its neighbours, as SQL rounds
and the service does not, and items of a type that does not fit the column pass, so
that they are counted, kept aside or refused as chosen. `exact` tells whether it passes
no other item: only then may a limit or a count be left to the service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from transforms.dynamodb.expressions import Condition
from transforms.dynamodb.expressions.rendering import render_condition
from transforms.dynamodb.expressions.syntax import (
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Between,
    Comparator,
    Comparison,
    In,
    Node,
    Path,
    conjunction,
    disjunction,
    literal,
    negation,
)
from transforms.dynamodb.tables import KeySchema
from transforms.query.columns import MisfitPolicy
from transforms.query.constants import constant, neighbours
from transforms.query.schema import Column, TableSchema
from transforms.query.statement import Qualified

__all__ = ["Pushed", "PushedFilter", "push_filters"]

# The service's limits: operands of IN, and operators in an expression.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
_MAX_CHOICES = 100
_MAX_OPERATORS = 250

# Kinds that every value of the right DynamoDB type fits. Of the others some numbers do
# not, which are NULL in SQL, and which no condition tells from those that do.
_BY_TYPE = ("VARCHAR", "BOOLEAN")

_COMPARATORS: Mapping[type, Comparator] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_MIRRORED: Mapping[Comparator, Comparator] = {
    "=": "=",
    "<>": "<>",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """A term for the service.

    Attributes:
        node: true of every item that the term is true of.
        exact: true of no other.
    """

    node: Node
    exact: bool


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
            *where[0], _Table(schemas[name], keys.get(name), misfits=misfits)
        )
        # A table that is read in two places would need a filter wide enough for both.
        if len(where) == 1
        else NOTHING
        for name, where in places.items()
    }


def _push_one(scope: Scope, alias: str, table: "_Table") -> PushedFilter:
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


@dataclass(frozen=True, slots=True)
class _Table:
    schema: TableSchema
    keys: KeySchema | None
    misfits: MisfitPolicy

    def push(self, term: exp.Expr, alias: str) -> Pushed | None:
        """Returns a term for the service; None if it is DuckDB's alone."""
        match term:
            case exp.And():
                parts = [self.push(one.unnest(), alias) for one in term.flatten()]
                found = [one for one in parts if one is not None]
                if not found:
                    return None
                exact = len(found) == len(parts) and all(one.exact for one in found)
                return Pushed(conjunction(*(one.node for one in found)), exact)
            case exp.Or():
                parts = [self.push(one.unnest(), alias) for one in term.flatten()]
                found = [one for one in parts if one is not None]
                if len(found) < len(parts):
                    return None
                exact = all(one.exact for one in found)
                return Pushed(disjunction(*(one.node for one in found)), exact)
            case _:
                return self._leaf(term, alias)

    def _leaf(  # noqa: PLR0911 - one line a kind of term
        self, term: exp.Expr, alias: str
    ) -> Pushed | None:
        match term:
            case exp.Is(expression=exp.Null()):
                return self._null_test(self._column(term.this, alias), is_null=True)
            case exp.Not(this=exp.Is(expression=exp.Null()) as test):
                return self._null_test(self._column(test.this, alias), is_null=False)
            case exp.Between() if not term.args.get("symmetric"):
                return self._between(term, alias)
            case exp.In() if term.expressions:
                return self._in(term, alias)
            case exp.Like() | exp.StartsWith():
                return self._prefix(term, alias)
            case exp.Column():
                column = self._column(term, alias)
                if column is None or column.type.kind != "BOOLEAN":
                    return None
                return self._compared(column, "=", {"BOOL": True})
            case _ if type(term) in _COMPARATORS:
                return self._comparison(term, alias)
            case _:
                return None

    def _column(self, term: exp.Expr, alias: str) -> Column | None:
        term = term.unnest()
        if not isinstance(term, exp.Column) or term.table != alias:
            return None
        return self.schema.find(term.name)

    def _is_key(self, column: Column) -> bool:
        if self.keys is None:
            return False
        parts = (self.keys.partition_key, self.keys.sort_key)
        return any(
            part is not None
            and part.name == column.attribute
            and column.tags == (part.type,)
            for part in parts
        )

    # --- IS NULL ---

    def _null_test(self, column: Column | None, *, is_null: bool) -> Pushed | None:
        if column is None:
            return None
        path = Path(column.attribute)
        if not is_null:
            # What is there but does not fit is NULL, or asks to be seen.
            there = conjunction(AttributeExists(path), negation(_is_type(path, "NULL")))
            fits = column.type.kind in (*_BY_TYPE, "DOUBLE") and self._is_key(column)
            return Pushed(there, exact=fits or not column.tags)
        if column.type.kind in ("BIGINT", "DECIMAL", "LIST", "STRUCT", "MAP"):
            return None  # a number, or a list, that does not fit is NULL too
        nothing: Node = disjunction(AttributeNotExists(path), _is_type(path, "NULL"))
        if not column.tags:
            return Pushed(nothing, exact=True)
        others = conjunction(*(negation(_is_type(path, tag)) for tag in column.tags))
        exact = self.misfits == "null"
        return Pushed(disjunction(nothing, others), exact)

    # --- Comparisons ---

    def _comparison(self, term: exp.Expr, alias: str) -> Pushed | None:
        comparator = _COMPARATORS[type(term)]
        column, other = self._column(term.this, alias), term.expression
        if column is None:
            column, other = self._column(other, alias), term.this
            comparator = _MIRRORED[comparator]
        if column is None:
            return None
        tagged = constant(other, column)
        return None if tagged is None else self._compared(column, comparator, tagged)

    def _compared(
        self, column: Column, comparator: Comparator, tagged: dict[str, Any]
    ) -> Pushed | None:
        path = Path(column.attribute)
        if column.type.kind != "DOUBLE" or comparator == "<>":
            node: Node = Comparison(comparator, path, literal(tagged))
            if comparator == "<>" and not self._is_key(column):
                # To the service what is not there differs from everything.
                node = conjunction(_is_type(path, column.tags[0]), node)
            exact = column.type.kind in _BY_TYPE or (
                comparator == "=" and column.type.kind != "DOUBLE"
            )
            return self._widened(column, node, exact=exact)
        below, above = neighbours(tagged["N"])
        match comparator:
            case "=":
                node = Between(path, below, above)
            case "<" | "<=":
                node = Comparison("<=", path, above)
            case _:
                node = Comparison(">=", path, below)
        return self._widened(column, node, exact=False)

    def _between(self, term: exp.Between, alias: str) -> Pushed | None:
        column = self._column(term.this, alias)
        if column is None:
            return None
        low = constant(term.args["low"], column)
        high = constant(term.args["high"], column)
        if low is None or high is None:
            return None
        if column.type.kind != "DOUBLE":
            node = Between(Path(column.attribute), literal(low), literal(high))
            exact = column.type.kind in _BY_TYPE
            return self._widened(column, node, exact=exact)
        first, second = (
            self._compared(column, ">=", low),
            self._compared(column, "<=", high),
        )
        assert first is not None
        assert second is not None
        return Pushed(
            conjunction(first.node, second.node), first.exact and second.exact
        )

    def _in(self, term: exp.In, alias: str) -> Pushed | None:
        column = self._column(term.this, alias)
        if column is None or len(term.expressions) > _MAX_CHOICES:
            return None
        choices = [constant(each, column) for each in term.expressions]
        tagged = [each for each in choices if each is not None]
        if len(tagged) < len(choices):
            return None
        if column.type.kind == "DOUBLE":
            parts = [self._compared(column, "=", each) for each in tagged]
            found = [one.node for one in parts if one is not None]
            return Pushed(disjunction(*found), exact=False)
        distinct = dict.fromkeys(literal(each) for each in tagged)
        node = In(Path(column.attribute), tuple(distinct))
        return self._widened(column, node, exact=True)

    def _prefix(self, term: exp.Expr, alias: str) -> Pushed | None:
        column = self._column(term.this, alias)
        pattern = term.expression
        if (
            column is None
            or column.tags != ("S",)
            or not isinstance(pattern, exp.Literal)
            or not pattern.is_string
        ):
            return None
        text, exact = pattern.this, True
        if isinstance(term, exp.Like):
            text = text.split("%")[0].split("_")[0]
            exact = pattern.this == f"{text}%"
            if "\\" in pattern.this:
                return None
        if not text:
            return None
        node = BeginsWith(Path(column.attribute), literal({"S": text}))
        return self._widened(column, node, exact=exact)

    def _widened(self, column: Column, node: Node, *, exact: bool) -> Pushed:
        """Lets pass what is there and of a type that does not fit, if it is wanted."""
        if self.misfits == "null" or self._is_key(column):
            return Pushed(node, exact)
        path = Path(column.attribute)
        odd = conjunction(
            AttributeExists(path),
            *(negation(_is_type(path, tag)) for tag in (*column.tags, "NULL")),
        )
        return Pushed(disjunction(node, odd), exact=False)


def _is_type(path: Path, tag: str) -> AttributeType:
    return AttributeType(path, literal({"S": tag}))
