"""The service client against engines: one contract, and where an engine differs.

Each deviation of an engine from the service is written out where it shows, so that
an engine that mends its ways is noticed.
"""

import json
import re
from collections import Counter
from typing import Any

import msgspec
import pytest

from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import (
    DuplicateKeysError,
    ItemRejectedError,
    ResourceNotFoundError,
    UserError,
)
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.expressions import parse_condition, render_projection
from transforms.dynamodb.operations import (
    BatchWriteResult,
    ScanPage,
    ScanRequest,
    batch_put_body,
    batch_write_body,
    delete_request,
    parse_batch_write,
    put_request,
)
from transforms.dynamodb.tables import KeyAttribute, KeySchema, TableRef
from transforms.items import Item

REGION = "eu-west-1"
HASHES, ITEMS_PER_HASH = 30, 5
COUNT = HASHES * ITEMS_PER_HASH
pytestmark = pytest.mark.usefixtures("engine_credentials")


def client_of(engine: Engine, name: str) -> DynamoDBClient:
    url = engine.endpoint_url(REGION)
    return client_for(TableRef(name, REGION, endpoint_url=url))


def a_song(number: int) -> dict[str, Any]:
    """Of a bird with several songs; two thirds have a day."""
    day = {"day": {"S": f"2013-06-{number % 28 + 1:02}"}} if number % 3 else {}
    return day | {
        "bird": {"S": f"bird-{number // ITEMS_PER_HASH}"},
        "song": {"N": str(number % ITEMS_PER_HASH)},
        "size": {"N": str(number)},
    }


@pytest.fixture(scope="module")
def songs(engine: Engine) -> DynamoDBClient:
    """150 songs by 30 birds, with an index of days."""
    name = unique_name("songs")
    client = engine.dynamodb(REGION)
    client.create_table(
        TableName=name,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 70, "WriteCapacityUnits": 40},
        AttributeDefinitions=[
            {"AttributeName": "bird", "AttributeType": "S"},
            {"AttributeName": "song", "AttributeType": "N"},
            {"AttributeName": "day", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "bird", "KeyType": "HASH"},
            {"AttributeName": "song", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": 30,
                    "WriteCapacityUnits": 20,
                },
            }
        ],
    )
    found = client_of(engine, name)
    for start in range(0, COUNT, 25):
        songs = [a_song(number) for number in range(start, start + 25)]
        write(found, [put_request(wire(song)) for song in songs])
    return found


@pytest.fixture
def table(engine: Engine) -> DynamoDBClient:
    """An empty table with a key `id`."""
    return client_of(engine, make_table(engine, REGION, unique_name("table"), "id"))


def wire(item: dict[str, Any]) -> bytes:
    return json.dumps(item).encode()


def write(client: DynamoDBClient, requests: list[bytes]) -> BatchWriteResult:
    body = batch_write_body(client.table.wire_name, requests)
    return parse_batch_write(worker_loop().run(client.call("BatchWriteItem", body)))


def pages_of(client: DynamoDBClient, **fields: Any) -> list[ScanPage]:
    """All pages of one segment."""
    pages: list[ScanPage] = []
    start_key: bytes | None = None
    while True:
        request = ScanRequest(client.table.wire_name, start_key=start_key, **fields)
        pages.append(worker_loop().run(client.scan_page(request)))
        start_key = pages[-1].last_key
        if start_key is None:
            return pages


def scan(client: DynamoDBClient, **fields: Any) -> list[dict[str, Any]]:
    pages = pages_of(client, **fields)
    return [json.loads(bytes(item)) for page in pages for item in page.items]


def by_size(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: int(item["size"]["N"]))


# --- Scan -----------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [1, 7, 64])
def test_a_parallel_scan_loses_and_repeats_nothing_and_splits_no_partition(
    songs, segments
):
    found: list[dict[str, Any]] = []
    segments_of: dict[str, set[int]] = {}
    for segment in range(segments):
        items = scan(songs, segment=segment, total_segments=segments, page_limit=6)
        for item in items:
            segments_of.setdefault(item["bird"]["S"], set()).add(segment)
        found += items
    assert by_size(found) == [a_song(number) for number in range(COUNT)]
    assert {len(each) for each in segments_of.values()} == {1}


