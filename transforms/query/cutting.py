"""Cuts a query into stages: where its rows must meet, and by which key.

    FROM, JOIN   a small table is broadcast; two big ones meet by their equal keys
    WHERE        in each bundle
    GROUP BY     partial aggregates in each bundle, merged by the group's key; other
                 aggregates run whole in the partition of their group
    OVER         in the partition of their common PARTITION BY keys, else in one place
    DISTINCT     by all columns        ORDER BY, LIMIT   in one place, at the end

A query of small tables alone runs whole in one place, whatever it is. What cannot be
cut so that it gives the same rows is refused, with the reason and the way out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from transforms.dynamodb.errors import UserError
from transforms.query.describing import Describer
from transforms.query.duck import open_session
from transforms.query.joining import Joined, Joiner, Relation
from transforms.query.schema import quote_name
from transforms.query.selecting import Selection, select_rows
from transforms.query.stages import (
    INPUT,
    Flattened,
    Input,
    Node,
    Partitioned,
    Scan,
    Shape,
    columns_sql,
    then,
)
from transforms.query.statement import (
    DIALECT,
    Qualified,
    ResultColumn,
)

__all__ = ["CutQuery", "cut_query"]

Env = Mapping[str, Relation]


@dataclass(frozen=True, slots=True)
class CutQuery:
    """A query as stages.

    Attributes:
        last: the stage whose rows are the result; its columns are `c0`, `c1` ….
        result: the names and types of those columns.
    """

    last: Node
    result: tuple[ResultColumn, ...]

    def arrow_schema(self) -> pa.Schema:
        """Returns the result's columns as Arrow has them, under their own names."""
        with open_session(memory_mb=256, threads=1) as session:
            items = ", ".join(
                f"CAST(NULL AS {one.type}) AS c{place}"
                for place, one in enumerate(self.result)
            )
            schema = session.sql(f"SELECT {items} LIMIT 0").to_arrow_reader().schema
        return pa.schema(
            [
                pa.field(one.name, field.type)
                for one, field in zip(self.result, schema, strict=True)
            ]
        )


def cut_query(
    qualified: Qualified,
    shapes: Mapping[str, Shape],
    small: frozenset[str],
    result: tuple[ResultColumn, ...],
) -> CutQuery:
    """Cuts a query.

    Args:
        qualified: the query.
        shapes: the columns of its tables, by their plain names (t0, t1 …).
        small: those of them that fit in each worker's memory.
        result: what the query gives.

    Raises:
        UserError: it cannot be cut; says why, and what to write instead.
    """
    with open_session(memory_mb=256, threads=1) as session:
        cutter = _Cutter(Describer(session), qualified, shapes, small)
        relation = cutter.cut(qualified.tree, {})
        casts = ", ".join(
            f"CAST({quote_name(name)} AS {column.type}) AS {quote_name(name)}"
            for name, column in zip(relation.columns, result, strict=True)
        )
        if isinstance(relation.node, Partitioned) and relation.is_ordered:
            # A SELECT around an ORDER BY need not keep its order.
            return CutQuery(relation.node, result)
        shape = tuple(
            (name, column.type)
            for name, column in zip(relation.columns, result, strict=True)
        )
        last = then(relation.node, f"SELECT {casts} FROM {INPUT}", shape)  # noqa: S608
        return CutQuery(last, result)


