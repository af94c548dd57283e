"""WriteToDynamoDB and WriteToRegions on Beam's local runner, against engines."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import pytest

from pipelines.demo.engines import Engine
from tests.support.collect import collect_and_count
from tests.support.engines import make_table, unique_name
from transforms import (
    Item,
    Rate,
    ReadFromDynamoDB,
    Receipt,
    RejectedItem,
    Route,
    TableRef,
    UserError,
    WriteToDynamoDB,
    WriteToRegions,
)

REGION, OREGON, VIRGINIA = "eu-west-1", "us-west-2", "us-east-1"
pytestmark = pytest.mark.usefixtures("engine_credentials")

# The key is of another type than the table's: the service will never take it.
BAD = b'{"id":{"N":"1"},"n":{"N":"1"}}'


def a_table(engine: Engine, region: str = OREGON, *keys: str) -> TableRef:
    name = make_table(engine, region, unique_name("birds"), *(keys or ("id",)))
    return TableRef(name, region, endpoint_url=engine.endpoint_url(region))


def a_bird(number: int, **more: Any) -> Item:
    return Item.from_attributes({"id": f"bird-{number:03}", "n": number} | more)


BIRDS = [a_bird(number) for number in range(60)]


def content(engine: Engine, table: TableRef) -> list[Item]:
    """What is in the table, by an independent read."""
    pages = engine.dynamodb(table.region).get_paginator("scan")
    items: Iterable[Any] = (
        item
        for page in pages.paginate(TableName=table.name, ConsistentRead=True)
        for item in page["Items"]
    )
    found = [Item(json.dumps(item).encode()) for item in items]
    return sorted(found, key=lambda item: str(item["id"]))


def outputs_of(transform: Any) -> Any:
    """The receipts and rejected items of all routes, as one collection."""

    @beam.ptransform_fn
    def outputs(pcoll: Any) -> Any:
        results = pcoll | transform
        results = results if isinstance(results, dict) else {"": results}
        each = [result.written for result in results.values()]
        each += [result[1] for result in results.values() if result[1] is not None]
        return each | beam.Flatten()

    return outputs()


def write(
    transform: Any, items: Iterable[Any] | None
) -> tuple[list[Receipt], list[RejectedItem], dict[str, int]]:
    values, counters = collect_and_count(outputs_of(transform), items)
    receipts = [value for value in values if isinstance(value, Receipt)]
    rejected = [value for value in values if isinstance(value, RejectedItem)]
    assert all(receipt.balances for receipt in receipts)
    return receipts, rejected, counters


# --- one table ------------------------------------------------------------------------


def test_items_are_put_and_counted(engine):
    table = a_table(engine)
    receipts, rejected, counters = write(WriteToDynamoDB(table, name="west"), BIRDS)
    assert content(engine, table) == BIRDS
    assert sum(receipt.written for receipt in receipts) == len(BIRDS)
    assert {receipt.route for receipt in receipts} == {"west"}
    assert rejected == []
    assert counters["written/west"] == len(BIRDS)
    assert counters["write_units/west"] > 0


def test_a_put_replaces_the_whole_item(engine):
    table = a_table(engine)
    write(WriteToDynamoDB(table), [a_bird(1, song="loud")])
    write(WriteToDynamoDB(table), [a_bird(1)])
    assert content(engine, table) == [a_bird(1)]


def test_keys_of_items_are_deleted_and_nothing_else_of_them_looked_at(engine):
    table = a_table(engine, OREGON, "id", "n:N")
    write(WriteToDynamoDB(table), BIRDS)
    gone = [bird.with_attributes({"song": "other"}) for bird in BIRDS[10:]]
    receipts, _, _ = write(WriteToDynamoDB(table, mode="delete"), gone)
    assert content(engine, table) == BIRDS[:10]
    assert sum(receipt.written for receipt in receipts) == 50


def test_of_items_with_one_key_the_last_wins(engine):
    table = a_table(engine)
    versions = [a_bird(n % 7, version=n) for n in range(60)]
    receipts, _, counters = write(WriteToDynamoDB(table, name="west"), versions)
    latest = sorted(versions[-7:], key=lambda item: str(item["id"]))
    assert content(engine, table) == latest
    assert sum(receipt.superseded for receipt in receipts) == 53
    assert counters["superseded/west"] == 53


def test_an_item_that_the_service_never_takes_fails_the_bundle(engine):
    table = a_table(engine)
    with pytest.raises(Exception, match='on_reject="collect"'):
        write(WriteToDynamoDB(table), [*BIRDS, Item(BAD)])


def test_collected_it_is_rejected_alone_and_its_batch_is_written(engine):
    """I3: one bad item never takes its batch down."""
    table = a_table(engine)
    items = [*BIRDS[:30], Item(BAD), Item(b'{"n":{"N":"7"}}'), *BIRDS[30:]]
    sink = WriteToDynamoDB(table, name="west", on_reject="collect")
    receipts, rejected, counters = write(sink, items)
    assert content(engine, table) == BIRDS
    wires = {each.item.wire: each.attempts for each in rejected}
    assert set(wires) == {BAD, b'{"n":{"N":"7"}}'}
    assert wires[BAD] >= 1  # in its batch, perhaps in halves of it
    assert {each.route for each in rejected} == {"west"}
    assert all(each.reason for each in rejected)
    assert sum(receipt.rejected for receipt in receipts) == 2
    assert counters["rejected/west"] == 2


def test_rejected_items_are_not_to_be_had_under_fail(engine):
    sink = WriteToDynamoDB(TableRef("birds", OREGON))
    result = beam.Pipeline() | beam.Create(BIRDS).with_output_types(Item) | sink
    with pytest.raises(UserError, match='on_reject="collect"'):
        _ = result.rejected


def test_writing_twice_gives_the_same_table(engine):
    """I7."""
    table = a_table(engine)
    for _ in range(2):
        receipts, _, _ = write(WriteToDynamoDB(table), BIRDS)
        assert sum(receipt.written for receipt in receipts) == len(BIRDS)
    assert content(engine, table) == BIRDS


# --- several tables -------------------------------------------------------------------


def test_a_scan_is_branched_with_its_filters_columns_and_modes(engine):
    source = a_table(engine, REGION)
    west, east = a_table(engine, OREGON), a_table(engine, VIRGINIA)
    write(WriteToDynamoDB(source), BIRDS)
    routes = [
        Route(
            name="oregon",
            target=west,
            filter="n < 20",
            columns={"id": "id", "n": "number"},
            write=Rate.unlimited(),
        ),
        Route(name="virginia", target=east, write=Rate.units(10_000)),
    ]
    sink = ReadFromDynamoDB(source, segments=3) | WriteToRegions(
        routes, filter="n >= 10", columns={"id": "id", "n": "n"}, keys_unique=True
    )
    receipts, _, counters = write(sink, None)
    expected = [
        Item.from_attributes({"id": bird["id"], "number": bird["n"]})
        for bird in BIRDS[10:20]
    ]
    assert content(engine, west) == expected
    assert content(engine, east) == BIRDS[10:]
    assert counters["filter_evaluations/shared"] == len(BIRDS)
    assert counters["filter_evaluations/oregon"] == 50
    assert "filter_evaluations/virginia" not in counters
    assert counters["shared_filtered"] == 10
    assert counters["filtered/oregon"] == 40
    totals = Counter[tuple[str, str]]()
    for receipt in receipts:
        totals["written", receipt.route] += receipt.written
        totals["filtered", receipt.route] += receipt.filtered
    assert totals["written", "oregon"] == 10
    assert totals["filtered", "oregon"] == 40
    assert totals["written", "virginia"] == 50


def test_receipts_are_made_out_to_the_pages_of_the_scan(engine):
    source, target = a_table(engine, REGION), a_table(engine)
    write(WriteToDynamoDB(source), BIRDS)
    sink = ReadFromDynamoDB(source, segments=2, page_limit=7) | WriteToDynamoDB(target)
    receipts, _, counters = write(sink, None)
    origins = Counter(receipt.origin for receipt in receipts)
    assert set(origins.values()) == {1}
    assert {origin.segment for origin in origins if origin} == {0, 1}
    assert sum(receipt.items for receipt in receipts) == counters["scanned"]
    assert max(receipt.items for receipt in receipts) <= 7


def test_items_that_a_step_of_ones_own_makes_anew_are_accounted_for_by_route(engine):
    """Nobody knows of which page they are; receipts say so, and balance."""
    source, target = a_table(engine, REGION), a_table(engine)
    write(WriteToDynamoDB(source), BIRDS)
    made_anew = beam.Map(lambda item: Item.from_attributes({"id": item["id"]}))
    sink = ReadFromDynamoDB(source) | made_anew | WriteToDynamoDB(target)
    receipts, _, _ = write(sink, None)
    assert {receipt.origin for receipt in receipts} == {None}
    assert sum(receipt.written for receipt in receipts) == len(BIRDS)


def test_an_items_bytes_are_those_that_were_read(engine):
    """I4: whatever types it has, and however large."""
    source, target = a_table(engine, REGION), a_table(engine)
    item = Item.from_attributes(
        {
            "id": "all",
            "n": 10**37 + 1,
            "b": b"\0\xff",
            "yes": True,
            "none": None,
            "l": [1, "a", {"m": []}],
            "ss": {"b", "a"},
            "ns": {1, 2},
            "bs": {b"a", b"b"},
            "empty": "",
            "large": "x" * 300_000,
        }
    )
    write(WriteToDynamoDB(source), [item])
    write(ReadFromDynamoDB(source) | WriteToDynamoDB(target), None)
    read = engine.dynamodb(OREGON).get_item
    found = read(TableName=target.name, Key={"id": {"S": "all"}})["Item"]
    original = engine.dynamodb(REGION).get_item(
        TableName=source.name, Key={"id": {"S": "all"}}
    )["Item"]
    assert found == original


def test_nothing_to_write_is_no_error(engine):
    receipts, rejected, _ = write(WriteToDynamoDB(a_table(engine)), [])
    assert (receipts, rejected) == ([], [])


def test_a_target_that_is_not_there_stops_the_run_with_its_region(engine):
    url = engine.endpoint_url(OREGON)
    table = TableRef("no.such.table", OREGON, endpoint_url=url)
    with pytest.raises(Exception, match=r"'no.such.table' is not in region us-west-2"):
        write(WriteToDynamoDB(table), BIRDS)


# --- construction ---------------------------------------------------------------------


def route(name: str, **table: Any) -> Route:
    return Route(
        name=name, target=TableRef(**{"name": "birds", "region": REGION} | table)
    )


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        pytest.param([], "no route is given", id="none"),
        pytest.param([route("a"), route("a", region=OREGON)], "two .* 'a'", id="name"),
        pytest.param([route("a"), route("b")], "'a' and 'b' both write", id="table"),
    ],
)
def test_routes_that_clash_are_refused(routes, says):
    with pytest.raises(UserError, match=says):
        WriteToRegions(routes)


def test_tables_of_one_name_may_be_of_several_accounts():
    role = "arn:aws:iam::222222222222:role/copy"
    WriteToRegions(
        [
            route("ours"),
            route("theirs", role_arn=role),
            route("profile", profile="other"),
            route("account", account="333333333333"),
            route("oregon", region=OREGON),
        ]
    )


def test_an_unknown_answer_to_rejected_items_is_refused():
    with pytest.raises(UserError, match="got 'ignore'"):
        WriteToDynamoDB(TableRef("birds", REGION), on_reject="ignore")  # type: ignore[arg-type]
