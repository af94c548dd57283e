"""Samples by key and expired items."""

import pytest

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import KeyAttribute, KeySchema
from transforms.items import Item, ItemBatch
from transforms.selection import ItemSelector, parse_sample

KEYS = KeySchema(KeyAttribute("id", "S"))
NOW = 1_700_000_000.0
YEAR = 365 * 24 * 3600


def batch(**values: object) -> ItemBatch:
    return ItemBatch.of_items(
        [Item.from_attributes({"id": id_, "ttl": v}) for id_, v in values.items()]
    )


def test_items_expire_as_the_service_says_they_do():
    items = batch(
        past=NOW_PAST, future=int(NOW) + 10, text=str(NOW_PAST), old=int(NOW) - 6 * YEAR
    )
    selector = ItemSelector(None, KEYS, "ttl", lambda: NOW)
    selected = selector.apply(items)
    assert [item["id"] for item in selected.kept] == ["future", "text", "old"]
    assert (selected.expired, selected.not_sampled) == (1, 0)


NOW_PAST = int(NOW) - 10


def test_an_item_without_the_attribute_does_not_expire():
    selector = ItemSelector(None, KEYS, "absent", lambda: NOW)
    assert len(selector.apply(batch(a=1)).kept) == 1


def test_a_sample_has_about_its_part_and_depends_on_the_key_alone():
    items = batch(**{f"k{n}": n for n in range(2_000)})
    again = batch(**{f"k{n}": -n for n in range(2_000)})
    tenth = ItemSelector(0.1, KEYS, None, lambda: NOW)
    kept = [item["id"] for item in tenth.apply(items).kept]
    assert [item["id"] for item in tenth.apply(again).kept] == kept
    assert 130 < len(kept) < 270
    fifth = ItemSelector(0.2, KEYS, None, lambda: NOW)
    assert set(kept) < {item["id"] for item in fifth.apply(items).kept}
    assert tenth.apply(items).not_sampled == 2_000 - len(kept)


@pytest.mark.parametrize("text", ["1", "0%", "101%", "-1%", "x%", ""])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(UserError, match="give a percentage above 0%"):
        parse_sample(text)


def test_parts_are_percentages():
    assert parse_sample("0.5%") == 0.005
    assert parse_sample("100 %") == 1.0
