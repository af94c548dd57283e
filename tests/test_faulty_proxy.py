"""The proxy before an engine: it must be as strict as the service, and no stricter."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_proxy import Capacity, Faults, FaultyProxy
from tests.support.faulty_proxy.buckets import Bucket, TableBuckets
from tests.support.faulty_proxy.faults import FaultDice
from tests.support.faulty_proxy.recording import worst_window
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ChecksumError,
    ConnectionLostError,
    ExpiredCredentialsError,
    ServerError,
    ThrottledError,
    TruncatedReplyError,
)
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.operations import (
    batch_write_body,
    parse_batch_write,
    put_request,
)
from transforms.dynamodb.tables import TableRef

REGION = "eu-west-1"
pytestmark = [
    pytest.mark.dynoxide,
    pytest.mark.usefixtures("engine_credentials"),
]


@pytest.fixture
def proxy(dynoxide: Engine) -> Iterator[FaultyProxy]:
    with FaultyProxy({REGION: dynoxide.endpoint_url(REGION)}) as started:
        yield started


@pytest.fixture
def birds(dynoxide: Engine, proxy: FaultyProxy) -> DynamoDBClient:
    """A client of a table behind the proxy, for one try at a time."""
    name = make_table(dynoxide, REGION, unique_name(), "id", read_units=5)
    return client_for(TableRef(name, REGION, endpoint_url=proxy.url))


def call(client: DynamoDBClient, operation: str, body: bytes) -> bytes:
    return worker_loop().run(client.call_once(operation, body), timeout=20)


def items_body(client: DynamoDBClient, *sizes: int) -> bytes:
    items = [
        json.dumps({"id": {"S": f"{n}"}, "x": {"S": "x" * size}}).encode()
        for n, size in enumerate(sizes)
    ]
    requests = [put_request(item) for item in items]
    return batch_write_body(client.table.wire_name, requests)


def put(client: DynamoDBClient, *sizes: int) -> bytes:
    return call(client, "BatchWriteItem", items_body(client, *sizes))


def scan(client: DynamoDBClient) -> dict[str, Any]:
    body = {"TableName": client.table.name, "ReturnConsumedCapacity": "INDEXES"}
    reply: dict[str, Any] = json.loads(call(client, "Scan", json.dumps(body).encode()))
    return reply


def test_a_bucket_saves_what_is_not_used_and_no_more():
    bucket = Bucket(10.0, burst_seconds=300, now=0.0)
    assert bucket.balance(1000.0) == 3000
    bucket.take(3100, 1000.0)
    assert bucket.balance(1005.0) == -50
    assert bucket.balance(1020.0) == 100


def test_the_partitions_of_a_table_share_the_keys_and_segments_evenly():
    buckets = TableBuckets(Capacity(1, 1, partitions=8), now=0.0)
    keys = [buckets.partition_of_key(str(number)) for number in range(800)]
    assert {keys.count(partition) > 60 for partition in range(8)} == {True}
    segments = [buckets.partition_of_segment(number, 16) for number in range(16)]
    assert segments == [number // 2 for number in range(16)]


def test_a_spent_table_refuses_with_the_services_words_and_reason(proxy, birds):
    capacity = Capacity(5, 5, burst_seconds=1)
    proxy.limit(REGION, birds.table.name, capacity)
    put(birds, 20_000)  # 20 units of 5: let through whole, then owed
    with pytest.raises(ThrottledError, match="provisioned throughput") as caught:
        put(birds, 10)
    assert caught.value.code == "ProvisionedThroughputExceededException"
    assert caught.value.reasons == ("TableWriteProvisionedThroughputExceeded",)
    assert proxy.recording.throttled[REGION, birds.table.name] == 1
    assert scan(birds)["Count"] == 1  # reads have capacity of their own


def test_a_batch_goes_through_as_far_as_the_capacity_lasts(proxy, birds):
    proxy.limit(REGION, birds.table.name, Capacity(5, 4, burst_seconds=1))
    result = parse_batch_write(put(birds, *[10] * 10))
    assert len(result.unprocessed) == 6
    assert result.consumed.units == 4
    assert scan(birds)["Count"] == 4


def test_units_count_as_many_and_are_recorded_by_second(proxy, birds):
    table = birds.table.name
    proxy.limit(REGION, table, Capacity(1000, 1000, units_per_unit=100))
    assert parse_batch_write(put(birds, 10, 1500)).consumed.units == 300
    assert [units for _, units in proxy.recording.units(REGION, table, "write")] == [
        300
    ]
    assert proxy.recording.per_second(REGION, table, "write") == [300]
    assert scan(birds)["ConsumedCapacity"]["CapacityUnits"] == 50
    assert proxy.recording.per_second(REGION, table, "read") == [50]


def test_an_index_that_is_spent_holds_its_table_up(dynoxide, proxy):
    name = unique_name()
    throughput = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 50}
    attributes = [{"AttributeName": n, "AttributeType": "S"} for n in ("id", "x")]
    dynoxide.dynamodb(REGION).create_table(
        TableName=name,
        AttributeDefinitions=attributes,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput=throughput,
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_x",
                "KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": throughput,
            }
        ],
    )
    birds = client_for(TableRef(name, REGION, endpoint_url=proxy.url))
    capacity = Capacity(50, 50, index_units={"by_x": (5, 2)}, burst_seconds=1)
    proxy.limit(REGION, name, capacity)
    described = worker_loop().run(birds.describe_table())
    assert [index.write_units for index in described.indexes] == [2]
    consumed = parse_batch_write(put(birds, 3)).consumed
    assert consumed.index_units == (("by_x", 1.0),)
    put(birds, 1500)  # the old entry goes, a new one of two units comes
    with pytest.raises(ThrottledError) as caught:
        put(birds, 10)
    assert caught.value.reasons == ("IndexWriteProvisionedThroughputExceeded",)
    units = proxy.recording.units(REGION, name, "write", "by_x")
    assert units[0][1] == 1


def test_a_partition_that_is_hot_is_refused_for_its_key_range(proxy, birds):
    capacity = Capacity(50_000, 50_000, partitions=10, units_per_unit=1100)
    proxy.limit(REGION, birds.table.name, capacity)
    put(birds, 10)  # 1,100 units to the partition of key "0", which grants 1,000
    with pytest.raises(ThrottledError) as caught:
        put(birds, 10)
    assert caught.value.reasons == ("TableWriteKeyRangeThroughputExceeded",)


def test_on_demand_tables_are_refused_in_other_words_and_say_their_maximum(
    proxy, birds
):
    capacity = Capacity(7, 5, on_demand=True, burst_seconds=1)
    proxy.limit(REGION, birds.table.name, capacity)
    described = worker_loop().run(birds.describe_table())
    assert described.billing_mode == "PAY_PER_REQUEST"
    assert (described.max_read_units, described.max_write_units) == (7, 5)
    put(birds, 20_000)
    with pytest.raises(ThrottledError) as caught:
        put(birds, 10)
    assert caught.value.code == "ThrottlingException"
    assert caught.value.reasons == ("TableWriteMaxOnDemandThroughputExceeded",)


@pytest.mark.parametrize(
    ("faults", "error", "applied"),
    [
        (Faults(throttled=1), ThrottledError, 0),
        (Faults(unavailable=1), ServerError, 0),
        (Faults(internal_errors=1, seed=6), ServerError, 0),
        (Faults(internal_errors=1, seed=3), ServerError, 1),
        (Faults(expired=1), ExpiredCredentialsError, 0),
        (Faults(resets_before=1), ConnectionLostError, 0),
        (Faults(resets_after=1), ConnectionLostError, 1),
        (Faults(truncated=1), TruncatedReplyError, 1),
        (Faults(corrupted=1), ChecksumError, 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_fault_is_what_it_says_applied_or_not(proxy, birds, faults, error, applied):
    proxy.faults = faults
    with pytest.raises(error):
        put(birds, 10)
    proxy.faults = Faults()
    assert scan(birds)["Count"] == applied


def test_a_stalled_reply_comes_late_and_whole(proxy, birds):
    proxy.faults = Faults(stalled=1, stall_seconds=0.3)
    clock = worker_loop().loop.time
    began = clock()
    assert parse_batch_write(put(birds, 10)).unprocessed == []
    assert clock() - began >= 0.3


def test_some_items_of_a_batch_are_left_unprocessed_never_all(proxy, birds):
    proxy.faults = Faults(unprocessed=1, seed=5)
    left = parse_batch_write(put(birds, *[10] * 20)).unprocessed
    assert 0 < len(left) < 20
    assert scan(birds)["Count"] == 20 - len(left)


def test_equal_seeds_give_equal_faults_and_shares_are_kept():
    def drawn(seed: int) -> list[str | None]:
        dice = FaultDice(Faults(seed=seed, throttled=0.3, resets_after=0.1))
        return [dice.draw("BatchWriteItem", spends=True) for _ in range(2000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1).count("throttled") / 2000 == pytest.approx(0.3, abs=0.04)
    assert drawn(1).count("resets_after") / 2000 == pytest.approx(0.07, abs=0.03)
    dice = FaultDice(Faults(throttled=1))
    assert dice.draw("DescribeTable", spends=False) is None


def test_a_region_goes_away_and_comes_back(proxy, birds):
    proxy.down_regions.add(REGION)
    with pytest.raises(ConnectionLostError):
        put(birds, 10)
    proxy.down_regions.clear()
    put(birds, 10)


def test_requests_of_an_expired_key_are_refused(proxy, birds):
    proxy.expired_keys.add("testing")
    with pytest.raises(ExpiredCredentialsError):
        put(birds, 10)
    proxy.expired_keys.clear()
    put(birds, 10)


def test_many_requests_at_once_are_admitted_as_if_in_turn(proxy, birds):
    proxy.limit(REGION, birds.table.name, Capacity(5, 50, burst_seconds=1))
    body = items_body(birds, *[10] * 5)

    async def all_at_once() -> list[Any]:
        calls = [birds.call_once("BatchWriteItem", body) for _ in range(40)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = worker_loop().run(all_at_once(), timeout=30)
    refused = [each for each in results if isinstance(each, BeamDynamoDBError)]
    units = sum(u for _, u in proxy.recording.units(REGION, birds.table.name, "write"))
    assert refused
    assert units < 150  # 50 saved, 50 a second, of 200 asked for
    assert (
        worst_window(proxy.recording.units(REGION, birds.table.name, "write"), 0.5)
        <= 50 + 0.5 * 50 + 5
    )