def test_pages_end_at_the_limit_and_tell_where_the_next_one_begins(songs):
    pages = pages_of(songs, page_limit=40)
    assert [page.count for page in pages][:3] == [40, 40, 40]
    assert sum(page.count for page in pages) == COUNT
    assert all(page.count == page.scanned_count == len(page.items) for page in pages)
    for page in pages[:-1]:
        assert set(msgspec.json.decode(page.last_key or b"")) == {"bird", "song"}


def test_a_consistent_read_sees_the_same_at_twice_the_price(engine, songs):
    cheap, dear = pages_of(songs)[0], pages_of(songs, consistent=True)[0]
    assert list(map(Item, dear.items)) == list(map(Item, cheap.items))
    assert cheap.consumed.units > 0
    if engine.name == "moto":  # whatever was read
        assert (cheap.consumed.units, dear.consumed.units) == (1.0, 1.0)
    else:
        assert dear.consumed.units == 2 * cheap.consumed.units


def test_an_index_has_the_items_with_its_key_and_its_own_attributes(songs):
    items = scan(songs, index="by_day", page_limit=9)
    expected = Counter(a_song(n)["day"]["S"] for n in range(COUNT) if n % 3)
    assert Counter(item["day"]["S"] for item in items) == expected
    assert {name for item in items for name in item} == {"bird", "song", "day"}


def test_the_service_filters_and_projects_by_placeholders(songs):
    condition = parse_condition("size >= 100 AND attribute_exists(day)")
    projection = render_projection(["bird", "size"])
    pages = pages_of(
        songs, filter=condition.to_service(), projection=projection, page_limit=50
    )
    found = [json.loads(bytes(item)) for page in pages for item in page.items]
    kept = [a_song(number) for number in range(100, COUNT) if number % 3]
    assert by_size(found) == [
        {"bird": song["bird"], "size": song["size"]} for song in kept
    ]
    assert sum(page.scanned_count for page in pages) == COUNT
    assert sum(page.count for page in pages) == len(kept)


def test_a_page_of_which_all_was_filtered_out_is_empty_and_has_a_next(songs):
    nothing = parse_condition("size < 0").to_service()
    pages = pages_of(songs, filter=nothing, page_limit=60)
    assert [page.count for page in pages] == [0] * len(pages)
    assert len(pages) >= 3


# --- BatchWriteItem -------------------------------------------------------------------


def test_puts_and_deletes_go_in_one_request(engine, table):
    a, b = (wire({"id": {"S": name}, "n": {"N": "1"}}) for name in "ab")
    assert write(table, [put_request(a)]).unprocessed == []
    result = write(table, [delete_request(b'{"id":{"S":"a"}}'), put_request(b)])
    assert result.unprocessed == []
    assert result.consumed.units > 0
    assert scan(table) == [json.loads(b)]
    if engine.name == "moto":
        assert result.consumed.units == 1.0  # whatever was written
    else:
        assert result.consumed.units == 2.0


def test_a_batch_of_puts_replaces_whole_items(table):
    items = [wire({"id": {"S": f"{n}"}, "old": {"N": "1"}}) for n in range(25)]
    write(table, [put_request(item) for item in items])
    anew = [wire({"id": {"S": f"{n}"}}) for n in range(25)]
    body = batch_put_body(table.table.wire_name, anew)
    worker_loop().run(table.call("BatchWriteItem", body))
    found = scan(table)
    assert len(found) == 25
    assert {tuple(item) for item in found} == {("id",)}


def test_one_key_twice_is_refused_and_nothing_of_the_batch_written(engine, table):
    twice = [wire({"id": {"S": "a"}, "n": {"N": f"{n}"}}) for n in range(2)]
    other = put_request(b'{"id":{"S":"b"}}')
    if engine.name == "moto":  # it takes them in turn
        write(table, [*map(put_request, twice), other])
        assert sorted(item.get("n", {}).get("N", "") for item in scan(table)) == [
            "",
            "1",
        ]
        return
    with pytest.raises(DuplicateKeysError):
        write(table, [*map(put_request, twice), other])
    assert scan(table) == []


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"n": {"N": "1"}}, id="no-key"),
        pytest.param({"id": {"N": "1"}}, id="key-of-another-type"),
        pytest.param({"id": {"S": ""}}, id="empty-key"),
        pytest.param({"id": {"S": "x"}, "n": {"N": "twelve"}}, id="no-number"),
        pytest.param({"id": {"S": "x"}, "s": {"SS": []}}, id="empty-set"),
        pytest.param({"id": {"S": "x"}, "l": {"S": "y" * 410_000}}, id="over-400-KB"),
    ],
)
def test_an_item_that_the_service_never_takes_is_the_items_fault(engine, table, bad):
    requests = [put_request(b'{"id":{"S":"good"}}'), put_request(wire(bad))]
    if engine.name == "moto" and "s" in bad:
        assert write(table, requests).unprocessed == []  # it takes empty sets
        return
    with pytest.raises(ItemRejectedError) as refused:
        write(table, requests)
    assert "twelve" not in str(refused.value)
    if engine.name != "moto":  # which writes what it met before
        assert scan(table) == []


