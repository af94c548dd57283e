"""A query cut into stages: what each worker runs by itself, and what must meet.

    Scan ──Map──┬──Map──▶ Partitioned ──▶ Partitioned ──▶ rows
    Scan ──Map──┘ broadcast   by key        (one place)

A stage is SQL over named inputs, which DuckDB runs: a Map on a bundle's rows alone, a
Partitioned on all rows of a hash partition. The plan is plain data: it can be shown,
and it travels to the workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from transforms.query.schema import quote_name

__all__ = [
    "INPUT",
    "Flattened",
    "Input",
    "Map",
    "Node",
    "Partitioned",
    "Scan",
    "Shape",
    "columns_sql",
    "draw_stages",
    "then",
]

Shape = tuple[tuple[str, str], ...]
"""Columns and their types, in DuckDB's words."""

INPUT = '"rows of the stage before"'
"""Stands in a stage's SQL for what came before it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of one table, filtered by the service where it can.

    Attributes:
        name: the table's name in the query.
        shape: the columns that are needed.
    """

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a stage.

    Attributes:
        name: in the stage's SQL.
        node: where its rows come from.
        keys: columns that rows are partitioned by; of a broadcast none.
    """

    name: str
    node: "Node"
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Map:
    """SQL that a worker runs on the rows of a bundle; broadcasts are whole."""

    source: "Node"
    sql: str
    shape: Shape
    broadcasts: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Partitioned:
    """SQL that runs on all rows of a partition.

    Attributes:
        inputs: each with as many keys as the others. Without keys there is one
            partition, which runs though it has no rows.
        sql: see above.
        shape: its columns.
        broadcasts: what every partition has whole.
    """

    inputs: tuple[Input, ...]
    sql: str
    shape: Shape
    broadcasts: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Flattened:
    """The rows of several nodes of one shape."""

    sources: tuple["Node", ...]
    shape: Shape = field(default=())


Node = Scan | Map | Partitioned | Flattened


def then(
    node: Node, sql: str, shape: Shape, broadcasts: tuple[Input, ...] = ()
) -> Map | Partitioned:
    """Returns the node with SQL after it, which runs in the same place.

    Args:
        node: what comes first.
        sql: reads `INPUT`, once.
        shape: its columns.
        broadcasts: what else it reads.
    """
    if isinstance(node, Scan | Flattened):
        return Map(node, sql, shape, broadcasts)
    named = {each.name: each for each in node.broadcasts}
    if any(named.get(each.name, each) != each for each in broadcasts):
        return Map(node, sql, shape, broadcasts)  # one name for two things
    named |= {each.name: each for each in broadcasts}
    names = columns_sql([name for name, _ in node.shape])
    return replace(
        node,
        sql=sql.replace(INPUT, f'({node.sql}) AS "before"({names})'),
        shape=shape,
        broadcasts=tuple(named.values()),
    )


def draw_stages(node: Node) -> list[str]:
    """Returns the stages as people read them, the last first."""
    return list(_draw(node, 0))


def _draw(node: Node, depth: int) -> Iterator[str]:
    pad = "  " * depth
    sources: tuple[Node, ...] = ()
    match node:
        case Scan(name):
            yield f"{pad}scan {name}"
        case Map():
            yield f"{pad}in each bundle{_with(node.broadcasts)}"
            sources = (node.source,)
        case Partitioned():
            keys = " and ".join(
                f"{len(each.keys)} keys" if len(each.keys) > 1 else "1 key"
                for each in node.inputs[:1]
                if each.keys
            )
            where = f"in partitions by {keys}" if keys else "in one place"
            yield f"{pad}{where}{_with(node.broadcasts)}"
            sources = tuple(each.node for each in node.inputs)
        case Flattened(sources):
            yield f"{pad}all of"
    for source in sources:
        yield from _draw(source, depth + 1)


def _with(broadcasts: tuple[Input, ...]) -> str:
    names = ", ".join(sorted(each.name.removeprefix("all of ") for each in broadcasts))
    return f", with all of {names}" if names else ""


def columns_sql(names: tuple[str, ...] | list[str]) -> str:
    """Returns names as a list of SQL."""
    return ", ".join(map(quote_name, names))
