"""Cuts items into BatchWriteItem requests, and reads the unprocessed ones back."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from transforms.dynamodb.operations import (
    batch_put_body,
    batch_write_body,
    delete_request,
)
from transforms.items import Wire

__all__ = ["body_maker", "payload_of", "size_of", "split_items"]

MAX_ITEMS_PER_REQUEST = 25
"""Of BatchWriteItem; source: AWS API reference, BatchWriteItem."""

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Of BatchWriteItem; source: AWS API reference, BatchWriteItem."""

REQUEST_OVERHEAD_BYTES = 512
ITEM_OVERHEAD_BYTES = 32


def split_items(
    items: Sequence[Wire], size_bytes: int | None = None
) -> Iterator[Sequence[Wire]]:
    """Cuts items into requests of at most 25 items and 16 MB, order kept.

    Args:
        items: wire items.
        size_bytes: their total size where it is known; small enough, and no item
            is measured.
    """
    bound = MAX_REQUEST_BYTES - REQUEST_OVERHEAD_BYTES
    overhead = ITEM_OVERHEAD_BYTES * MAX_ITEMS_PER_REQUEST
    if size_bytes is not None and size_bytes + overhead <= bound:
        for start in range(0, len(items), MAX_ITEMS_PER_REQUEST):
            yield items[start : start + MAX_ITEMS_PER_REQUEST]
        return
    group: list[Wire] = []
    group_bytes = 0
    for item in items:
        size = memoryview(item).nbytes + ITEM_OVERHEAD_BYTES
        full = len(group) == MAX_ITEMS_PER_REQUEST or group_bytes + size > bound
        if group and full:
            yield group
            group, group_bytes = [], 0
        group.append(item)
        group_bytes += size
    if group:
        yield group


def size_of(items: Sequence[Wire]) -> int:
    """Returns the bytes of all items."""
    return sum(memoryview(item).nbytes for item in items)


def body_maker(
    table_wire_name: str, *, deletes: bool
) -> Callable[[Sequence[Wire]], bytes]:
    """Returns a function from items (or keys) to a BatchWriteItem body."""

    def delete_body(keys: Sequence[Wire]) -> bytes:
        requests = [delete_request(key) for key in keys]
        return batch_write_body(table_wire_name, requests)

    def put_body(items: Sequence[Wire]) -> bytes:
        return batch_put_body(table_wire_name, items)

    return delete_body if deletes else put_body


class _PutPayload(msgspec.Struct, frozen=True):
    Item: msgspec.Raw = msgspec.Raw()


class _DeletePayload(msgspec.Struct, frozen=True):
    Key: msgspec.Raw = msgspec.Raw()


class _Payload(msgspec.Struct):
    PutRequest: _PutPayload = _PutPayload()
    DeleteRequest: _DeletePayload = _DeletePayload()


_PAYLOAD = msgspec.json.Decoder(_Payload)


def payload_of(request: bytes) -> bytes:
    """Returns the item of a put request, or the key of a delete request."""
    payload = _PAYLOAD.decode(request)
    return bytes(payload.PutRequest.Item or payload.DeleteRequest.Key)
