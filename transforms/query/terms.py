"""Terms of a WHERE as conditions of DynamoDB's: never less than SQL keeps.

Where the two differ the condition is wider: a DOUBLE is compared with its neighbours,
as SQL rounds and the service does not, and items of a type that does not fit the
column pass, so that they are counted, kept aside or refused as chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from transforms.dynamodb.expressions.syntax import (
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Between,
    Comparator,
    Comparison,
    Contains,
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

__all__ = ["Pushed", "TableTerms"]

# The service's limit on the operands of IN.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
_MAX_CHOICES = 100

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
class TableTerms:
    """The terms of one table.

    Attributes:
        schema: its columns.
        keys: its key attributes, if it is a DynamoDB table.
        misfits: under "null" an item that does not fit need not be seen at all.
        by_value: numbers are compared as the service does, by all their digits,
            instead of as the column's type would round them.
    """

    schema: TableSchema
    keys: KeySchema | None
    misfits: MisfitPolicy
    by_value: bool = False

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
            case exp.Not():
                return self._negated(term.this.unnest(), alias)
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
        if column is None or (
            # A text that is no date is NULL too.
            column.type.kind in ("DATE", "TIMESTAMP") and (is_null or self.by_value)
        ):
            return None
        path = Path(column.attribute)
        if not is_null:
            # What is there but does not fit is NULL, or asks to be seen.
            there = conjunction(AttributeExists(path), negation(_is_type(path, "NULL")))
            if self.by_value:
                of_type = disjunction(*(_is_type(path, tag) for tag in column.tags))
                return Pushed(of_type, exact=True)
            fits = column.type.kind in (*_BY_TYPE, "DOUBLE") and self._is_key(column)
            return Pushed(there, exact=fits or not column.tags)
        if self._rounds(column) or column.type.kind in ("LIST", "STRUCT", "MAP"):
            return None  # a number, or a list, that does not fit is NULL too
        nothing: Node = disjunction(AttributeNotExists(path), _is_type(path, "NULL"))
        if not column.tags:
            return Pushed(nothing, exact=True)
        others = conjunction(*(negation(_is_type(path, tag)) for tag in column.tags))
        exact = self.misfits == "null"
        return Pushed(disjunction(nothing, others), exact)

    def _rounds(self, column: Column) -> bool:
        """True if some numbers do not fit the column, which no condition tells."""
        return column.type.kind in ("BIGINT", "DECIMAL") and not self.by_value

    def _negated(self, term: exp.Expr, alias: str) -> Pushed | None:
        """NOT of a term that is exact: there, of the type, and not so."""
        if not isinstance(term, exp.In | exp.Like | exp.Between | exp.Column):
            return None
        operand = term if isinstance(term, exp.Column) else term.this
        column = self._column(operand, alias)
        inner = replace(self, misfits="null").push(term, alias)
        if column is None or inner is None or not inner.exact:
            return None
        of_type = _is_type(Path(column.attribute), column.tags[0])
        node = conjunction(of_type, negation(inner.node))
        exact = self.by_value or column.type.kind in _BY_TYPE
        return self._widened(column, node, exact=exact)

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
        if column.type.kind != "DOUBLE" or comparator == "<>" or self.by_value:
            node: Node = Comparison(comparator, path, literal(tagged))
            if comparator == "<>" and not self._is_key(column):
                # To the service what is not there differs from everything.
                node = conjunction(_is_type(path, column.tags[0]), node)
            exact = (
                self.by_value
                or column.type.kind in _BY_TYPE
                or (comparator == "=" and column.type.kind != "DOUBLE")
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
        if column.type.kind != "DOUBLE" or self.by_value:
            node = Between(Path(column.attribute), literal(low), literal(high))
            exact = self.by_value or column.type.kind in _BY_TYPE
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
        if column.type.kind == "DOUBLE" and not self.by_value:
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
            or column.type.kind != "VARCHAR"
            or column.tags != ("S",)
            or not isinstance(pattern, exp.Literal)
            or not pattern.is_string
        ):
            return None
        text, exact = pattern.this, True
        if isinstance(term, exp.Like):
            inner = text.strip("%")
            if text == f"%{inner}%" and inner and not set(inner) & set("%_\\"):
                path = Path(column.attribute)
                node: Node = conjunction(
                    _is_type(path, "S"), Contains(path, literal({"S": inner}))
                )
                return self._widened(column, node, exact=True)
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
