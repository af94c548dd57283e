"""What the service can do of what all routes ask: filters, projections, Queries.

    routes --demand_of--> Demand --push_down, with the table's keys--> PushDown

A filter is sent only if every route has one, as their OR, and each route then applies
its own to what comes. A projection is sent only if every attribute that any route reads
is known. Where every route pins the partition key, those keys are read by Query. A
`Demand` is known before the table is, so that it can travel in a job built beforehand.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from transforms.dynamodb.expressions import (
    Condition,
    Path,
    ServiceExpression,
    render_projection,
)
from transforms.dynamodb.expressions.rendering import render_condition
from transforms.dynamodb.expressions.syntax import (
    And,
    In,
    Literal,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
    leaves,
    operands_of,
)
from transforms.dynamodb.key_queries import find_keys
from transforms.dynamodb.tables import KeyAttribute, KeySchema
from transforms.mapping import ItemMapping
from transforms.routes import Filter, Route, as_condition, as_mapping
from transforms.selection import Selection

__all__ = ["Demand", "PushDown", "demand_of", "push_down"]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
# (expression parameters) and Constraints.html: 4 KB a text, 300 operators or functions,
# 100 operands of IN, 2 MB of values.
_MAX_TEXT_BYTES = 4096
_MAX_OPERATORS = 300
_MAX_CHOICES = 100
_MAX_VALUES_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Demand:
    """What the routes of a scan need of its items.

    Attributes:
        conditions: for each route what is true of every item that it keeps; None if
            one of them may keep any item.
        no_filter: why there are none; "" if there are.
        attributes: all that any route reads, less the table's own keys; None if that
            is not known.
        no_projection: why it is not; "" if it is.
        skips_expired: whether the time to live is read as well.
    """

    conditions: tuple[Node, ...] | None
    no_filter: str
    attributes: frozenset[str] | None
    no_projection: str
    skips_expired: bool = False


@dataclass(frozen=True, slots=True)
class PushDown:
    """What is sent with each request of a read.

    Attributes:
        filter: a FilterExpression.
        projection: a ProjectionExpression.
        queries: key conditions, one for each Query; none if the table is scanned.
        notes: what is sent and why not more, for people.
    """

    filter: ServiceExpression | None = None
    projection: ServiceExpression | None = None
    queries: tuple[ServiceExpression, ...] = ()
    notes: tuple[str, ...] = ()


def demand_of(
    routes: Sequence[Route],
    *,
    item_filter: Filter | None = None,
    columns: Mapping[str, str] | None = None,
    selection: Selection | None = None,
    limit: int | None = None,
) -> Demand:
    """Works out what all routes need.

    Args:
        routes: of the copy.
        item_filter: the filter of all of them.
        columns: the columns of all of them; their own filters see the new names.
        selection: which items take part.
        limit: how many items are read; the first ones, whether a filter keeps them.
    """
    conditions, no_filter = _conditions(routes, item_filter, columns)
    if limit is not None:
        conditions, no_filter = None, "--limit takes the first items as they come"
    attributes, no_projection = _attributes(routes, item_filter, columns)
    skips_expired = selection is not None and selection.skip_expired
    return Demand(conditions, no_filter, attributes, no_projection, skips_expired)


def push_down(
    demand: Demand,
    keys: KeySchema,
    *,
    index: str | None = None,
    time_to_live: str | None = None,
) -> PushDown:
    """Completes a demand by what the table is.

    Args:
        demand: of the routes.
        keys: of the table.
        index: the index that is read instead of the table.
        time_to_live: the attribute that says when items expire, if that is asked.
    """
    projection, projection_note = _projection(demand, keys, index, time_to_live)
    if demand.conditions is None:
        note = f"filter: none is sent, {demand.no_filter}"
        return PushDown(None, projection, (), (note, projection_note))
    pinned = None if index else _queries(demand.conditions, keys)
    if pinned is not None:
        queries, rest = pinned
        sent, filter_note = _filter(rest, "no other term is left for it")
        many = "1 Query" if len(queries) == 1 else f"{len(queries):,} Queries"
        head = f"keys: {many} instead of a Scan, every route pins the partition key"
        notes = (head, filter_note, projection_note)
        return PushDown(sent, projection, queries, notes)
    sent, filter_note = _filter(demand.conditions, "")
    return PushDown(sent, projection, (), (filter_note, projection_note))


# --- what routes need -----------------------------------------------------------------


def _conditions(
    routes: Sequence[Route],
    item_filter: Filter | None,
    columns: Mapping[str, str] | None,
) -> tuple[tuple[Node, ...] | None, str]:
    shared = as_condition(item_filter)
    if shared is not None and not isinstance(shared, Condition):
        return None, "the filter of all routes is a Python function"
    sources = columns and {target: source for source, target in columns.items()}
    conditions = []
    for route in routes:
        own = as_condition(route.filter)
        if own is not None and not isinstance(own, Condition):
            return None, f"the filter of route {route.name} is a Python function"
        terms = [] if shared is None else [shared.tree]
        if own is not None and (sources is None or own.attributes <= sources.keys()):
            terms.append(own.tree if sources is None else _renamed(own.tree, sources))
        if not terms:
            return None, f"route {route.name} has no filter"
        conditions.append(conjunction(*terms))
    return tuple(conditions), ""


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    """Returns a tree, or a part of one, with its attributes' names replaced."""
    match part:
        case Path(attribute, steps):
            return Path(names[attribute], steps)
        case tuple():
            return tuple(_renamed(each, names) for each in part)
        case str() | Literal():
            return part
        case _:
            fields = (getattr(part, field.name) for field in dataclasses.fields(part))
            return type(part)(*(_renamed(each, names) for each in fields))


