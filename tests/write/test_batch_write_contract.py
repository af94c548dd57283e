"""What the writer's fake table is held to: BatchWriteItem as the engines do it."""

import json

import pytest

from tests.support.engines import make_table, unique_name
from tests.support.fake_table import FakeTable, item
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import DuplicateKeysError, ItemRejectedError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.operations import (
    batch_write_body,
    delete_request,
    parse_batch_write,
    put_request,
)
from transforms.dynamodb.tables import TableRef

REGION = "eu-west-1"
pytestmark = pytest.mark.usefixtures("engine_credentials")


# Not moto: it takes one key twice, and writes a part of what it refuses.
@pytest.fixture(
    params=["fake", pytest.param("dynoxide", marks=pytest.mark.dynoxide)],
)
def table(request):
    if request.param == "fake":
        return FakeTable()
    engine = request.getfixturevalue("dynoxide")
    name = make_table(engine, REGION, unique_name(), "id")
    url = engine.endpoint_url(REGION)
    return client_for(TableRef(name, REGION, endpoint_url=url))


def write(table, *requests):
    body = batch_write_body(table.table.wire_name, requests)
    return parse_batch_write(worker_loop().run(table.call("BatchWriteItem", body)))


def content(table):
    if isinstance(table, FakeTable):
        return dict(table.items)
    body = json.dumps({"TableName": table.table.wire_name}).encode()
    reply = json.loads(worker_loop().run(table.call("Scan", body)))
    return {each["id"]["S"]: each["v"]["N"] for each in reply["Items"]}


def test_puts_and_deletes_are_applied_and_charged(table):
    write(table, put_request(item("a", 1)), put_request(item("b", 2)))
    result = write(
        table, put_request(item("c", 3)), delete_request(b'{"id":{"S":"a"}}')
    )
    assert content(table) == {"b": "2", "c": "3"}
    assert result.unprocessed == []
    assert result.consumed.units == 2.0


def test_a_put_replaces_and_a_delete_of_nothing_is_no_error(table):
    write(table, put_request(item("a", 1)))
    write(table, put_request(item("a", 2)), delete_request(b'{"id":{"S":"x"}}'))
    assert content(table) == {"a": "2"}


def test_one_key_twice_is_refused_as_a_whole(table):
    with pytest.raises(DuplicateKeysError):
        write(table, put_request(item("a", 1)), put_request(item("a", 2)))
    assert content(table) == {}


def test_a_bad_item_takes_its_batch_down(table):
    if isinstance(table, FakeTable):
        bad = item("bad")
    else:
        bad = b'{"id":{"N":"1"},"v":{"N":"1"}}'
    with pytest.raises(ItemRejectedError) as refused:
        write(table, put_request(item("a", 1)), put_request(bad))
    assert not isinstance(refused.value, DuplicateKeysError)
    assert content(table) == {}
