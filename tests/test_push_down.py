"""What is sent to the service: never less than the routes keep, and only when known."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dynamodb.expressions import strategies
from tests.mapping.functions_for_tests import add_region
from transforms.dynamodb.attribute_values import decode_value
from transforms.dynamodb.expressions import Condition, parse_condition
from transforms.dynamodb.key_queries import KeyRequest
from transforms.dynamodb.tables import KeyAttribute, KeySchema, TableRef
from transforms.items import Item
from transforms.push_down import PushDown, demand_of, push_down
from transforms.routes import Route
from transforms.selection import Selection

SOURCE = TableRef("source", "eu-west-1")
KEYS = KeySchema(KeyAttribute("id", "S"), KeyAttribute("day", "N"))


def keep_all(_item: Item) -> bool:
    return True


def route(number: int = 1, **fields: Any) -> Route:
    target = TableRef(f"target{number}", "us-west-2")
    return Route(name=f"r{number}", target=target, **fields)


def pushed(*routes: Route, **shared: Any) -> PushDown:
    return push_down(demand_of(routes, **shared), KEYS)


def filters(*texts: str | None, **shared: Any) -> PushDown:
    routes = [route(n, filter=text) for n, text in enumerate(texts)]
    return pushed(*routes, **shared)


def shown(what: PushDown, name: str) -> str:
    """The note of a kind, without the kind."""
    return next(
        note.split(": ", 1)[1] for note in what.notes if note.startswith(f"{name}:")
    )


@pytest.mark.parametrize(
    ("texts", "shared", "sent"),
    [
        (["a = 1"], {}, "a = 1"),
        (["a = 1", "b > 2 AND a = 1"], {}, "a = 1 OR b > 2 AND a = 1"),
        (["a = 1", "a = 1"], {}, "a = 1"),
        ([None, None], {"item_filter": "a = 'x'"}, "a = 'x'"),
        (["b = 1", None], {"item_filter": "a = 1"}, "a = 1 AND b = 1 OR a = 1"),
        # Their filters see the names that the columns of all routes give.
        (["n = 1"], {"columns": {"id": "id", "a": "n"}}, "a = 1"),
        (["gone = 1"], {"columns": {"id": "id"}, "item_filter": "a = 1"}, "a = 1"),
        # Keys are no reason to query where one of the routes names none.
        (["id = 'x'", "a = 1"], {}, "id = 'x' OR a = 1"),
        (["day = 1"], {}, "day = 1"),
        (["id = 1"], {}, "id = 1"),
        (["NOT id = 'x'"], {}, "NOT (id = 'x')"),
    ],
)
def test_filters_are_sent_as_their_or(texts, shared, sent):
    what = filters(*texts, **shared)
    assert what.filter is not None
    assert shown(what, "filter") == f"sent, {sent}"
    assert what.queries == ()


@pytest.mark.parametrize(
    ("routes", "shared", "why"),
    [
        ([route(1, filter="a = 1"), route(2)], {}, "route r2 has no filter"),
        ([route(filter=keep_all)], {}, "the filter of route r1 is a Python function"),
        (
            [route(filter="a = 1")],
            {"item_filter": keep_all},
            "the filter of all routes is a Python function",
        ),
        ([route(filter="a = 1")], {"limit": 5}, "--limit takes the first items"),
        (
            [route(filter="gone = 1")],
            {"columns": {"id": "id"}},
            "route r1 has no filter",
        ),
        (
            [route(filter=f"a IN ({', '.join(map(str, range(101)))})")],
            {},
            "it has more than 100 operands of IN",
        ),
        (
            [route(filter=" OR ".join(f"a = {n}" for n in range(151)))],
            {},
            "it has more than 300 operators",
        ),
        (
            [route(filter=" OR ".join(f"a{n} IN ({'1,' * 95}2)" for n in range(9)))],
            {},
            "it has more than 4 KB",
        ),
    ],
)
def test_no_filter_is_sent_where_a_route_may_keep_any_item(routes, shared, why):
    what = pushed(*routes, **shared)
    assert what.filter is None
    assert why in shown(what, "filter")


@pytest.mark.parametrize(
    ("routes", "shared", "names"),
    [
        ([route(columns={"a": "x"})], {}, "a, day, id"),
        (
            [route(1, columns={"a": "a"}, filter="b = 1"), route(2, mapping="c AS d")],
            {},
            "a, b, c, day, id",
        ),
        (
            [route(mapping="FOR t IN tags, concat(id, t) AS id, SKIP IF e = 1")],
            {},
            "day, e, id, tags",
        ),
        ([route()], {"columns": {"a": "b"}, "item_filter": "c = 1"}, "a, c, day, id"),
    ],
)
def test_a_projection_is_the_union_of_what_is_read(routes, shared, names):
    what = pushed(*routes, **shared)
    assert what.projection is not None
    assert shown(what, "projection") == f"sent, {names}"


@pytest.mark.parametrize(
    ("routes", "shared", "why"),
    [
        ([route()], {}, "route r1 writes whole items"),
        ([route(mapping="*, 1 AS n")], {}, "route r1 maps every attribute (*)"),
        ([route(mapping=add_region)], {}, "route r1 maps by a Python function"),
        (
            [route(columns={"a": "a"}, filter=keep_all)],
            {},
            "the filter of route r1 is a Python function",
        ),
        (
            [route(columns={f"{'x' * 250}{n}": str(n) for n in range(700)})],
            {},
            "it has more than 4 KB",
        ),
    ],
)
def test_no_projection_is_sent_where_an_attribute_may_be_missed(routes, shared, why):
    what = pushed(*routes, **shared)
    assert what.projection is None
    assert why in shown(what, "projection")


def test_the_time_to_live_is_read_where_items_may_expire():
    selection = Selection(SOURCE, None, skip_expired=True)
    demand = demand_of([route(columns={"a": "a"})], selection=selection)
    unknown = push_down(demand, KEYS)
    assert unknown.projection is None
    known = push_down(demand, KEYS, time_to_live="ttl")
    assert shown(known, "projection") == "sent, a, day, id, ttl"


def test_an_index_is_read_as_it_is():
    demand = demand_of([route(columns={"a": "a"}, filter="id = 'x'")])
    what = push_down(demand, KEYS, index="by-day")
    assert (what.projection, what.queries) == (None, ())
    assert what.filter is not None


# --- Queries --------------------------------------------------------------------------


def queries(what: PushDown) -> list[str]:
    """Each Query's key condition with its values in place."""
    texts = []
    for query in what.queries:
        text = query.expression
        values = msgspec.json.decode(query.values)
        for name, value in [*query.names, *values.items()]:
            shown_value = value if isinstance(value, str) else decode_value(value)
            text = text.replace(name, str(shown_value))
        texts.append(text)
    return texts


