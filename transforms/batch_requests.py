"""Cuts items into BatchWriteItem requests, and reads the unprocessed ones back."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from transforms.dynamodb.operations import (
    batch_put_body,
    batch_write_body,
    delete_request,
)
from transforms.items import Wire

__all__ = ["body_maker", "payload_of", "split_items"]

MAX_ITEMS_PER_REQUEST = 25
"""Of BatchWriteItem; source: AWS API reference, BatchWriteItem."""

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Of BatchWriteItem; source: AWS API reference, BatchWriteItem."""

_OVERHEAD_BYTES = 512 + 32 * MAX_ITEMS_PER_REQUEST
_MAX_ITEM_BYTES = MAX_REQUEST_BYTES - _OVERHEAD_BYTES


def split_items(items: Sequence[Wire]) -> Iterator[tuple[Sequence[Wire], int]]:
    """Cuts items into requests of at most 25 items and 16 MB, order kept.

    Yields:
        The items of a request, and their size in bytes.
    """
    for start in range(0, len(items), MAX_ITEMS_PER_REQUEST):
        group = items[start : start + MAX_ITEMS_PER_REQUEST]
        size = sum(map(len, group))
        if size <= _MAX_ITEM_BYTES:
            yield group, size
        else:
            yield from _split_by_size(group)


def _split_by_size(items: Sequence[Wire]) -> Iterator[tuple[Sequence[Wire], int]]:
    """Cuts the few items that do not fit into one request."""
    group: list[Wire] = []
    group_bytes = 0
    for item in items:
        if group and group_bytes + len(item) > _MAX_ITEM_BYTES:
            yield group, group_bytes
            group, group_bytes = [], 0
        group.append(item)
        group_bytes += len(item)
    yield group, group_bytes


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