class _Cutter:
    def __init__(
        self,
        describer: Describer,
        qualified: Qualified,
        shapes: Mapping[str, Shape],
        small: frozenset[str],
    ) -> None:
        self._describer = describer
        self._names = qualified.names
        self._shapes = shapes
        self._small = small

    def cut(self, query: exp.Expr, env: Env) -> Relation:
        """Returns the rows of a query; `env` has those of the WITH around it."""
        query = query.unnest() if isinstance(query, exp.Subquery) else query
        tables = self._tables(query)
        if all(name in self._small or self._is_small(name, env) for name in tables):
            return self._whole(query, tables, env)
        with_ = query.args.get("with_")
        if with_ is not None:
            if with_.args.get("recursive"):
                raise UserError(
                    "a recursive WITH over a big table cannot be cut into parts; run "
                    "the query on one machine (without flags of Beam's)"
                )
            inner = dict(env)
            for cte in with_.expressions:
                relation = self.cut(cte.this, inner)
                inner[cte.alias] = relation.named(cte.alias_column_names)
            env = inner
        if isinstance(query, exp.SetOperation):
            return self._set_operation(query, env)
        assert isinstance(query, exp.Select)
        return self._select(query, env)

    # --- in one place ---

    def _tables(self, query: exp.Expr) -> tuple[str, ...]:
        """Returns what a query reads that is not its own: tables, and outer queries."""
        names = [
            source.name
            for scope in traverse_scope(query)
            for source in scope.sources.values()
            if isinstance(source, exp.Table)
        ]
        return tuple(dict.fromkeys(names))

    def _is_small(self, name: str, env: Env) -> bool:
        return name in env and env[name].is_small

    def _input(self, name: str, env: Env) -> Input:
        if name in env:
            return Input(name, env[name].as_table())
        return Input(name, Scan(self._names[name], self._shapes[name]))

    def _whole(self, query: exp.Expr, tables: tuple[str, ...], env: Env) -> Relation:
        inputs = tuple(self._input(name, env) for name in tables)
        sql = query.sql(dialect=DIALECT)
        found = self._describer.shape(sql, inputs=inputs)
        columns = tuple(f"c{place}" for place in range(len(found)))
        shape = tuple(
            (name, kind) for name, (_, kind) in zip(columns, found, strict=True)
        )
        return Relation(
            node=Partitioned(inputs, sql, shape),
            columns=columns,
            names=tuple(name for name, _ in found),
            is_small=True,
            is_ordered=True,
        )

    # --- UNION and the like ---

    def _set_operation(self, query: exp.SetOperation, env: Env) -> Relation:
        left, right = self.cut(query.this, env), self.cut(query.expression, env)
        kind = query.key.upper()  # UNION, EXCEPT or INTERSECT
        every = "" if query.args.get("distinct") else " ALL"
        if query.args.get("by_name"):
            raise UserError(
                f"{kind} BY NAME of a big table cannot be cut into parts; give the "
                "columns of both sides in one order"
            )
        inputs = (Input("l", left.node), Input("r", right.node))
        sql = (
            f"SELECT {columns_sql(left.columns)} FROM l {kind}{every} "  # noqa: S608
            f"SELECT {columns_sql(right.columns)} FROM r"
        )
        shape = self._describer.shape(sql, inputs=inputs)
        left, right = left.cast(shape), right.cast(shape)
        if kind == "UNION" and every:
            node: Node = Flattened((left.node, right.node), shape)
        else:
            keys = left.columns
            node = Partitioned(
                (Input("l", left.node, keys), Input("r", right.node, keys)), sql, shape
            )
        relation = Relation(node=node, columns=left.columns, names=left.names)
        outs: list[exp.Expr] = [exp.column(name, quoted=True) for name in left.columns]
        if not (query.args.get("order") or query.args.get("limit")):
            return relation
        selection = Selection.of(query, outs, left.names, {})
        joined = Joined(relation.node, {}, is_small=False)
        return select_rows(selection, joined, self._describer, ())

    # --- SELECT ---

    def _select(self, select: exp.Select, env: Env) -> Relation:
        _check_parts(select)
        joiner = Joiner(self._describer, select)
        from_ = select.args["from_"]
        joined = joiner.start(*self._source(from_.this, env))
        for join in select.args.get("joins") or ():
            joined = joiner.join(joined, join, *self._source(join.this, env))
        broadcasts = self._subqueries(select, env)
        selection = Selection.of(
            select,
            [each.unalias() for each in select.expressions],
            tuple(each.alias_or_name for each in select.expressions),
            joined.columns,
        )
        return select_rows(selection, joined, self._describer, broadcasts)

    def _source(self, source: exp.Expr, env: Env) -> tuple[str, Relation]:
        alias = source.alias_or_name
        if isinstance(source, exp.Subquery):
            return alias, self.cut(source.this, env).named(source.alias_column_names)
        if not isinstance(source, exp.Table) or not isinstance(
            source.this, exp.Identifier
        ):
            raise UserError(
                f"{source.sql(dialect=DIALECT)} beside a big table cannot be cut into "
                "parts; join tables and queries only"
            )
        if source.name in env:
            return alias, env[source.name]
        shape = self._shapes[source.name]
        names = tuple(name for name, _ in shape)
        node = Scan(self._names[source.name], shape)
        is_small = source.name in self._small
        return alias, Relation(node=node, columns=names, names=names, is_small=is_small)

    def _subqueries(self, select: exp.Select, env: Env) -> tuple[Input, ...]:
        """Returns what the queries inside expressions read, to be broadcast."""
        names: dict[str, None] = {}
        places = [*select.expressions]
        places += [
            select.args[each]
            for each in ("where", "having", "qualify", "order")
            if select.args.get(each)
        ]
        places += [
            join.args["on"]
            for join in select.args.get("joins") or ()
            if join.args.get("on")
        ]
        for place in places:
            for query in place.find_all(exp.Query):
                names |= dict.fromkeys(self._tables(query))
        big = [n for n in names if n not in self._small and not self._is_small(n, env)]
        if big:
            shown = self._names.get(big[0], big[0])
            raise UserError(
                f"a query inside an expression reads {shown}, which is too big to be "
                "given to every worker; write it as a JOIN, or raise --broadcast-mb"
            )
        return tuple(self._input(name, env) for name in names)


def _check_parts(select: exp.Select) -> None:
    """Refuses what could only run on all rows at once."""
    group, distinct = select.args.get("group"), select.args.get("distinct")
    sets = (exp.Cube, exp.Rollup, exp.GroupingSets)
    parts = {
        "WINDOW": select.args.get("windows"),
        "DISTINCT ON": distinct is not None and distinct.args.get("on"),
        "GROUPING SETS": group is not None and group.find(*sets) is not None,
        "LATERAL": select.args.get("laterals"),
        "USING SAMPLE": select.args.get("sample"),
    }
    for word, is_there in parts.items():
        if is_there:
            raise UserError(
                f"{word} over a big table cannot be cut into parts; run the query on "
                "one machine, or write it as GROUP BY, OVER and UNION ALL"
            )
