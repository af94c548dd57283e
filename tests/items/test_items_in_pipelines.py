"""Batches between our steps, items at the user's: Beam converts, and loses nothing."""

import json
from typing import Any

import apache_beam as beam
import msgspec
import pytest
from apache_beam.typehints.batch import BatchConverter

from tests.support.collect import collect
from transforms.items import (
    Item,
    ItemBatch,
    ItemBatchConverter,
    OpenPages,
    Origin,
    Page,
)
from transforms.write import FilterAndMapItems


def a_page(segment: int, count: int) -> Page:
    wires = [
        msgspec.Raw(b'{"id":{"S":"%d-%d"},"n":{"N":"%d"}}' % (segment, n, n))
        for n in range(count)
    ]
    return Page(wires, Origin(segment, b"pagepage"), count, count)


PAGES = [a_page(1, 30), a_page(2, 0), a_page(3, 4)]
IDS = [f"{segment}-{n}" for segment, count in ((1, 30), (3, 4)) for n in range(count)]


class CountBatches(beam.DoFn):
    """A batched DoFn: says how many items came at once."""

    @beam.DoFn.yields_elements
    def process_batch(self, batch: ItemBatch):
        yield len(batch)

    def infer_output_type(self, _input_type):
        return int


def opened() -> Any:
    return beam.ParDo(OpenPages())


def test_a_page_travels_through_fused_steps_as_one_batch():
    sizes = collect(opened() | beam.ParDo(CountBatches()), PAGES)
    assert sorted(sizes) == [4, 30]


def test_an_ordinary_map_between_batched_steps_sees_single_items():
    def doubled(item: Item) -> Item:
        number: Any = item["n"]
        return item.with_attributes({"twice": number * 2})

    items = collect(
        opened()
        | "Before" >> FilterAndMapItems(filter="n >= 2")
        | "Yours" >> beam.Map(doubled)
        | "After" >> FilterAndMapItems(filter="twice < 8", columns={"id": "key"}),
        PAGES,
    )
    assert sorted(item["key"] for item in items) == ["1-2", "1-3", "3-2", "3-3"]
    assert {item.origin for item in items} == {
        Origin(1, b"pagepage"),
        Origin(3, b"pagepage"),
    }


def test_a_function_without_a_type_may_return_items():
    items = collect(
        opened()
        | beam.Map(lambda item: item.without("n"))
        | FilterAndMapItems(filter="attribute_not_exists(n)"),
        PAGES,
    )
    assert sorted(item["id"] for item in items) == sorted(IDS)


def test_something_else_than_an_item_is_refused_with_the_remedy():
    with pytest.raises(
        Exception, match=r"expected an Item, got a dict.*from_attributes"
    ):
        collect(
            opened()
            | beam.Map(lambda item: json.loads(item.wire))
            | FilterAndMapItems(filter="n = 1"),
            PAGES,
        )


def test_items_pass_a_shuffle_with_bytes_and_origin():
    items = collect(opened() | beam.Reshuffle(), PAGES)
    assert sorted(item["id"] for item in items) == sorted(IDS)
    assert {item.origin.segment for item in items} == {1, 3}


def test_items_made_by_the_user_have_no_origin_and_pass():
    made = [Item.from_attributes({"id": str(n), "n": n}) for n in range(5)]
    items = collect(FilterAndMapItems(filter="n >= 3"), made)
    assert sorted(item["id"] for item in items) == ["3", "4"]
    assert {item.origin for item in items} == {None}


# --- the converter itself -------------------------------------------------------------


def test_beam_finds_the_converter_by_its_types():
    converter = BatchConverter.from_typehints(element_type=Item, batch_type=ItemBatch)
    assert isinstance(converter, ItemBatchConverter)
    with pytest.raises(TypeError):
        ItemBatchConverter.from_typehints(int, ItemBatch)
    with pytest.raises(TypeError):
        ItemBatchConverter.from_typehints(Item, list)


def test_items_to_batches_and_back():
    converter = ItemBatchConverter(ItemBatch, Item)
    items = [Item(b'{"n":{"N":"1"}}', Origin(1, b"")), Item(b"{}")]
    batch = converter.produce_batch(items)
    assert list(converter.explode_batch(batch)) == items
    assert converter.get_length(batch) == 2
    assert converter.estimate_byte_size(batch) == len(items[0].wire) + 2
    joined = converter.combine_batches([batch, batch])
    assert list(joined) == items * 2