def _attributes(
    routes: Sequence[Route],
    item_filter: Filter | None,
    columns: Mapping[str, str] | None,
) -> tuple[frozenset[str] | None, str]:
    read: frozenset[str] = frozenset()
    shared = as_condition(item_filter)
    if isinstance(shared, Condition):
        read |= shared.attributes
    elif shared is not None:
        return None, "the filter of all routes is a Python function"
    if columns is not None:
        return read | columns.keys(), ""
    for route in routes:
        own = as_condition(route.filter)
        if isinstance(own, Condition):
            read |= own.attributes
        elif own is not None:
            return None, f"the filter of route {route.name} is a Python function"
        attributes, reason = _written_from(route)
        if attributes is None:
            return None, f"route {route.name} {reason}"
        read |= attributes
    return read, ""


def _written_from(route: Route) -> tuple[frozenset[str] | None, str]:
    if route.columns is not None:
        return frozenset(route.columns), ""
    mapping = as_mapping(route.mapping)
    if mapping is None:
        return None, "writes whole items"
    if not isinstance(mapping, ItemMapping):
        return None, "maps by a Python function"
    return mapping.reads, "maps every attribute (*)"


# --- what is sent ---------------------------------------------------------------------


def _filter(
    conditions: Sequence[Node] | None, why_none: str
) -> tuple[ServiceExpression | None, str]:
    if not conditions:
        return None, f"filter: none is sent, {why_none}"
    tree = disjunction(*dict.fromkeys(conditions))
    sent = render_condition(tree)
    beyond = _beyond_limits(tree, sent)
    if beyond:
        return None, f"filter: none is sent, it has {beyond}"
    return sent, f"filter: sent, {_readable(sent)}"


def _beyond_limits(tree: Node, sent: ServiceExpression) -> str:
    """Says which limit of the service an expression exceeds; "" if none."""
    if len(sent.expression.encode()) > _MAX_TEXT_BYTES:
        return "more than 4 KB"
    if len(sent.values) > _MAX_VALUES_BYTES:
        return "more than 2 MB of values"
    if _operators(tree) > _MAX_OPERATORS:
        return "more than 300 operators"
    if any(isinstance(x, In) and len(x.choices) > _MAX_CHOICES for x in leaves(tree)):
        return "more than 100 operands of IN"
    return ""


def _operators(node: Node) -> int:
    match node:
        case Not(term):
            return 1 + _operators(term)
        case And(terms) | Or(terms):
            return len(terms) - 1 + sum(map(_operators, terms))
        case _:
            sizes = sum(hasattr(operand, "path") for operand in operands_of(node))
            return 1 + sizes


