"""A region that stalls holds the scan up; pages do not pile up in memory."""

import json
import threading

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.support.https_server import HttpsServer, reply, silence
from tests.support.processes import becomes_true
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.metrics import WRITTEN, counters_of
from transforms.scan import ReadFromDynamoDB
from transforms.throttle.rate import Rate
from transforms.write import WriteToDynamoDB
from transforms.writers import MAX_BYTES_IN_FLIGHT

PAGES = 120
ITEMS = 40
ITEM = json.dumps({"id": {"S": "x"}, "value": {"S": "v" * 25_000}})
PAGE_BYTES = ITEMS * len(ITEM)
SEGMENTS_IN_FLIGHT = 4
READ_AHEAD_PAGES = SEGMENTS_IN_FLIGHT + 8


def description(name: str):
    keys = [{"AttributeName": "id", "KeyType": "HASH"}]
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    table = {
        "TableName": name,
        "TableArn": f"arn:aws:dynamodb:eu-west-1:000000000000:table/{name}",
        "TableStatus": "ACTIVE",
        "KeySchema": keys,
        "AttributeDefinitions": attributes,
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    }
    return reply(json.dumps({"Table": table}).encode())


@pytest.fixture
def source():
    server = HttpsServer()
    server.always("DescribeTable", description("source"))
    items = ",".join([ITEM] * ITEMS)
    page = f'{{"Items":[{items}],"Count":{ITEMS},"ScannedCount":{ITEMS}'
    more = ',"LastEvaluatedKey":{"id":{"S":"x"}}}'
    server.will(description("source"))
    server.will(*[reply((page + more).encode())] * (PAGES - 1))
    server.always("Scan", reply((page + "}").encode()))
    yield server
    server.close()


@pytest.fixture
def stalled():
    server = HttpsServer()
    server.always("DescribeTable", description("target"))
    server.always("BatchWriteItem", silence)
    yield server
    server.close()


def test_a_stalled_region_bounds_what_is_read_and_the_rest_follows_when_it_recovers(
    engine_credentials, source, stalled
):
    counters: dict[str, int] = {}

    def copy() -> None:
        read = Rate.unlimited()
        pipeline = beam.Pipeline(runner=FnApiRunner())
        scan = ReadFromDynamoDB(
            TableRef("source", "eu-west-1", endpoint_url=source.url),
            read=read,
            segments=1,
            splits=1,
            segments_in_flight=SEGMENTS_IN_FLIGHT,
        )
        write = WriteToDynamoDB(
            TableRef("target", "us-east-1", endpoint_url=stalled.url),
            write=read,
            keys_unique=True,
            transport=TransportConfig(read_timeout_seconds=60),
        )
        pipeline | scan | write
        counters.update(counters_of(pipeline.run()))

    def pages_read() -> int:
        return sum(request.operation == "Scan" for request in source.requests)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    in_flight = MAX_BYTES_IN_FLIGHT // PAGE_BYTES
    assert becomes_true(lambda: pages_read() >= in_flight)
    threading.Event().wait(0.5)  # for more than should come
    # The page that waits for room, and those read ahead of it.
    assert pages_read() <= in_flight + 1 + READ_AHEAD_PAGES

    stalled.always("BatchWriteItem", reply())
    stalled.drop_connections()
    thread.join(60)
    assert counters.get(WRITTEN.name_of("target")) == PAGES * ITEMS
