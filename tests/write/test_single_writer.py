"""Conditional writes against engines: each mode, lost answers, ties, bad versions."""

import json
import random
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engines import make_table, unique_name
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.item_faults import MAX_ITEM_BYTES
from transforms.dynamodb.keys import KeyDecoder
from transforms.dynamodb.tables import KeyAttribute, KeySchema, TableRef
from transforms.single_writer import SingleWriter
from transforms.throttle.clock import SystemClock
from transforms.throttle.limiter import UnlimitedLimiter

pytestmark = pytest.mark.usefixtures("engine_credentials")

REGION = "eu-west-1"
DECODER = KeyDecoder(KeySchema(KeyAttribute("id", "S"), None))


class Target:
    """A table of an engine, and writers to it."""

    def __init__(self, engine):
        self.name = make_table(engine, REGION, unique_name(), "id")
        self.boto3 = engine.dynamodb(REGION)
        table = TableRef(
            self.name, region=REGION, endpoint_url=engine.endpoint_url(REGION)
        )
        self.client = client_for(table)

    def stored(self, key="a"):
        found = self.boto3.get_item(TableName=self.name, Key={"id": {"S": key}})
        return found.get("Item")

    def put(self, **item):
        self.boto3.put_item(TableName=self.name, Item=item)

    def write(self, *items, client=None, keys_unique=False, **mode):
        writer = SingleWriter(
            client or self.client,
            UnlimitedLimiter(),
            worker_loop().loop,
            clock=SystemClock(),
            rng=random.Random(1),
            keys=DECODER,
            keys_unique=keys_unique,
            **mode,
        )
        writer.submit([json.dumps(item).encode() for item in items], None)
        (outcome,) = writer.drain()
        accounted = outcome.written + outcome.superseded + len(outcome.refused)
        assert accounted == outcome.items == len(items)
        return outcome


class LosesAnswers:
    """The service applies each request, and its answer is lost once."""

    def __init__(self, client):
        self.client, self.table = client, client.table

    async def call(self, operation, body, **options):
        await self.client.call(operation, body, **options)
        return await self.client.call(operation, body, **options)


@pytest.fixture(scope="module")
def target(engine):
    return Target(engine)


@pytest.fixture
def key():
    return uuid.uuid4().hex


def item(key, **attributes) -> dict[str, Any]:
    return {"id": {"S": key}, **attributes}


IF_ABSENT = {"mode": "if-absent"}
NEWER = {"mode": "newer", "newer_by": "at"}
MERGE = {"mode": "merge"}


def test_if_absent_writes_what_is_not_there(target, key):
    assert target.write(item(key, v={"S": "x"}), **IF_ABSENT).written == 1
    assert target.stored(key) == item(key, v={"S": "x"})


def test_if_absent_leaves_what_is_there(target, key):
    target.put(**item(key, v={"S": "theirs"}))
    assert target.write(item(key, v={"S": "ours"}), **IF_ABSENT).superseded == 1
    assert target.stored(key) == item(key, v={"S": "theirs"})


@pytest.mark.parametrize("mode", [IF_ABSENT, NEWER, MERGE], ids=lambda m: m["mode"])
def test_a_write_whose_answer_was_lost_counts_as_written(target, key, mode):
    ours = item(key, v={"NS": ["2", "1.0"]}, at={"N": "5"})
    outcome = target.write(ours, client=LosesAnswers(target.client), **mode)
    assert (outcome.written, outcome.superseded) == (1, 0)


@pytest.mark.parametrize(
    ("stored", "ours", "wins"),
    [
        ({"N": "1"}, {"N": "2"}, True),
        ({"N": "10"}, {"N": "9"}, False),
        ({"S": "2013-06-01"}, {"S": "2013-06-02"}, True),
        ({"S": "2013-06-01T00:00:00.5Z"}, {"S": "2013-06-01T00:00:00Z"}, False),
        ({"S": "2013-06-01T00:00:00Z"}, {"S": "2013-06-01T00:00:00.5Z"}, True),
        ({"S": "2013-06-01T01:00:00+02:00"}, {"S": "2013-05-31T23:30:00Z"}, True),
        (None, {"N": "1"}, True),
        (None, {"S": "2013-06-01"}, True),
        ({"N": "1"}, None, False),
    ],
)
def test_newer_compares_numbers_and_times(target, key, stored, ours, wins):
    theirs = item(key, who={"S": "they"}, **({"at": stored} if stored else {}))
    target.put(**theirs)
    we = item(key, who={"S": "we"}, **({"at": ours} if ours else {}))
    outcome = target.write(we, **NEWER)
    assert (outcome.written, outcome.superseded) == (wins, not wins)
    assert outcome.ties == 0
    assert target.stored(key) == (we if wins else theirs)


