"""How items and pages travel: coders, and the converter between items and batches."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from apache_beam.coders import Coder, registry
from apache_beam.typehints import Any as AnyHint
from apache_beam.typehints.batch import BatchConverter

from transforms.items.batches import ItemBatch, Page
from transforms.items.item import Item, Origin

__all__ = ["ItemBatchConverter", "ItemCoder", "PageCoder"]

_VERSION = 1

# Version, length of the page digest, segment + 1 (0: no origin); big-endian.
_ITEM_HEAD = struct.Struct(">BBI")
# Version, length of the page digest, segment, scanned count, count, consumed units.
_PAGE_HEAD = struct.Struct(">BBIQQd")

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


def _check_version(found: int, thing: str) -> None:
    if found != _VERSION:
        raise ValueError(
            f"{thing} in format {found}, but this worker reads format {_VERSION}; run"
            " one version of beam-dynamodb on the launcher and all workers"
        )


class ItemCoder(Coder):
    """An item's wire bytes, after a version and its origin."""

    def encode(self, value: Item) -> bytes:
        """Returns 6 bytes, the page digest if there is an origin, and the wire."""
        origin = value.origin
        if origin is None:
            return _ITEM_HEAD.pack(_VERSION, 0, 0) + value.wire
        head = _ITEM_HEAD.pack(_VERSION, len(origin.page), origin.segment + 1)
        return head + origin.page + value.wire

    def decode(self, encoded: bytes) -> Item:
        """Returns the item; its attributes are not looked at.

        Raises:
            ValueError: the bytes are of another version.
        """
        version, page_length, place = _ITEM_HEAD.unpack_from(encoded)
        _check_version(version, "an item")
        start = _ITEM_HEAD.size + page_length
        if not place:
            return Item(encoded[start:])
        page = encoded[_ITEM_HEAD.size : start]
        return Item(encoded[start:], Origin(place - 1, page))

    def estimate_size(self, value: Item) -> int:
        """Returns the encoded length in bytes."""
        page_length = len(value.origin.page) if value.origin else 0
        return _ITEM_HEAD.size + page_length + len(value.wire)

    def is_deterministic(self) -> bool:
        """False: equal items may differ in bytes (1.50 and 1.5, a set's order)."""
        return False

    def as_deterministic_coder(
        self, step_label: str, error_message: str | None = None
    ) -> Coder:
        """Refuses: grouped by their bytes, equal items would not meet.

        Raises:
            ValueError: always; the text names the digests to group by.
        """
        raise ValueError(
            error_message
            or f"{step_label}: items cannot be grouped by their bytes; key by"
            " item.key_digest(keys) or item.content_digest()"
        )

    def to_type_hint(self) -> type[Item]:
        """Returns the type that this coder is registered for."""
        return Item

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class PageCoder(Coder):
    """A page in full: the fields, then its items as one JSON array."""

    def encode(self, value: Page) -> bytes:
        """Returns 30 bytes, the page digest and the items' JSON."""
        origin = value.origin
        head = _PAGE_HEAD.pack(
            _VERSION,
            len(origin.page),
            origin.segment,
            value.scanned_count,
            value.count,
            value.consumed_units,
        )
        return b"".join((head, origin.page, b"[", b",".join(value.items), b"]"))

    def decode(self, encoded: bytes) -> Page:
        """Returns the page; its items are slices of the given bytes.

        Raises:
            ValueError: the bytes are of another version.
        """
        _check_version(encoded[0], "a page")
        _, length, segment, scanned, count, units = _PAGE_HEAD.unpack_from(encoded)
        start = _PAGE_HEAD.size + length
        body = memoryview(encoded)[start:]
        origin = Origin(segment, encoded[_PAGE_HEAD.size : start])
        return Page(_RAWS.decode(body), origin, scanned, count, units, len(body))

    def estimate_size(self, value: Page) -> int:
        """Returns about the encoded length in bytes, without encoding."""
        if value.size_bytes is None:
            return _PAGE_HEAD.size + sum(map(len, value.items))
        return _PAGE_HEAD.size + value.size_bytes

    def is_deterministic(self) -> bool:
        """False, as items are."""
        return False

    def to_type_hint(self) -> type[Page]:
        """Returns the type that this coder is registered for."""
        return Page

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class ItemBatchConverter(BatchConverter[ItemBatch, Item]):
    """Between `Item`, as ordinary DoFns see it, and `ItemBatch`, as ours do."""

    @staticmethod
    @BatchConverter.register(name="beam-dynamodb items")  # type: ignore[untyped-decorator]
    def from_typehints(element_type: Any, batch_type: Any) -> "ItemBatchConverter":
        """Returns the converter if it is for these types.

        Any passes as well: it is what Beam makes of a user's function that it cannot
        infer a type for, and `produce_batch` looks at what really comes.

        Raises:
            TypeError: it is not; Beam then asks the other converters.
        """
        if batch_type is not ItemBatch or element_type not in (Item, AnyHint):
            raise TypeError("ItemBatch is the batch type of Item alone")
        return ItemBatchConverter(batch_type, element_type)  # type: ignore[no-untyped-call]

    def produce_batch(self, elements: Sequence[Item]) -> ItemBatch:
        """Returns a batch of single items, in order.

        Raises:
            TypeError: something else came, from a function without a type.
        """
        for element in elements:
            if not isinstance(element, Item):
                raise TypeError(
                    f"expected an Item, got a {type(element).__name__}; make items with"
                    " Item.from_attributes or item.with_attributes, and annotate the"
                    " function that returns them: -> Item"
                )
        return ItemBatch.of_items(elements)

    def explode_batch(self, batch: ItemBatch) -> Iterator[Item]:
        """Yields the batch's items, each with its origin."""
        return iter(batch)

    def combine_batches(self, batches: Sequence[ItemBatch]) -> ItemBatch:
        """Returns one batch of several."""
        return ItemBatch.concatenate(batches)

    def get_length(self, batch: ItemBatch) -> int:
        """Returns the number of items."""
        return len(batch)

    def estimate_byte_size(self, batch: ItemBatch) -> int:
        """Returns about the items' JSON in bytes: Beam asks for every batch."""
        return batch.estimated_bytes


registry.register_coder(Item, ItemCoder)
registry.register_coder(Page, PageCoder)
