"""Joins: which side goes to every worker, and by which keys two big ones meet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from transforms.dynamodb.errors import UserError
from transforms.query.describing import Describer
from transforms.query.schema import quote_name
from transforms.query.stages import (
    INPUT,
    Input,
    Map,
    Node,
    Partitioned,
    Shape,
    columns_sql,
    then,
)
from transforms.query.statement import DIALECT

__all__ = ["Joined", "Joiner", "Relation", "flat"]

Columns = Mapping[tuple[str, str], str]
"""The column of the joined rows for a table's alias and a name."""

_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL", "HUGEINT", "FLOAT", "SMALLINT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The rows of a table or a query.

    Attributes:
        node: where they come from.
        columns: their columns, in the node's words.
        names: the same in the query's words.
        is_small: True if they may be given to every worker.
        is_ordered: True if the node's SQL orders them.
    """

    node: Node
    columns: tuple[str, ...]
    names: tuple[str, ...]
    is_small: bool = False
    is_ordered: bool = False

    def named(self, names: list[str]) -> "Relation":
        """Returns the same rows with other names, if there are any."""
        return replace(self, names=(*names, *self.names[len(names) :]))

    def as_table(self) -> Map | Partitioned:
        """Returns the rows in columns that have the query's names."""
        pairs = list(zip(self.columns, self.names, strict=True))
        items = ", ".join(f"{quote_name(c)} AS {quote_name(n)}" for c, n in pairs)
        kinds = dict(self.node.shape)
        shape = tuple((name, kinds[column]) for column, name in pairs)
        return then(self.node, f"SELECT {items} FROM {INPUT}", shape)  # noqa: S608

    def cast(self, shape: Shape) -> "Relation":
        """Returns the rows in columns of these names and types."""
        pairs = zip(self.columns, shape, strict=True)
        items = ", ".join(
            f"CAST({quote_name(column)} AS {kind}) AS {quote_name(name)}"
            for column, (name, kind) in pairs
        )
        node = then(self.node, f"SELECT {items} FROM {INPUT}", shape)  # noqa: S608
        return replace(self, node=node, columns=tuple(name for name, _ in shape))


@dataclass(frozen=True, slots=True)
class Joined:
    """The rows of FROM and its JOINs so far."""

    node: Node
    columns: Columns
    is_small: bool

    @property
    def aliases(self) -> set[str]:
        """The tables that are in it."""
        return {alias for alias, _ in self.columns}


def flat(expression: exp.Expr, columns: Columns) -> exp.Expr:
    """Returns an expression over the joined rows, whose columns have one name each."""

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.table:
            name = columns.get((node.table, node.name.lower()))
            if name is not None:
                return exp.column(name, quoted=True)
        return node

    changed: exp.Expr = expression.copy().transform(change)
    return changed


class Joiner:
    """Joins the sources of one SELECT, one after the other."""

    def __init__(self, describer: Describer, select: exp.Select) -> None:
        self._describer = describer
        where = select.args.get("where")
        self._terms = [] if where is None else list(_terms(where.this))
        joins = select.args.get("joins") or ()
        self._sides = {(join.side or "").upper() for join in joins}

    def start(self, alias: str, relation: Relation) -> Joined:
        """Returns the rows of FROM, each column under a name of its own."""
        columns = {(alias, name.lower()): f"{alias}.{name}" for name in relation.names}
        pairs = zip(relation.columns, columns.values(), strict=True)
        items = ", ".join(f"{quote_name(c)} AS {quote_name(n)}" for c, n in pairs)
        kinds = dict(relation.node.shape)
        shape = tuple(
            (name, kinds[column])
            for column, name in zip(relation.columns, columns.values(), strict=True)
        )
        node = then(relation.node, f"SELECT {items} FROM {INPUT}", shape)  # noqa: S608
        return Joined(node, columns, relation.is_small)

    def join(
        self, left: Joined, join: exp.Join, alias: str, relation: Relation
    ) -> Joined:
        """Returns the rows of a join.

        Raises:
            UserError: both sides are big, and nothing equal of theirs is named.
        """
        right = self.start(alias, relation)
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        words = " ".join(word for word in (side, kind) if word not in ("", "OUTER"))
        words = words or "INNER"
        _check_kind(join, words)
        keeps_right = kind not in ("SEMI", "ANTI")
        columns = {**left.columns, **(right.columns if keeps_right else {})}
        terms = list(self._conditions(join, left, right, words))
        condition = exp.and_(*terms).sql(dialect=DIALECT) if terms else "true"
        if words == "CROSS":
            words = "INNER"
        step = _Step(words, condition, columns, left, right)
        if right.is_small and words in ("INNER", "LEFT", "SEMI", "ANTI", "LEFT SEMI"):
            return step.broadcast_right(self._describer)
        if left.is_small and words in ("INNER", "RIGHT"):
            return step.broadcast_left(self._describer)
        keys = list(self._keys(terms, left, right))
        if not keys and left.is_small and right.is_small:
            return step.meet((), self._describer)
        if not keys:
            raise UserError(
                f"the join with {alias} names nothing that is equal on both sides, and "
                "both are too big to be given to every worker; add an equality to its "
                "ON, raise --broadcast-mb, or run the query on one machine"
            )
        return step.meet(keys, self._describer)

    def _conditions(
        self, join: exp.Join, left: Joined, right: Joined, words: str
    ) -> Iterator[exp.Expr]:
        columns = {**left.columns, **right.columns}
        on = join.args.get("on")
        if on is not None:
            for term in _terms(on):
                yield flat(term, columns)
        if words not in ("INNER", "CROSS") or self._sides & {"RIGHT", "FULL"}:
            return
        # FROM a, b WHERE a.k = b.k is a join by k.
        for term in self._terms:
            aliases = {column.table for column in term.find_all(exp.Column)}
            if (
                isinstance(term, exp.EQ)
                and aliases <= left.aliases | right.aliases
                and aliases & right.aliases
                and not term.find(exp.Query)
            ):
                yield flat(term, columns)

    def _keys(
        self, terms: list[exp.Expr], left: Joined, right: Joined
    ) -> Iterator[tuple[exp.Expr, exp.Expr]]:
        ours, theirs = set(left.columns.values()), set(right.columns.values())
        for term in terms:
            if not isinstance(term, exp.EQ):
                continue
            for one, other in (
                (term.this, term.expression),
                (term.expression, term.this),
            ):
                first = {each.name for each in one.find_all(exp.Column)}
                second = {each.name for each in other.find_all(exp.Column)}
                if first and second and first <= ours and second <= theirs:
                    yield one, other


