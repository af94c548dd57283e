"""What a SELECT makes of its joined rows: filters, groups, windows, order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from transforms.query.aggregating import Aggregate, aggregates_in, is_mergeable
from transforms.query.describing import Describer
from transforms.query.joining import Columns, Joined, Relation, flat
from transforms.query.schema import quote_name
from transforms.query.stages import (
    INPUT,
    Input,
    Node,
    Partitioned,
    columns_sql,
    then,
)
from transforms.query.statement import DIALECT

__all__ = ["Selection", "select_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A SELECT over flat columns.

    Attributes:
        outs: its expressions.
        names: what they are called.
        where: which rows; None for all.
        groups: of GROUP BY; None without one.
        having: which groups.
        qualify: which rows, by windows.
        orders: the expressions of ORDER BY, and how: ``DESC NULLS LAST``.
        is_distinct: True for SELECT DISTINCT.
        limit: LIMIT and OFFSET as SQL; empty without.
        most: rows enough for the limit; None if all are needed.
    """

    outs: tuple[exp.Expr, ...]
    names: tuple[str, ...]
    where: exp.Expr | None = None
    groups: tuple[exp.Expr, ...] | None = None
    having: exp.Expr | None = None
    qualify: exp.Expr | None = None
    orders: tuple[tuple[exp.Expr, str], ...] = ()
    is_distinct: bool = False
    limit: str = ""
    most: int | None = None

    @classmethod
    def of(
        cls,
        query: exp.Expr,
        outs: list[exp.Expr],
        names: tuple[str, ...],
        columns: Columns,
    ) -> "Selection":
        """Reads a SELECT (or the ORDER BY and LIMIT of a UNION)."""
        flat_outs = tuple(flat(each, columns) for each in outs)
        by_name = {
            name.lower(): each for name, each in zip(names, flat_outs, strict=True)
        }

        def part(name: str) -> exp.Expr | None:
            found = query.args.get(name)
            if found is None:
                return None
            return _with_names(flat(found.this, columns), by_name)

        is_select = isinstance(query, exp.Select)
        limit, most = _limit(query)
        return cls(
            outs=flat_outs,
            names=names,
            where=part("where"),
            groups=_groups(query, flat_outs, columns, by_name),
            having=part("having"),
            qualify=part("qualify"),
            orders=tuple(_orders(query, columns, by_name)),
            is_distinct=is_select and query.args.get("distinct") is not None,
            limit=limit,
            most=most,
        )

    def expressions(self) -> Iterator[exp.Expr]:
        """Yields what is computed of the groups, or of the rows."""
        yield from self.outs
        yield from (order for order, _ in self.orders)
        yield from (each for each in (self.having, self.qualify) if each is not None)

    def changed(self, change: Callable[[exp.Expr], exp.Expr]) -> "Selection":
        """Returns the selection with each of those expressions changed."""
        return replace(
            self,
            outs=tuple(map(change, self.outs)),
            orders=tuple((change(order), how) for order, how in self.orders),
            having=None if self.having is None else change(self.having),
            qualify=None if self.qualify is None else change(self.qualify),
        )


def _with_names(expression: exp.Expr, by_name: dict[str, exp.Expr]) -> exp.Expr:
    """Puts a selected expression for its alias."""

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table:
            found = by_name.get(node.name.lower())
            return node if found is None else found.copy()
        return node

    changed: exp.Expr = expression.copy().transform(change)
    return changed


def _groups(
    query: exp.Expr,
    outs: tuple[exp.Expr, ...],
    columns: Columns,
    by_name: dict[str, exp.Expr],
) -> tuple[exp.Expr, ...] | None:
    group = query.args.get("group")
    if group is None:
        return None
    if group.args.get("all"):
        return tuple(each for each in outs if not aggregates_in([each]))
    found = []
    for each in group.expressions:
        if isinstance(each, exp.Literal) and each.is_int:
            found.append(outs[int(each.name) - 1])
        else:
            found.append(_with_names(flat(each, columns), by_name))
    return tuple(found)


def _orders(
    query: exp.Expr, columns: Columns, by_name: dict[str, exp.Expr]
) -> Iterator[tuple[exp.Expr, str]]:
    order = query.args.get("order")
    outs = list(by_name.values())
    for each in () if order is None else order.expressions:
        key = each.this
        if isinstance(key, exp.Literal) and key.is_int:
            expression = outs[int(key.name) - 1]
        else:
            expression = _with_names(flat(key, columns), by_name)
        direction = "DESC" if each.args.get("desc") else "ASC"
        nulls = "FIRST" if each.args.get("nulls_first") else "LAST"
        yield expression, f"{direction} NULLS {nulls}"


