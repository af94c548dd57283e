"""A sample of a table's items, from which a schema is guessed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.operations import ScanRequest
from transforms.items import ItemBatch
from transforms.routes import Filter, ItemProgram

__all__ = ["sample_items"]

_SEGMENTS = 8
_ITEMS_EACH = 250


async def sample_items(
    client: DynamoDBClient,
    *,
    index: str | None = None,
    item_filter: Filter | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[Wire]:
    """Reads up to 2,000 items in eight places of a table, as a backup would have them.

    Costs at most 1 MB of eventually consistent reads in each place.

    Raises:
        JobStoppedError: the service does not let us read.
    """
    request = ScanRequest(
        table=client.table.wire_name,
        segment=0,
        total_segments=_SEGMENTS,
        start_key=None,
        page_limit=_ITEMS_EACH,
        consistent=False,
        index=index,
        projection=None,
        filter=None,
    )
    pages = await asyncio.gather(
        *(
            client.scan_page(replace(request, segment=segment))
            for segment in range(_SEGMENTS)
        )
    )
    wires: list[Wire] = [item for page in pages for item in page.items]
    batch = ItemBatch.of_page(wires, None)
    return list(ItemProgram(item_filter, columns).apply(batch).kept.wires)
