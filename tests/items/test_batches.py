"""ItemBatch and Page: many items as one thing, each with its origin."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import origins, wire_items
from transforms.items import Item, ItemBatch, Origin, Page

FIRST, SECOND = Origin(1, b""), Origin(2, b"pagepage")

few_origins = st.sampled_from([None, FIRST, SECOND])
numbered_items = st.lists(few_origins, max_size=20).map(
    lambda chosen: [
        Item(b'{"n":{"N":"%d"}}' % number, origin)
        for number, origin in enumerate(chosen)
    ]
)


def contents(items):
    return [(item.wire, item.origin) for item in items]


@given(numbered_items)
def test_a_batch_of_items_gives_them_back_with_their_origins(items):
    batch = ItemBatch.of_items(items)
    assert contents(batch) == contents(items)
    assert len(batch) == len(items)
    assert batch.estimated_bytes == sum(len(item.wire) for item in items)
    assert all(count > 0 for _, count in batch.runs)


def test_the_size_of_many_items_is_told_from_a_few():
    sizes = [100 + number % 7 for number in range(5_000)]
    batch = ItemBatch.of_page([b"x" * size for size in sizes], None)
    assert batch.estimated_bytes == pytest.approx(sum(sizes), rel=0.05)


@given(numbered_items)
def test_neighbours_of_one_origin_share_a_run(items):
    runs = ItemBatch.of_items(items).runs
    assert all(left[0] != right[0] for left, right in pairwise(runs))


@given(st.data())
def test_a_mask_keeps_items_in_order_with_their_origins(data):
    items = data.draw(numbered_items)
    size = len(items)
    mask = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    kept = ItemBatch.of_items(items).keep(mask)
    expected = [item for item, keep in zip(items, mask, strict=True) if keep]
    assert contents(kept) == contents(expected)
    assert sum(count for _, count in kept.runs) == len(kept)


@given(numbered_items)
def test_other_wires_at_the_same_places_have_the_same_origins(items):
    wires = [b'{"w":%s}' % item.wire for item in items]
    replaced = ItemBatch.of_items(items).replace_wires(wires)
    assert [item.wire for item in replaced] == wires
    assert [item.origin for item in replaced] == [item.origin for item in items]


@given(st.lists(numbered_items, max_size=4))
def test_batches_are_joined_in_order(parts):
    joined = ItemBatch.concatenate([ItemBatch.of_items(items) for items in parts])
    assert contents(joined) == contents([item for items in parts for item in items])


@given(numbered_items)
def test_the_runs_of_a_batch_are_batches_of_one_origin_each(items):
    parts = list(ItemBatch.of_items(items).split_runs())
    assert contents(ItemBatch.concatenate(parts)) == contents(items)
    assert all(len(part.runs) == 1 for part in parts)


@pytest.mark.parametrize("places", [0, 1, 3])
def test_a_mask_or_wires_of_another_length_are_refused(places):
    batch = ItemBatch.of_page([b"{}", b"{}"], FIRST)
    with pytest.raises(ValueError, match=f"mask must have 2 places.*got {places}"):
        batch.keep([True] * places)
    with pytest.raises(ValueError, match=f"wires must have 2 places.*got {places}"):
        batch.replace_wires([b"{}"] * places)


def test_an_empty_page_is_a_batch_without_runs():
    batch = ItemBatch.of_page([], FIRST)
    assert (len(batch), batch.runs, list(batch)) == (0, (), [])


@given(st.lists(wire_items(), max_size=5), origins.filter(bool))
def test_a_page_is_a_batch_of_its_slices(wires, origin):
    page = Page([msgspec.Raw(wire) for wire in wires], origin, 9, len(wires))
    assert contents(page.batch()) == [(wire, origin) for wire in wires]


def test_what_may_end_up_in_a_log_shows_no_content():
    secret = msgspec.Raw(b'{"id":{"S":"secret"}}')
    page = Page([secret], FIRST, 1, 1)
    assert repr(page) == "<Page 1 items, segment 1>"
    assert repr(page.batch()) == "<ItemBatch 1 items, 1 runs>"
