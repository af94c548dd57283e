"""What is pushed to the service: never less than SQL wants, and no more if exact."""

import json
from typing import Any

import duckdb
import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from transforms.dynamodb.key_queries import KeyRequest, find_keys
from transforms.dynamodb.tables import KeyAttribute, KeySchema
from transforms.query.columns import ColumnDecoder
from transforms.query.pushdown import push_filters
from transforms.query.schema import parse_schema
from transforms.query.statement import parse_query, qualify_query

SCHEMA = parse_schema(
    "id VARCHAR, s VARCHAR, w BIGINT, d DOUBLE, m DECIMAL(12,2), t BOOLEAN, j JSON, "
    "e VARCHAR OF S|N"
)
KEYS = KeySchema(KeyAttribute("id", "S"), None)


def pushed(where: str, misfits: Any = "null", sql: str = "SELECT id FROM x WHERE "):
    statement = parse_query(sql + where)
    schemas = dict.fromkeys(statement.tables, SCHEMA)
    keys = {"x": KEYS}
    return push_filters(qualify_query(statement, schemas), schemas, keys, misfits)["x"]


def in_sql(items: list[bytes], where: str) -> set[str]:
    """The ids of the rows that SQL keeps; what does not fit is NULL."""
    table = ColumnDecoder("x", SCHEMA, "null").decode(items).batch
    session = duckdb.connect()
    session.register("arrow", table)
    session.execute("CREATE TABLE x AS SELECT * REPLACE (j::JSON AS j) FROM arrow")
    found = session.execute(f"SELECT id FROM x WHERE {where}").fetchall()
    return {row[0] for row in found}


NUMBERS = ["0", "1", "1.5", "-1", "2", "0.1", "0.10000000000000001", "100", "1E+30"]
VALUES = st.one_of(
    st.sampled_from(["", "a", "ab", "b", "é", "a%"]).map(lambda s: {"S": s}),
    st.sampled_from(NUMBERS).map(lambda n: {"N": n}),
    st.booleans().map(lambda b: {"BOOL": b}),
    st.just({"NULL": True}),
    st.just({"L": [{"S": "a"}]}),
)
ITEMS = st.lists(
    st.dictionaries(st.sampled_from("swdmtje"), VALUES, max_size=7), max_size=8
).map(
    lambda items: [
        json.dumps({"id": {"S": str(place)}} | item).encode()
        for place, item in enumerate(items)
    ]
)
LEAVES = st.one_of(
    st.tuples(
        st.sampled_from(["s", "id"]),
        st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
        st.sampled_from(["'a'", "'ab'", "''", "'1'", "'é'"]),
    ),
    st.tuples(
        st.sampled_from(["w", "d", "m"]),
        st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
        st.sampled_from(["0", "1", "1.5", "-1", "0.1", "100", "1.005"]),
    ),
    st.tuples(st.sampled_from("swdmtje"), st.sampled_from(["IS NULL", "IS NOT NULL"])),
    st.tuples(
        st.sampled_from(["w", "d", "m"]),
        st.sampled_from(["IN (0, 1, 2)", "BETWEEN -1 AND 1.5", "NOT IN (1)"]),
    ),
    st.tuples(
        st.just("s"),
        st.sampled_from(["LIKE 'a%'", "LIKE '%b'", "IN ('a', 'b')", "LIKE 'a_'"]),
    ),
    st.sampled_from([("t",), ("NOT t",), ("t = false",), ("w < m",), ("(d > 0) = t",)]),
).map(" ".join)
WHERES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map(
            lambda parts: f"({''.join(parts)})"
        ),
        inner.map(lambda term: f"NOT ({term})"),
    ),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(ITEMS, WHERES)
@example([b'{"id":{"S":"0"},"d":{"N":"0.10000000000000001"}}'], "d = 0.1")
@example([b'{"id":{"S":"0"},"w":{"N":"1.5"}}'], "w IS NULL")
@example([b'{"id":{"S":"0"}}'], "s <> 'a'")
def test_every_row_of_sql_passes_the_service_and_no_other_if_exact(items, where):
    wanted = in_sql(items, where)
    found = pushed(where)
    if found.condition is None:
        return
    matches = found.condition.compile()
    passed = {json.loads(item)["id"]["S"] for item in items if matches(item)}
    assert wanted <= passed
    if found.exact:
        assert passed == wanted


@settings(max_examples=60, deadline=None)
@given(ITEMS, WHERES)
def test_items_of_a_wrong_type_pass_where_they_are_counted_or_refused(items, where):
    found = pushed(where, "aside")
    if found.condition is None:
        return
    matches = found.condition.compile()
    for item in items:
        wanted = in_sql([item], where)
        assert matches(item) or not wanted


def test_an_item_of_a_wrong_type_is_seen_unless_misfits_are_null():
    odd = b'{"id":{"S":"0"},"s":{"N":"1"}}'
    assert pushed("s = 'a'", "error").condition.compile()(odd)
    assert not pushed("s = 'a'", "null").condition.compile()(odd)