def _projection(
    demand: Demand, keys: KeySchema, index: str | None, time_to_live: str | None
) -> tuple[ServiceExpression | None, str]:
    if demand.attributes is None:
        return None, f"projection: none is sent, {demand.no_projection}"
    if index is not None:
        return None, "projection: none is sent, an index is read as it is projected"
    if demand.skips_expired and time_to_live is None:
        return None, "projection: none is sent, the time to live is not known"
    read = {*keys.names, *demand.attributes, *([time_to_live] if time_to_live else [])}
    names = sorted(read)
    sent = render_projection([Path(name) for name in names])
    if len(sent.expression.encode()) > _MAX_TEXT_BYTES:
        return None, "projection: none is sent, it has more than 4 KB"
    return sent, f"projection: sent, {', '.join(names)}"


def _readable(sent: ServiceExpression) -> str:
    """The expression with its names and values in place; shown, never sent."""
    text = sent.expression
    shown = dict(sent.names)
    for name, tagged in msgspec.json.decode(sent.values or b"{}").items():
        ((tag, content),) = tagged.items()
        shown[name] = repr(content) if tag in {"S", "B"} else str(content)
    for placeholder in sorted(shown, key=len, reverse=True):
        text = text.replace(placeholder, shown[placeholder])
    return text


# --- keys -----------------------------------------------------------------------------


def _queries(
    conditions: Sequence[Node], keys: KeySchema
) -> tuple[tuple[ServiceExpression, ...], list[Node]] | None:
    """Returns the Queries, and what is left to filter by; None if it takes a Scan.

    No key attribute may stand in the filter of a Query, so terms that name one and are
    no key condition are left to the routes.
    """
    each = [_Pinned.of(condition, keys) for condition in conditions]
    found = [one for one in each if one is not None]
    if len(found) < len(each):
        return None
    values = dict.fromkeys(value for one in found for value in one.values)
    if not values:
        return None  # no item has such a key; a Scan with its filter says so too
    sorts = {one.sort for one in found}
    sort = sorts.pop() if len(sorts) == 1 else None
    queries: list[ServiceExpression] = []
    for value in values:
        condition = find_keys(
            [_equal(keys.partition_key, value), *([sort] if sort else [])], keys
        )
        assert condition is not None  # it is an equality of the partition key
        queries += condition.queries
    rests = [one.rest for one in found]
    rest = [] if any(one is None for one in rests) else [r for r in rests if r]
    return tuple(queries), rest


def _equal(key: KeyAttribute, value: Literal) -> Node:
    return In(Path(key.name), (value,))


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A route's condition, taken apart by the keys."""

    values: tuple[Literal, ...]
    sort: Node | None
    rest: Node | None

    @classmethod
    def of(cls, condition: Node, keys: KeySchema) -> "_Pinned | None":
        terms = condition.terms if isinstance(condition, And) else (condition,)
        fitting = [term for term in terms if _fits(term, keys.sort_key)]
        found = find_keys(fitting, keys)
        if found is None:
            return None
        partition = next(
            term
            for term in fitting
            if find_keys([term], KeySchema(keys.partition_key)) is not None
        )
        values = tuple(
            operand
            for operand in operands_of(partition)  # type: ignore[arg-type]
            if isinstance(operand, Literal) and _may_be(operand, keys.partition_key)
        )
        sort = _sort_term(fitting, partition, keys)
        return cls(values, sort, found.rest)


def _may_be(value: Literal, key: KeyAttribute) -> bool:
    """A key has its type, and is never empty."""
    return value.type == key.type and value.tagged[value.type] != ""


def _fits(term: Node, sort_key: KeyAttribute | None) -> bool:
    """False for a term of the sort key with a value that no sort key has."""
    if sort_key is None or isinstance(term, Not | And | Or):
        return True
    operands = operands_of(term)
    if Path(sort_key.name) not in operands:
        return True
    return all(_may_be(one, sort_key) for one in operands if isinstance(one, Literal))


def _sort_term(terms: Sequence[Node], partition: Node, keys: KeySchema) -> Node | None:
    """The term that `find_keys` makes a key condition of the sort key, if any."""
    for term in terms:
        if term is partition or keys.sort_key is None:
            continue
        found = find_keys([partition, term], keys)
        if found is not None and found.rest is None and found.exact:
            return term
    return None
