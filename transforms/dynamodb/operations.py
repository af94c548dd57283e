"""Requests and replies of DynamoDB's JSON 1.0 protocol: bytes in, bytes out.

The hot path. An item is never decoded: a page's items are slices of the page
(`msgspec.Raw`), and a batch is those slices between constant bytes. Each slice
keeps its whole page alive, up to 1 MB, so bound the pages in flight.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.capacity import NOTHING, ConsumedCapacity, WireCapacity
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.expressions.service import ServiceExpression

__all__ = [
    "BatchWriteResult",
    "ScanPage",
    "ScanRequest",
    "batch_put_body",
    "batch_write_body",
    "delete_request",
    "parse_batch_write",
    "parse_scan_page",
    "put_request",
]

_BATCH_END = b']},"ReturnConsumedCapacity":"INDEXES"}'
_PUT_START = b'{"PutRequest":{"Item":'
_DELETE_START = b'{"DeleteRequest":{"Key":'
_REQUEST_END = b"}}"
_BETWEEN_PUTS = _REQUEST_END + b"," + _PUT_START


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One page of one segment of a parallel Scan (API_Scan).

    Attributes:
        table: the table's wire name (`TableRef.wire_name`).
        segment: which segment, in ``[0, total_segments)``.
        total_segments: 1 to 1,000,000.
        start_key: the last page's LastEvaluatedKey as JSON; None at the start.
        page_limit: items to evaluate at most, 1 or more; None for a full 1 MB.
        consistent: read the base table or local index strongly, at twice the cost.
        index: the secondary index to scan instead of the table.
        projection: the attributes to return.
        filter: what the service leaves out, after having charged for it. Its
            placeholders differ from those of `projection`.
        counts_only: ask for the number of items, and for none of them; `projection`
            is None then.
    """

    table: str
    segment: int = 0
    total_segments: int = 1
    start_key: bytes | None = None
    page_limit: int | None = None
    consistent: bool = False
    index: str | None = None
    projection: ServiceExpression | None = None
    filter: ServiceExpression | None = None
    counts_only: bool = False

    def body(self) -> bytes:
        """Returns the request's body.

        >>> ScanRequest("birds", page_limit=5).body()  # doctest: +ELLIPSIS
        b'{"TableName":"birds","Segment":0,"TotalSegments":1,...,"Limit":5}'
        """
        fields: dict[str, Any] = {
            "TableName": self.table,
            "Segment": self.segment,
            "TotalSegments": self.total_segments,
            "ReturnConsumedCapacity": "INDEXES",
        }
        if self.start_key is not None:
            fields["ExclusiveStartKey"] = msgspec.Raw(self.start_key)
        if self.page_limit is not None:
            fields["Limit"] = self.page_limit
        if self.consistent:
            fields["ConsistentRead"] = True
        if self.index is not None:
            fields["IndexName"] = self.index
        if self.counts_only:
            fields["Select"] = "COUNT"
        if self.filter is not None or self.projection is not None:
            fields |= self._expressions()
        return msgspec.json.encode(fields)

    def _expressions(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        names: dict[str, str] = {}
        if self.filter is not None:
            fields["FilterExpression"] = self.filter.expression
            names.update(self.filter.names)
            if self.filter.values:
                fields["ExpressionAttributeValues"] = msgspec.Raw(self.filter.values)
        if self.projection is not None:
            fields["ProjectionExpression"] = self.projection.expression
            names.update(self.projection.names)
        if names:
            fields["ExpressionAttributeNames"] = names
        return fields


class ScanPage(msgspec.Struct, frozen=True, gc=False):
    """One page of a Scan. Holds no cycles, and garbage collection passes it over.

    Attributes:
        items: each item's JSON, a slice of the page.
        count: the number of items.
        scanned_count: the items evaluated, those filtered out included.
        last_key: where the next page starts, as JSON; None at the segment's end.
            A page may be empty and yet have one.
        consumed: what the page cost.
        size_bytes: of the reply's body; None if nobody knows.
    """

    items: list[msgspec.Raw]
    count: int
    scanned_count: int
    last_key: bytes | None
    consumed: ConsumedCapacity
    size_bytes: int | None = None


class _ScanReply(msgspec.Struct):
    Items: list[msgspec.Raw] = []
    Count: int = 0
    ScannedCount: int = 0
    LastEvaluatedKey: msgspec.Raw = msgspec.Raw(b"null")
    ConsumedCapacity: WireCapacity | None = None


_SCAN_REPLY = msgspec.json.Decoder(_ScanReply)


def parse_scan_page(body: bytes, *, filtered: bool = True) -> ScanPage:
    """Returns the page that a Scan's 200 body holds.

    Args:
        body: of the reply.
        filtered: whether the request had a filter. Without one ScannedCount is
            Count (API_Scan); an engine that also counts the item that a page had no
            room for would have it scanned twice.

    Raises:
        JobStoppedError: the body is no such JSON.
    """
    try:
        reply = _SCAN_REPLY.decode(body)
    except msgspec.DecodeError as error:
        raise _not_dynamodb("Scan") from error
    last_key = bytes(reply.LastEvaluatedKey)
    consumed = reply.ConsumedCapacity
    return ScanPage(
        reply.Items,
        reply.Count,
        reply.ScannedCount if filtered else reply.Count,
        None if last_key == b"null" else last_key,
        NOTHING if consumed is None else ConsumedCapacity.from_wire((consumed,)),
        len(body),
    )


def put_request(item: Wire) -> bytes:
    """Returns one PutRequest of a batch.

    >>> put_request(b'{"id":{"S":"x"}}')
    b'{"PutRequest":{"Item":{"id":{"S":"x"}}}}'
    """
    return b"".join((_PUT_START, item, _REQUEST_END))


def delete_request(key: Wire) -> bytes:
    """Returns one DeleteRequest of a batch.

    >>> delete_request(b'{"id":{"S":"x"}}')
    b'{"DeleteRequest":{"Key":{"id":{"S":"x"}}}}'
    """
    return b"".join((_DELETE_START, key, _REQUEST_END))


def batch_write_body(table_wire_name: str, requests: Sequence[bytes]) -> bytes:
    """Returns a BatchWriteItem body of put and delete requests to one table.

    At most 25 requests, of 16 MB together, all with different keys, and each item
    at most 400 KB (API_BatchWriteItem); the caller sees to that.
    """
    start = _batch_start(table_wire_name)
    return b"".join((start, b",".join(requests), _BATCH_END))


def batch_put_body(table_wire_name: str, items: Sequence[Wire]) -> bytes:
    """Returns a BatchWriteItem body that puts `items`: one copy of each, no more.

    Equal to ``batch_write_body(name, [put_request(item) for item in items])`` at a
    fifth of the cost. The limits are the same.

    >>> batch_put_body("t", [b"{}"]) == batch_write_body("t", [put_request(b"{}")])
    True
    """
    start = _batch_put_start(table_wire_name)
    return b"".join((start, _BETWEEN_PUTS.join(items), _REQUEST_END, _BATCH_END))


@functools.lru_cache(maxsize=256)
def _batch_start(table_wire_name: str) -> bytes:
    return b'{"RequestItems":{' + msgspec.json.encode(table_wire_name) + b":["


@functools.lru_cache(maxsize=256)
def _batch_put_start(table_wire_name: str) -> bytes:
    return _batch_start(table_wire_name) + _PUT_START


class BatchWriteResult(NamedTuple):
    """What a BatchWriteItem did.

    Attributes:
        unprocessed: the put and delete requests to send again, as given to
            `batch_write_body`. All others were applied.
        consumed: what those applied cost.
    """

    unprocessed: list[bytes]
    consumed: ConsumedCapacity


class _BatchWriteReply(msgspec.Struct):
    UnprocessedItems: dict[str, list[msgspec.Raw]] = {}
    ConsumedCapacity: list[WireCapacity] = []


_BATCH_WRITE_REPLY = msgspec.json.Decoder(_BatchWriteReply)


def parse_batch_write(body: bytes) -> BatchWriteResult:
    """Returns what the 200 body of a BatchWriteItem to one table says.

    Raises:
        JobStoppedError: the body is no such JSON.
    """
    try:
        reply = _BATCH_WRITE_REPLY.decode(body)
    except msgspec.DecodeError as error:
        raise _not_dynamodb("BatchWriteItem") from error
    unprocessed = [
        bytes(request)
        for requests in reply.UnprocessedItems.values()
        for request in requests
    ]
    return BatchWriteResult(
        unprocessed, ConsumedCapacity.from_wire(reply.ConsumedCapacity)
    )


def _not_dynamodb(operation: str) -> JobStoppedError:
    return JobStoppedError(
        f"the reply to {operation} is not DynamoDB's JSON; check what answers at the "
        "endpoint"
    )