def _limit(query: exp.Expr) -> tuple[str, int | None]:
    limit, offset = query.args.get("limit"), query.args.get("offset")
    words = " ".join(
        part.sql(dialect=DIALECT) for part in (limit, offset) if part is not None
    )
    counts = [
        part.expression.name
        for part in (limit, offset)
        if part is not None and isinstance(part.expression, exp.Literal)
    ]
    is_plain = limit is not None and all(count.isdecimal() for count in counts)
    return words, sum(map(int, counts)) if is_plain and counts else None


def select_rows(
    selection: Selection,
    joined: Joined,
    describer: Describer,
    broadcasts: tuple[Input, ...],
) -> Relation:
    """Returns the stages of a SELECT after its joins."""
    return _Selecting(describer, broadcasts).run(selection, joined.node)


class _Selecting:
    def __init__(self, describer: Describer, broadcasts: tuple[Input, ...]) -> None:
        self._describer = describer
        self._broadcasts = broadcasts

    def run(self, selection: Selection, node: Node) -> Relation:
        if selection.where is not None:
            names = columns_sql([name for name, _ in node.shape])
            node = self._then(
                node,
                f"SELECT {names} FROM {INPUT} WHERE {_text(selection.where)}",  # noqa: S608
            )
            selection = replace(selection, where=None)
        if self._aggregates(selection, node):
            node = self._grouped(selection, node)
        elif _windows(selection):
            node = self._windowed(selection, node)
        else:
            node = self._then(node, _projection(selection, INPUT))
        return self._finished(selection, node)

    def _then(self, node: Node, sql: str) -> Node:
        shape = self._describer.shape(sql, node.shape, self._broadcasts)
        return then(node, sql, shape, self._broadcasts)

    def _partitioned(self, node: Node, keys: tuple[str, ...], sql: str) -> Node:
        """Runs SQL that reads `INPUT` in the partitions by `keys`."""
        inputs = (Input("rows", node, keys),)
        shape = self._describer.shape(sql, node.shape, self._broadcasts)
        names = columns_sql([name for name, _ in node.shape])
        rows = f'(SELECT {names} FROM "rows")'  # noqa: S608
        return Partitioned(inputs, sql.replace(INPUT, rows), shape, self._broadcasts)

    # --- GROUP BY ---

    def _aggregates(self, selection: Selection, node: Node) -> bool:
        if selection.groups is not None:
            return True
        if selection.having is not None or aggregates_in(selection.expressions()):
            return True
        if not selection.outs or _windows(selection):
            return False
        sql = _projection(selection, INPUT)
        return self._describer.aggregates(sql, node.shape, self._broadcasts)

    def _grouped(self, selection: Selection, node: Node) -> Node:
        groups = selection.groups or ()
        aggregates = aggregates_in(selection.expressions())
        if all(map(is_mergeable, aggregates)) and self._knows_all(selection):
            return self._merged(selection, node, groups, aggregates)
        if _windows(selection):
            return self._partitioned(node, (), _projection(selection, INPUT))
        keys = tuple(f"group {place}" for place in range(len(groups)))
        columns = columns_sql([name for name, _ in node.shape])
        added = "".join(
            f", {_text(each)} AS {quote_name(key)}"
            for each, key in zip(groups, keys, strict=True)
        )
        keyed = self._then(node, f"SELECT {columns}{added} FROM {INPUT}")  # noqa: S608
        return self._partitioned(keyed, keys, _projection(selection, INPUT))

    def _knows_all(self, selection: Selection) -> bool:
        """False if a function that sqlglot has no word for is an aggregate."""
        return not any(
            self._describer.is_aggregate(function.name)
            for expression in selection.expressions()
            for function in expression.find_all(exp.Anonymous)
        )

    def _merged(
        self,
        selection: Selection,
        node: Node,
        groups: tuple[exp.Expr, ...],
        aggregates: list[exp.Expr],
    ) -> Node:
        """Partial aggregates in each bundle, merged by the key of the group."""
        parts = [
            Aggregate.of(each, f"agg {place}") for place, each in enumerate(aggregates)
        ]
        keys = tuple(f"group {place}" for place in range(len(groups)))
        keyed = [
            f"{_text(each)} AS {quote_name(key)}"
            for each, key in zip(groups, keys, strict=True)
        ]
        partial = [*keyed, *(item for each in parts for item in each.partial)]
        # A group of no aggregates is a DISTINCT; SELECT needs an expression anyway.
        by = f" GROUP BY {', '.join(map(_text, groups))}" if groups else ""
        kinds = self._kinds(aggregates, node, by)
        node = self._then(node, f"SELECT {', '.join(partial)} FROM {INPUT}{by}")  # noqa: S608
        merged = [
            *map(quote_name, keys),
            *(each.merged(kind) for each, kind in zip(parts, kinds, strict=True)),
        ]
        again = f" GROUP BY {columns_sql(keys)}" if keys else ""
        node = self._partitioned(
            node,
            keys,
            f"SELECT {', '.join(merged)} FROM {INPUT}{again}",  # noqa: S608
        )
        replaced = {_text(each): key for each, key in zip(groups, keys, strict=True)}
        replaced |= {
            _text(each): part.name for each, part in zip(aggregates, parts, strict=True)
        }
        after = selection.changed(lambda each: _put(each, replaced))
        after = replace(after, groups=None)
        if after.having is not None:
            names = columns_sql([name for name, _ in node.shape])
            node = self._then(
                node,
                f"SELECT {names} FROM {INPUT} WHERE {_text(after.having)}",  # noqa: S608
            )
            after = replace(after, having=None)
        if _windows(after):
            return self._windowed(after, node)
        return self._then(node, _projection(after, INPUT))

    def _kinds(self, aggregates: list[exp.Expr], node: Node, by: str) -> list[str]:
        if not aggregates:
            return []
        items = ", ".join(
            f"{_text(each)} AS a{place}" for place, each in enumerate(aggregates)
        )
        sql = f"SELECT {items} FROM {INPUT}{by}"  # noqa: S608
        found = self._describer.shape(sql, node.shape, self._broadcasts)
        return [kind for _, kind in found]

    # --- OVER ---

    def _windowed(self, selection: Selection, node: Node) -> Node:
        lists = [
            {_text(each): each for each in window.args.get("partition_by") or ()}
            for window in _windows(selection)
        ]
        common = set(lists[0]).intersection(*lists[1:])
        parts = [lists[0][text] for text in sorted(common)]
        keys = tuple(f"window {place}" for place in range(len(parts)))
        columns = columns_sql([name for name, _ in node.shape])
        added = "".join(
            f", {_text(each)} AS {quote_name(key)}"
            for each, key in zip(parts, keys, strict=True)
        )
        node = self._then(node, f"SELECT {columns}{added} FROM {INPUT}")  # noqa: S608
        return self._partitioned(node, keys, _projection(selection, INPUT))

    # --- DISTINCT, ORDER BY, LIMIT ---

    def _finished(self, selection: Selection, node: Node) -> Relation:
        outs = tuple(f"c{place}" for place in range(len(selection.outs)))
        orders = ", ".join(
            f"{quote_name(f'o{place}')} {how}"
            for place, (_, how) in enumerate(selection.orders)
        )
        every = columns_sql([name for name, _ in node.shape])
        if selection.is_distinct:
            keys = tuple(name for name, _ in node.shape)
            once = f"SELECT DISTINCT {every} FROM {INPUT}"  # noqa: S608
            node = self._partitioned(self._then(node, once), keys, once)
        if orders or selection.limit:
            by = f" ORDER BY {orders}" if orders else ""
            if selection.most is not None:
                node = self._then(
                    node,
                    f"SELECT {every} FROM {INPUT}{by} LIMIT {selection.most}",  # noqa: S608
                )
            node = self._partitioned(
                node,
                (),
                f"SELECT {columns_sql(outs)} FROM {INPUT}{by} {selection.limit}",  # noqa: S608
            )
        return Relation(
            node=node, columns=outs, names=selection.names, is_ordered=bool(orders)
        )


