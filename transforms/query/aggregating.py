"""Aggregates in two steps: parts of each bundle, and what is made of all the parts."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from transforms.query.schema import quote_name
from transforms.query.statement import DIALECT

__all__ = ["Aggregate", "aggregates_in", "is_mergeable"]

_MERGED = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg)


def aggregates_in(expressions: Iterable[exp.Expr]) -> list[exp.Expr]:
    """Returns the aggregates, each once; a window is none, but may hold some."""
    found: dict[str, exp.Expr] = {}
    for expression in expressions:
        _collect(expression, found, is_window=False)
    return list(found.values())


def _collect(node: exp.Expr, found: dict[str, exp.Expr], *, is_window: bool) -> None:
    if isinstance(node, exp.Query):
        return
    is_aggregate = isinstance(node, exp.AggFunc) or (
        isinstance(node, exp.Filter | exp.WithinGroup)
        and isinstance(node.this, exp.AggFunc | exp.Filter)
    )
    if is_aggregate and not is_window:
        found.setdefault(node.sql(dialect=DIALECT), node)
        return
    for name, value in node.args.items():
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, exp.Expr):
                over = isinstance(node, exp.Window) and name == "this"
                wraps = is_window and isinstance(
                    node, exp.Filter | exp.IgnoreNulls | exp.RespectNulls
                )
                _collect(child, found, is_window=over or (wraps and name == "this"))


def is_mergeable(aggregate: exp.Expr) -> bool:
    """True if the whole can be made of parts."""
    inner = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
    if type(inner) not in _MERGED:
        return False
    extra = {name for name, value in inner.args.items() if value} - {"this", "big_int"}
    return not extra and not isinstance(inner.this, exp.Distinct | exp.Order)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate of count, sum, min, max and avg.

    Attributes:
        name: of its column.
        partial: what a bundle computes, ``sum(x) AS "agg 0 sum"``.
    """

    name: str
    partial: tuple[str, ...]
    _merge: str

    @classmethod
    def of(cls, aggregate: exp.Expr, name: str) -> "Aggregate":
        """Cuts an aggregate in two."""
        inner = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
        condition = ""
        if isinstance(aggregate, exp.Filter):
            condition = f" FILTER ({aggregate.expression.sql(dialect=DIALECT)})"
        value = inner.this.sql(dialect=DIALECT)
        part, count = quote_name(f"{name} part"), quote_name(f"{name} count")
        counted = f"count({value}){condition} AS {count}"
        match inner:
            case exp.Count():
                return cls(name, (counted,), f"coalesce(sum({count}), 0)")
            case exp.Avg():
                summed = f"sum({value}){condition} AS {part}"
                merge = f"sum({part})::DOUBLE / nullif(sum({count}), 0)"
                return cls(name, (summed, counted), merge)
            case _:
                word = inner.key.lower()
                own = f"{word}({value}){condition} AS {part}"
                return cls(name, (own,), f"{word}({part})")

    def merged(self, kind: str) -> str:
        """Returns the whole of the parts, in the type that the aggregate has."""
        return f"CAST({self._merge} AS {kind}) AS {quote_name(self.name)}"