TEXTS = {
    "s = 'a'": ("#f0 = :f0", True),
    "'a' = s": ("#f0 = :f0", True),
    "s LIKE 'ab%'": ("begins_with(#f0, :f0)", True),
    "s LIKE 'ab%c'": ("begins_with(#f0, :f0)", False),
    "w IN (1, 2)": ("#f0 IN (:f0, :f1)", True),
    "w BETWEEN 1 AND 5": ("#f0 BETWEEN :f0 AND :f1", False),
    "s BETWEEN 'a' AND 'b'": ("#f0 BETWEEN :f0 AND :f1", True),
    "d > 5": ("#f0 >= :f0", False),
    "t": ("#f0 = :f0", True),
    "s IS NOT NULL": (
        "attribute_exists(#f0) AND NOT (attribute_type(#f0, :f0))",
        False,
    ),
    "s = 'a' AND length(s) = 1": ("#f0 = :f0", False),
    "s = 'a' OR w = 1": ("#f0 = :f0 OR #f1 = :f1", True),
}


@pytest.mark.parametrize(("where", "expected"), TEXTS.items(), ids=list(TEXTS))
def test_what_is_sent_for_a_term(where, expected):
    found = pushed(where)
    assert (found.condition.to_service().expression, found.exact) == expected


NOT_PUSHED = [
    "length(s) = 1",
    "s = 'a' OR length(s) = 1",
    "NOT s = 'a'",
    "s LIKE '%a'",
    "w = 1.5",
    "m = 1.005",
    "w = d",
    "e = '1'",
    "w IS NULL",
    "w = 1e3",
]


@pytest.mark.parametrize("where", NOT_PUSHED)
def test_what_only_duckdb_can_tell_is_not_sent(where):
    assert pushed(where).condition is None


JOINED = {
    "inner": ("SELECT x.id FROM x JOIN y ON x.id = y.id WHERE x.", True),
    "left, kept side": ("SELECT x.id FROM x LEFT JOIN y ON x.id = y.id WHERE x.", True),
    "left, other side": (
        "SELECT x.id FROM y LEFT JOIN x ON x.id = y.id WHERE x.",
        False,
    ),
    "full": ("SELECT x.id FROM x FULL JOIN y ON x.id = y.id WHERE x.", False),
    "twice": ("SELECT a.id FROM x a JOIN x b ON a.id = b.id WHERE a.", False),
}


@pytest.mark.parametrize(("sql", "is_pushed"), JOINED.values(), ids=JOINED)
def test_a_filter_is_pushed_only_where_no_other_row_depends_on_it(sql, is_pushed):
    assert (pushed("s = 'a'", sql=sql).condition is not None) == is_pushed


def keys_of(where: str, sort: str | None = None):
    schema = KeySchema(
        KeyAttribute("id", "S"), KeyAttribute(sort, "N") if sort else None
    )
    statement = parse_query(f"SELECT * FROM x WHERE {where}")
    qualified = qualify_query(statement, {"x": SCHEMA})
    found = push_filters(qualified, {"x": SCHEMA}, {"x": schema}, "error")["x"]
    return find_keys(found.terms, schema)


QUERIES = {
    "id = 'a'": ["#k0 = :k0"],
    "id = 'a' AND w > 5": ["#k0 = :k0 AND #k1 > :k1"],
    "id = 'a' AND w BETWEEN 1 AND 5": ["#k0 = :k0 AND #k1 BETWEEN :k1 AND :k2"],
    "id IN ('a', 'b') AND w = 1": ["#k0 = :k0 AND #k1 = :k1"] * 2,
    "id = 'a' AND w <> 5": ["#k0 = :k0"],
    "id = 'a' AND s = 'x'": ["#k0 = :k0"],
}


@pytest.mark.parametrize(("where", "expected"), QUERIES.items(), ids=list(QUERIES))
def test_a_partition_key_becomes_a_query(where, expected):
    assert [query.expression for query in keys_of(where, "w").queries] == expected


@pytest.mark.parametrize("where", ["id > 'a'", "s = 'a'", "id = 'a' OR s = 'b'"])
def test_without_an_equal_partition_key_there_is_no_query(where):
    assert keys_of(where, "w") is None


def test_a_querys_filter_names_no_key_attribute():
    found = keys_of("id = 'a' AND w <> 5 AND s = 'x'", "w")
    assert not found.exact
    body = json.loads(KeyRequest("t", found.queries).body())
    assert body["ExpressionAttributeValues"] == {":k0": {"S": "a"}}
    assert found.rest is not None


DAYS = parse_schema("id VARCHAR, day DATE, at TIMESTAMP, ends TIMESTAMP OF N")


@pytest.mark.parametrize(
    "where",
    [
        "day >= DATE '2013-06-01'",
        "day = '2013-06-01'",
        "day IN ('2013-06-01')",
        "at BETWEEN '2013-06-01' AND '2013-07-01'",
        "ends > TIMESTAMP '2013-06-01 00:00:00'",
        "day IS NULL",
    ],
)
def test_a_day_is_not_compared_as_the_text_that_it_is(where):
    """The service knows no days: a text that is none is NULL to SQL."""
    statement = parse_query(f"SELECT id FROM x WHERE {where}")
    schemas = {"x": DAYS}
    qualified = qualify_query(statement, schemas)
    assert push_filters(qualified, schemas, {"x": KEYS}, "null")["x"].condition is None