def _text(expression: exp.Expr) -> str:
    return expression.sql(dialect=DIALECT)


def _projection(selection: Selection, source: str) -> str:
    """Returns the SELECT: its expressions as c0 …, those of its ORDER BY as o0 …."""
    items = [f"{_text(each)} AS c{place}" for place, each in enumerate(selection.outs)]
    items += [
        f"{_text(each)} AS o{place}" for place, (each, _) in enumerate(selection.orders)
    ]
    parts = [f"SELECT {', '.join(items)} FROM {source}"]  # noqa: S608
    if selection.groups:
        parts.append(f"GROUP BY {', '.join(map(_text, selection.groups))}")
    if selection.having is not None:
        parts.append(f"HAVING {_text(selection.having)}")
    if selection.qualify is not None:
        parts.append(f"QUALIFY {_text(selection.qualify)}")
    return " ".join(parts)


def _windows(selection: Selection) -> list[Any]:
    return [w for each in selection.expressions() for w in each.find_all(exp.Window)]


def _put(expression: exp.Expr, replaced: dict[str, str]) -> exp.Expr:
    """Puts columns for the expressions that they hold, outer ones first."""

    def change(node: exp.Expr) -> exp.Expr:
        name = replaced.get(_text(node))
        return node if name is None else exp.column(name, quoted=True)

    changed: exp.Expr = expression.copy().transform(change)
    return changed
