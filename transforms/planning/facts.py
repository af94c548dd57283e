"""What a plan shows of a table beyond its keys and capacity; both ends side by side."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import BeamDynamoDBError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import IndexDescription, TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.keys import describe_keys

__all__ = ["TableFacts", "gather_facts", "side_by_side"]

_UNKNOWN = "not to be seen"


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as a person compares it.

    Attributes:
        table: which.
        keys: its primary key.
        indexes: each in one text.
        billing: on demand or provisioned, and its table class.
        capacity: in units a second.
        size: items and bytes, as counted within the last six hours.
        time_to_live: the attribute, or "off".
        stream: what it holds, or "off".
        encryption: whose key.
    """

    table: str
    keys: str
    indexes: tuple[str, ...]
    billing: str
    capacity: str
    size: str
    time_to_live: str
    stream: str
    encryption: str


def gather_facts(
    tables: Sequence[TableRef], transport: TransportConfig
) -> list[TableFacts]:
    """Asks for the facts of several tables at once. Blocking.

    Raises:
        UserError, JobStoppedError: a table that is not there, or cannot be asked.
    """

    async def gather() -> list[TableFacts]:
        clients = [client_for(table, transport) for table in tables]
        return await asyncio.gather(*map(_facts, clients))

    return worker_loop().run(gather())


async def _facts(client: DynamoDBClient) -> TableFacts:
    reply = await client.ask("DescribeTable", TableName=client.table.wire_name)
    raw: Mapping[str, Any] = reply["Table"]
    table = TableDescription.from_response(reply)
    try:
        time_to_live = await client.time_to_live_attribute() or "off"
    except BeamDynamoDBError:
        time_to_live = _UNKNOWN
    stream = raw.get("StreamSpecification") or {}
    encryption = raw.get("SSEDescription") or {}
    table_class = (raw.get("TableClassSummary") or {}).get("TableClass", "STANDARD")
    on_demand = table.billing_mode == "PAY_PER_REQUEST"
    return TableFacts(
        table=client.table.display,
        keys=describe_keys(table.keys),
        indexes=tuple(map(_index, table.indexes)),
        billing=f"{'on demand' if on_demand else 'provisioned'}, {table_class}",
        capacity=_capacity(table),
        size=f"about {table.item_count:,} items, {table.size_bytes / 1e6:,.1f} MB",
        time_to_live=time_to_live,
        stream=stream.get("StreamViewType", "off"),
        encryption=encryption.get("SSEType", "AWS owned key"),
    )


def _index(index: IndexDescription) -> str:
    keys = f"{index.kind} {index.name}: {describe_keys(index.keys)}, {index.projection}"
    units = f", {index.write_units:,} WCU" if index.write_units else ""
    return keys + units


def _capacity(table: TableDescription) -> str:
    if table.billing_mode == "PROVISIONED":
        return f"{table.read_units:,} RCU, {table.write_units:,} WCU"
    parts = [
        f"{what} {read or 0:,} RCU, {write or 0:,} WCU"
        for what, read, write in (
            ("at most", table.max_read_units, table.max_write_units),
            ("warm for", table.warm_read_units, table.warm_write_units),
        )
        if read or write
    ]
    return "; ".join(parts) or "as the service adapts"


_ROWS = (
    "table",
    "keys",
    "indexes",
    "billing",
    "capacity",
    "size",
    "time_to_live",
    "stream",
    "encryption",
)


def side_by_side(facts: Sequence[TableFacts]) -> list[str]:
    """Returns the tables as a table: a row a fact, the source first."""
    lines = []
    for row in _ROWS:
        cells = [getattr(each, row) for each in facts]
        texts = [
            "; ".join(cell) or "none" if isinstance(cell, tuple) else cell
            for cell in cells
        ]
        name = row.replace("_", " ")
        if len(set(texts)) == 1 and row != "table":
            lines.append(f"  {name:13}{texts[0]} (all)")
            continue
        lines.append(f"  {name:13}{texts[0]}")
        lines += [f"  {'':13}{text}" for text in texts[1:]]
    return lines