def _terms(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        for term in condition.flatten():
            yield from _terms(term)
    else:
        yield condition


def _check_kind(join: exp.Join, words: str) -> None:
    known = {"INNER", "CROSS", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"}
    method = join.args.get("method") or join.args.get("using")
    if words in known and not method:
        return
    raise UserError(
        f"{join.sql(dialect=DIALECT)} with a big table cannot be cut into parts; use "
        "INNER, LEFT, RIGHT, FULL, SEMI or ANTI JOIN … ON"
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """One join, in words; its two sides have no column name in common."""

    words: str
    condition: str
    columns: dict[tuple[str, str], str]
    left: Joined
    right: Joined

    def _sql(self, left: str, right: str) -> str:
        names = columns_sql(list(self.columns.values()))
        return (
            f"SELECT {names} FROM {left} "  # noqa: S608 - names are quoted
            f"{self.words} JOIN {right} ON {self.condition}"
        )

    def broadcast_right(self, describer: Describer) -> Joined:
        """Gives the right side to every bundle of the left."""
        table = Input(f"all of {min(self.right.aliases)}", self.right.node)
        sql = self._sql(INPUT, quote_name(table.name))
        return self._after(self.left.node, sql, table, describer)

    def broadcast_left(self, describer: Describer) -> Joined:
        """Gives the left side to every bundle of the right."""
        table = Input(f"all of {min(self.left.aliases)}", self.left.node)
        sql = self._sql(quote_name(table.name), INPUT)
        return self._after(self.right.node, sql, table, describer)

    def _after(
        self, node: Node, sql: str, table: Input, describer: Describer
    ) -> Joined:
        shape = describer.shape(sql, node.shape, (table,))
        is_small = self.left.is_small and self.right.is_small
        return Joined(then(node, sql, shape, (table,)), self.columns, is_small)

    def meet(
        self, keys: list[tuple[exp.Expr, exp.Expr]] | tuple[()], describer: Describer
    ) -> Joined:
        """Brings both sides together, by the keys or in one place."""
        kinds = [self._key_kind(pair, describer) for pair in keys]
        names = tuple(f"key {place}" for place in range(len(keys)))
        left = _with_keys(self.left.node, [one for one, _ in keys], kinds, names)
        right = _with_keys(self.right.node, [other for _, other in keys], kinds, names)
        inputs = (Input("left", left, names), Input("right", right, names))
        # The keys are columns of both sides, and of no other use.
        trimmed = tuple(
            (
                f'(SELECT {columns_sql([n for n, _ in side.node.shape])} FROM "{word}")'  # noqa: S608
            )
            for word, side in (("left", self.left), ("right", self.right))
        )
        sql = self._sql(f'{trimmed[0]} AS "l"', f'{trimmed[1]} AS "r"')
        shape = describer.shape(sql, inputs=inputs)
        is_small = self.left.is_small and self.right.is_small
        return Joined(Partitioned(inputs, sql, shape), self.columns, is_small)

    def _key_kind(self, pair: tuple[exp.Expr, exp.Expr], describer: Describer) -> str:
        """Returns the type in which two keys are compared."""
        sides = zip(pair, (self.left, self.right), strict=True)
        kinds = [
            describer.shape(
                f"SELECT {key.sql(dialect=DIALECT)} FROM {INPUT}",  # noqa: S608
                side.node.shape,
            )[0][1]
            for key, side in sides
        ]
        if kinds[0] == kinds[1]:
            return kinds[0]
        if all(kind.startswith(_NUMBERS) for kind in kinds):
            return "DOUBLE"
        raise UserError(
            f"the join compares {kinds[0]} with {kinds[1]}, which hash apart; cast one "
            "side to the other's type"
        )


def _with_keys(
    node: Node, keys: list[exp.Expr], kinds: list[str], names: tuple[str, ...]
) -> Node:
    if not keys:
        return node
    columns = columns_sql([name for name, _ in node.shape])
    added = ", ".join(
        f"CAST({key.sql(dialect=DIALECT)} AS {kind}) AS {quote_name(name)}"
        for key, kind, name in zip(keys, kinds, names, strict=True)
    )
    shape = (*node.shape, *zip(names, kinds, strict=True))
    return then(node, f"SELECT {columns}, {added} FROM {INPUT}", shape)  # noqa: S608
