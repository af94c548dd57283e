"""What a sink tells of the items it was given: receipts and rejected items."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import apache_beam as beam
import msgspec

from transforms.items import Item, Origin

__all__ = ["OnReject", "Receipt", "RejectedItem"]

OnReject: TypeAlias = Literal["fail", "collect"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The account of some items in one route: those of a page, as a rule.

    `items + fanned_out = written + filtered + skipped + superseded + rejected`, always.

    Attributes:
        route: the route's name.
        origin: the page the items came from; None where they are of several, or a
            stage between scan and sink made them anew.
        items: items that reached the sink.
        written: puts or deletes that the service confirmed.
        filtered: items that the route's own filter left out.
        superseded: items that gave way to a later one with the same key.
        rejected: items that the service will never take.
        write_units: write capacity consumed, in WCU.
        skipped: items of which the route's mapping made none.
        fanned_out: items that the mapping made beyond the first of each.
    """

    route: str
    origin: Origin | None
    items: int
    written: int
    filtered: int
    superseded: int
    rejected: int
    write_units: float
    skipped: int = 0
    fanned_out: int = 0

    @property
    def balances(self) -> bool:
        """True when every item is accounted for."""
        left_out = self.filtered + self.skipped + self.superseded + self.rejected
        return self.items + self.fanned_out == self.written + left_out


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item that the service will never take, and why.

    Attributes:
        route: the route whose target refused it.
        reason: error code and text of the service.
        attempts: requests in which it was sent.
        item: as it was sent: mapped, or its key alone for a delete.
    """

    route: str
    reason: str
    attempts: int
    item: Item

    @property
    def code(self) -> str:
        """What is wrong, in one word, such as ``ItemTooLarge``."""
        return self.reason.partition(":")[0]


_RECEIPT_TAG = 2
_REJECTED_TAG = 1


class ReceiptCoder(beam.coders.Coder):
    """MessagePack: a version tag, then the fields in order."""

    def encode(self, value: Receipt) -> bytes:
        """Returns the receipt's bytes; equal receipts have equal bytes."""
        origin = value.origin and (value.origin.segment, value.origin.page)
        counts = (value.items, value.written, value.filtered, value.superseded)
        tail = (value.rejected, value.write_units, value.skipped, value.fanned_out)
        return msgspec.msgpack.encode(
            (_RECEIPT_TAG, value.route, origin, *counts, *tail)
        )

    def decode(self, encoded: bytes) -> Receipt:
        """Returns the receipt of `encode`'s bytes."""
        tag, route, origin, *counts = msgspec.msgpack.decode(encoded)
        _check_tag(tag, _RECEIPT_TAG, "receipt")
        return Receipt(route, origin and Origin(*origin), *counts)

    def is_deterministic(self) -> bool:
        """True: no part of a receipt has two encodings."""
        return True

    def to_type_hint(self) -> type[Receipt]:
        """Returns the type that this coder is registered for."""
        return Receipt


class RejectedItemCoder(beam.coders.Coder):
    """MessagePack: a version tag, the fields, the item as its own coder has it."""

    def __init__(self) -> None:
        self._item_coder = beam.coders.registry.get_coder(Item)

    def encode(self, value: RejectedItem) -> bytes:
        """Returns the bytes of a rejected item, wire bytes unchanged."""
        item = self._item_coder.encode(value.item)
        return msgspec.msgpack.encode(
            (_REJECTED_TAG, value.route, value.reason, value.attempts, item)
        )

    def decode(self, encoded: bytes) -> RejectedItem:
        """Returns the rejected item of `encode`'s bytes."""
        tag, route, reason, attempts, item = msgspec.msgpack.decode(encoded)
        _check_tag(tag, _REJECTED_TAG, "rejected item")
        return RejectedItem(route, reason, attempts, self._item_coder.decode(item))

    def is_deterministic(self) -> bool:
        """False, as items are: equal ones may differ in bytes (1.50 and 1.5)."""
        return False

    def to_type_hint(self) -> type[RejectedItem]:
        """Returns the type that this coder is registered for."""
        return RejectedItem


def _check_tag(found: object, expected: int, thing: str) -> None:
    if found != expected:
        raise ValueError(
            f"a {thing} of format {found!r}, this version reads {expected}; "
            "run the same beam-dynamodb on every worker"
        )


beam.coders.registry.register_coder(Receipt, ReceiptCoder)
beam.coders.registry.register_coder(RejectedItem, RejectedItemCoder)
