"""ReadFromDynamoDB on Beam's local runner, against engines that speak DynamoDB."""

import json
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest

from pipelines.demo.engines import Engine
from tests.support.collect import collect, collect_and_count
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.tables import TableRef
from transforms.items import Item, Page
from transforms.run_values import Given
from transforms.scan import ReadFromDynamoDB
from transforms.scan_dofns import ScanPages, describe
from transforms.throttle.rate import Rate

REGION = "eu-west-1"
COUNT = 150
pytestmark = pytest.mark.usefixtures("engine_credentials")


def a_bird(number: int) -> dict[str, Any]:
    day = {"day": {"S": f"2013-06-{number % 30 + 1:02}"}} if number % 3 else {}
    return day | {
        "id": {"S": f"bird-{number}"},
        "weight": {"N": f"{number}.5"},
        "tags": {"SS": ["a", "b"]},
        "song": {"B": "AAEC"},
        "nested": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}]}}},
    }


BIRDS = [a_bird(number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def table(engine: Engine) -> TableRef:
    """150 birds, of which 100 have a day and are in the index of days."""
    name = unique_name("birds")
    client = engine.dynamodb(REGION)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "day", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    for number in range(COUNT):
        bird = a_bird(number) | {"song": {"B": b"\0\1\2"}}
        client.put_item(TableName=name, Item=bird)
    return TableRef(name, REGION, endpoint_url=engine.endpoint_url(REGION))


def as_items(wires: list[dict[str, Any]]) -> list[Item]:
    return [Item(json.dumps(wire).encode()) for wire in wires]


def by_id(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: str(item["id"]))


@pytest.mark.parametrize("segments", [1, 7, 64])
def test_every_item_is_read_once_as_it_is(table, segments):
    read = ReadFromDynamoDB(table, segments=segments, page_limit=6)
    items, counters = collect_and_count(read)
    assert by_id(items) == by_id(as_items(BIRDS))
    assert counters["scanned"] == COUNT
    assert counters["segments_done"] == segments
    assert counters["pages"] >= max(segments, COUNT / 6)
    assert counters["read_units"] > 0


def test_segments_are_chosen_when_not_given(table):
    items, counters = collect_and_count(ReadFromDynamoDB(table))
    assert len(items) == COUNT
    assert counters["segments_done"] == 16


def test_consistent_reads_see_the_same(table):
    items = collect(ReadFromDynamoDB(table, segments=4, consistent=True))
    assert by_id(items) == by_id(as_items(BIRDS))


def test_an_index_has_the_items_with_its_key(table):
    items = collect(ReadFromDynamoDB(table, segments=4, index="by_day", page_limit=9))
    assert by_id(items) == by_id(as_items([bird for bird in BIRDS if "day" in bird]))


def test_the_service_filters_and_projects(table):
    read = ReadFromDynamoDB(
        table,
        segments=5,
        filter="#weight >= :least AND attribute_exists(day)",
        names={"#weight": "weight"},
        values={":least": 100},
        projection=["id", "day"],
    )
    items, counters = collect_and_count(read)
    kept = [bird for bird in BIRDS[100:] if "day" in bird]
    expected = [{"id": bird["id"], "day": bird["day"]} for bird in kept]
    assert by_id(items) == by_id(as_items(expected))
    assert counters["scanned"] == COUNT
    assert counters["scan_filtered"] == COUNT - len(kept)


def test_an_ordinary_map_sees_items_one_by_one(table):
    names = collect(
        ReadFromDynamoDB(table, segments=3) | beam.Map(lambda item: item["id"])
    )
    assert sorted(names) == sorted(f"bird-{number}" for number in range(COUNT))


def test_a_rate_is_no_hindrance_to_reading_all(table):
    read = ReadFromDynamoDB(table, segments=3, read=Rate.units(300))
    assert len(collect(read)) == COUNT


def test_items_carry_the_page_they_come_from(table):
    items = collect(ReadFromDynamoDB(table, segments=3, page_limit=10))
    pages: dict[Any, int] = {}
    for item in items:
        pages[item.origin] = pages.get(item.origin, 0) + 1
    assert {origin.segment for origin in pages} == {0, 1, 2}
    assert max(pages.values()) <= 10


class ScanAPageAtATime(ScanPages):
    """Gives the rest back after every page, as a runner that checkpoints would."""

    def process(
        self,
        scan: Any,
        tracker: Any = beam.DoFn.RestrictionParam(),  # noqa: B008
    ) -> Iterator[Page]:
        for page in super().process(scan, tracker):
            yield page
            tracker.defer_remainder()


def test_a_checkpoint_after_every_page_loses_and_repeats_nothing(table):
    read = ReadFromDynamoDB(table, segments=5, splits=2, page_limit=12)

    @beam.ptransform_fn
    def interrupted(pbegin):
        return (
            pbegin
            | beam.Create([read.spec])
            | beam.Map(describe)
            | beam.ParDo(ScanAPageAtATime(Given(read.spec)))
            | beam.FlatMap(lambda page: list(page.batch()))
        )

    assert by_id(collect(interrupted())) == by_id(as_items(BIRDS))


def test_a_table_that_is_not_there_stops_the_run_with_its_region(engine):
    table = TableRef("no.such.table", REGION, endpoint_url=engine.endpoint_url(REGION))
    with pytest.raises(Exception, match=r"'no.such.table' is not in region eu-west-1"):
        collect(ReadFromDynamoDB(table))


def test_items_at_the_end_of_a_full_page_are_scanned_once(engine):
    """dynoxide 1.2.1 also counts, in ScannedCount, what a page had no room for."""
    name = make_table(engine, REGION, unique_name("big"), "id")
    client = engine.dynamodb(REGION)
    for number in range(120):
        item = {"id": {"S": str(number)}, "text": {"S": "x" * 20_000}}
        client.put_item(TableName=name, Item=item)
    table = TableRef(name, region=REGION, endpoint_url=engine.endpoint_url(REGION))
    read = ReadFromDynamoDB(table, read=Rate.unlimited(), segments=1)
    items, counters = collect_and_count(read)
    assert len({item["id"] for item in items}) == len(items) == 120
    assert counters["scanned"] == 120
    assert "scan_filtered" not in counters
