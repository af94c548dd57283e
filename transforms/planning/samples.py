"""A sample of what a copy would read: some items of many segments, at the read rate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.key_queries import KeyQueryClient, KeyRequest
from transforms.dynamodb.operations import ScanRequest
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.items import Wire
from transforms.limits import limiter_for
from transforms.push_down import PushDown
from transforms.run_context import RunContext
from transforms.throttle.rate import Rate

__all__ = ["Sample", "take_sample"]

_SEGMENTS = 16
# A page cannot cost more, reads being eventually consistent (1 MB).
_PAGE_UNITS = 128.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Items as they are stored.

    Attributes:
        wires: the items.
        units: what reading them cost, in read units.
        is_whole: True if these are all that there are.
    """

    wires: Sequence[Wire]
    units: float
    is_whole: bool


def take_sample(
    table: TableRef,
    items: int,
    *,
    rate: Rate,
    transport: TransportConfig,
    pushed: PushDown | None = None,
    index: str | None = None,
) -> Sample:
    """Reads the first items of segments that lie apart. Blocking.

    Args:
        table: which.
        items: how many about; 1 or more.
        rate: in units a second, which is kept to.
        transport: connections and timeouts.
        pushed: if it has Queries, they are sampled instead of segments.
        index: is read instead of the table.
    """
    queries = pushed.queries if pushed is not None else ()
    pieces = len(queries) or _SEGMENTS
    limit = max(1, -(-items // pieces))
    request: Any = (
        KeyRequest(table.wire_name, queries, page_limit=limit)
        if queries
        else ScanRequest(
            table.wire_name, total_segments=pieces, page_limit=limit, index=index
        )
    )
    return worker_loop().run(_read(table, request, pieces, rate, transport))


async def _read(
    table: TableRef, request: Any, pieces: int, rate: Rate, transport: TransportConfig
) -> Sample:
    client: Any = client_for(table, transport)
    if isinstance(request, KeyRequest):
        client = KeyQueryClient(client)
    limiter = limiter_for(table, "read", rate, None, run=RunContext("sample"))
    wires: list[Wire] = []
    units = 0.0
    is_whole = True
    for piece in range(pieces):
        left, start_key = request.page_limit, None
        while left > 0:
            reserved = min(_PAGE_UNITS, max(1.0, rate.units_per_second(None)))
            await limiter.acquire(reserved)
            page = await client.scan_page(
                replace(request, segment=piece, start_key=start_key, page_limit=left)
            )
            limiter.settle(reserved, page.consumed.units)
            wires += page.items
            units += page.consumed.units
            left, start_key = left - page.scanned_count, page.last_key
            if start_key is None:
                break
        is_whole = is_whole and start_key is None
    return Sample(wires, units, is_whole)