@pytest.mark.parametrize("at", [{"N": "1"}, {"S": "2013-06-01"}, None])
def test_one_version_with_another_content_is_a_tie(target, key, at):
    version = {"at": at} if at else {}
    target.put(**item(key, who={"S": "they"}, **version))
    outcome = target.write(item(key, who={"S": "we"}, **version), **NEWER)
    assert (outcome.written, outcome.superseded, outcome.ties) == (0, 1, 1)
    assert target.stored(key)["who"] == {"S": "they"}


@pytest.mark.dynoxide
@pytest.mark.parametrize(
    ("stored", "ours"),
    [
        ({"N": "1"}, {"S": "2013-06-01"}),
        ({"S": "2013-06-01"}, {"N": "1"}),
        ({"S": "last week"}, {"N": "1"}),
        ({"N": "1"}, {"S": "last week"}),
        ({"N": "1"}, {"BOOL": True}),
    ],
)
def test_versions_that_have_no_order_reject_the_item(dynoxide, key, stored, ours):
    target = Target(dynoxide)  # moto answers 500 where types differ
    theirs = item(key, at=stored)
    target.put(**theirs)
    (refused,) = target.write(item(key, at=ours), **NEWER).refused
    assert refused.reason.startswith("BadVersion: ")
    assert "last week" not in refused.reason
    assert target.stored(key) == theirs


def test_merge_sets_its_attributes_and_leaves_the_others(target, key):
    target.put(**item(key, a={"S": "old"}, b={"S": "stays"}))
    outcome = target.write(item(key, a={"S": "new"}, c={"L": []}), **MERGE)
    assert outcome.written == 1
    assert target.stored(key) == item(
        key, a={"S": "new"}, b={"S": "stays"}, c={"L": []}
    )


def test_merge_makes_what_is_not_there_even_of_a_key_alone(target, key):
    assert target.write(item(key), **MERGE).written == 1
    assert target.stored(key) == item(key)


def test_merge_takes_more_attributes_than_one_update(target, key):
    many = {f"attribute-{n}": {"N": str(n)} for n in range(250)}
    assert target.write(item(key, **many), **MERGE).written == 1
    assert target.stored(key) == item(key, **many)


def test_items_of_one_key_are_merged_in_the_order_they_came(target, key):
    items = [item(key, v={"N": str(n)}, **{f"a{n}": {"N": "1"}}) for n in range(5)]
    assert target.write(*items, **MERGE).written == 5
    assert target.stored(key)["v"] == {"N": "4"}
    assert len(target.stored(key)) == 7


@pytest.mark.parametrize("mode", [IF_ABSENT, NEWER, MERGE], ids=lambda m: m["mode"])
def test_a_bad_item_is_rejected_by_name_and_the_others_arrive(target, key, mode):
    large = {"S": "x" * MAX_ITEM_BYTES}
    bad = [item(f"{key}-large", v=large), item(""), {"v": {"S": "no key"}}]
    good = [item(f"{key}-{n}", at={"N": "1"}) for n in range(10)]
    outcome = target.write(*good[:5], *bad, *good[5:], **mode)
    assert outcome.written == 10
    codes = [refused.reason.partition(":")[0] for refused in outcome.refused]
    assert sorted(codes) == ["EmptyKey", "ItemTooLarge", "MissingKey"]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=30
    ),
    st.booleans(),
)
def test_whatever_the_order_the_newest_of_each_key_is_what_stays(
    target, versions, loses_answers
):
    """I7 for mode newer: every order, with answers lost, ends the same."""
    run = uuid.uuid4().hex
    items = [
        item(f"{run}-{key}", at={"N": str(at)}, n={"N": str(n)})
        for n, (key, at) in enumerate(versions)
    ]
    client = LosesAnswers(target.client) if loses_answers else target.client
    outcome = target.write(*items, client=client, **NEWER)
    assert not outcome.refused
    for key in {key for key, _ in versions}:
        newest = max(at for k, at in versions if k == key)
        assert target.stored(f"{run}-{key}")["at"] == {"N": str(newest)}
