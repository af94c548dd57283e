"""Mappings in Python, as users write them."""

from collections.abc import Iterator

from transforms.items import Item

NOT_CALLABLE = 1


def add_region(item: Item) -> Item:
    return item.with_attributes({"region": "eu"})


def drop_small(item: Item) -> Item | None:
    value = item["value"]
    assert not isinstance(value, str)
    return item if value > 10 else None  # type: ignore[operator]


def twice(item: Item) -> Iterator[Item]:
    for copy in ("1", "2"):
        yield item.with_attributes({"copy": copy})


def fails(item: Item) -> Item:
    raise ValueError(str(item["id"]))


def returns_a_dict(item: Item) -> dict[str, object]:
    return dict(item)