def test_more_than_25_requests_are_refused(engine, table):
    requests = [put_request(wire({"id": {"S": f"{n}"}})) for n in range(26)]
    if engine.name == "moto":
        try:
            write(table, requests)  # some versions count, some do not
        except ItemRejectedError:
            assert scan(table) == []
        return
    with pytest.raises(ItemRejectedError):
        write(table, requests)


def test_a_number_of_38_digits_arrives_to_the_last(table):
    digits = "1234567890123456789012345678901234567.8"
    write(table, [put_request(wire({"id": {"S": "a"}, "n": {"N": digits}}))])
    assert scan(table) == [{"id": {"S": "a"}, "n": {"N": digits}}]


def test_a_number_of_39_digits_is_refused(engine, table):
    request = put_request(wire({"id": {"S": "a"}, "n": {"N": "1" * 39}}))
    if engine.name == "moto":
        assert write(table, [request]).unprocessed == []  # it takes any
        return
    with pytest.raises(ItemRejectedError):
        write(table, [request])


def test_numbers_lose_needless_zeros(engine, table):
    write(table, [put_request(wire({"id": {"S": "a"}, "n": {"N": "1.500"}}))])
    (item,) = scan(table)
    assert item["n"]["N"] == ("1.500" if engine.name == "moto" else "1.5")


# --- DescribeTable --------------------------------------------------------------------


def test_a_table_is_described_with_its_index(engine, songs):
    table = worker_loop().run(songs.describe_table())
    assert table.name == songs.table.name
    assert table.status == "ACTIVE"
    assert table.keys == KeySchema(KeyAttribute("bird", "S"), KeyAttribute("song", "N"))
    assert table.billing_mode == "PROVISIONED"
    assert (table.read_units, table.write_units) == (70, 40)
    assert (table.max_read_units, table.max_write_units) == (None, None)
    assert re.fullmatch(r"\d{12}", table.account)
    assert table.arn.endswith(f":table/{table.name}")
    (index,) = table.indexes
    assert (index.name, index.kind, index.projection) == ("by_day", "GSI", "KEYS_ONLY")
    assert index.keys == KeySchema(KeyAttribute("day", "S"))
    assert (index.read_units, index.write_units) == (30, 20)


def test_a_table_on_demand_has_no_units(table):
    found = worker_loop().run(table.describe_table())
    assert found.billing_mode == "PAY_PER_REQUEST"
    assert (found.read_units, found.write_units) == (0, 0)
    assert found.indexes == ()


# --- typed errors ---------------------------------------------------------------------


@pytest.fixture
def nowhere(engine: Engine) -> DynamoDBClient:
    return client_of(engine, "no.such.table")


def test_a_missing_table_is_the_users_error_when_it_is_described(nowhere):
    with pytest.raises(UserError, match=r"'no.such.table' is not in region eu-west-1"):
        worker_loop().run(nowhere.describe_table())


def test_a_missing_table_stops_the_job_anywhere_else(nowhere):
    with pytest.raises(ResourceNotFoundError, match=r"Scan on eu-west-1/no\.such"):
        scan(nowhere)
    with pytest.raises(ResourceNotFoundError, match="BatchWriteItem on eu-west-1"):
        write(nowhere, [put_request(b'{"id":{"S":"a"}}')])


def test_a_missing_index_is_the_users_error(songs):
    with pytest.raises(UserError, match=r"Scan on .* was refused"):
        scan(songs, index="by_night")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"segment": 3, "total_segments": 3}, id="segment-out-of-range"),
        pytest.param({"consistent": True, "index": "by_day"}, id="consistent-index"),
    ],
)
def test_a_request_that_is_not_valid_is_the_users_error(songs, fields):
    with pytest.raises(UserError, match=r"Scan on .* was refused"):
        scan(songs, **fields)