@pytest.mark.parametrize(
    ("texts", "keys", "sent"),
    [
        (["id = 'x'"], ["id = x"], None),
        (["id IN ('x', 'y', 'x')"], ["id = x", "id = y"], None),
        (["id = 'x' AND day > 5"], ["id = x AND day > 5"], None),
        (
            ["id = 'x' AND day BETWEEN 1 AND 2 AND a = 1"],
            ["id = x AND day BETWEEN 1 AND 2"],
            "a = 1",
        ),
        # A sort key's term counts where every route shares it.
        (
            ["id = 'x' AND day > 5", "id = 'y' AND day > 5"],
            ["id = x AND day > 5", "id = y AND day > 5"],
            None,
        ),
        (["id = 'x' AND day > 5", "id = 'x' AND day > 6"], ["id = x"], None),
        # What is left is filtered by, but no key attribute is.
        (
            ["id = 'x' AND a = 1", "id = 'y' AND b = 2"],
            ["id = x", "id = y"],
            "a = 1 OR b = 2",
        ),
        (["id = 'x' AND a = 1", "id = 'y'"], ["id = x", "id = y"], None),
        (["id = 'x' AND (a = 1 OR day = 2)"], ["id = x"], None),
        (["id = 'x' AND day <> 2"], ["id = x"], None),
        # A key has its type, and is never empty.
        (["id IN ('x', 5, '')"], ["id = x"], None),
        (["id = 'x' AND day > 'a'"], ["id = x"], None),
    ],
)
def test_pinned_partition_keys_are_queried(texts, keys, sent):
    what = filters(*texts)
    assert queries(what) == keys
    if sent is None:
        assert what.filter is None
    else:
        assert shown(what, "filter") == f"sent, {sent}"


def test_a_filter_of_all_routes_may_pin_the_key():
    what = filters(None, "day = 1", item_filter="id = 'x'")
    assert queries(what) == ["id = x"]


def test_a_request_names_every_placeholder_once():
    what = filters("id = 'x' AND day > 5 AND a = 1")
    request = KeyRequest("source", what.queries, filter=what.filter)
    body = msgspec.json.decode(request.body())
    assert set(body["ExpressionAttributeNames"].values()) == {"id", "day", "a"}
    assert len(body["ExpressionAttributeValues"]) == 3


nodes = st.lists(strategies.nodes, min_size=1, max_size=3)


@given(nodes, strategies.items)
def test_what_any_route_keeps_passes_the_filter_that_is_sent(trees, item):
    conditions = [Condition("", tree) for tree in trees]
    routes = [route(n, filter=each) for n, each in enumerate(conditions)]
    what = pushed(*routes)
    assume(what.filter is not None)
    assert what.filter is not None
    values = msgspec.json.decode(what.filter.values or b"{}")
    sent = parse_condition(
        what.filter.expression,
        names=dict(what.filter.names),
        values={name: decode_value(tagged) for name, tagged in values.items()},
    )
    kept = any(condition.matches(item) for condition in conditions)
    assert sent.matches(item) is kept
