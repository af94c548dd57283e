"""Write capacity that is raised for a load, and put back afterwards.

boost: the capacity as it was --kept first--> UpdateTable --> ACTIVE
restore: what was kept --> UpdateTable, where it is not so already
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import DeadlineError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.throttle.clock import Clock

__all__ = ["Boost", "boost", "check_boost", "restore"]

_POLL_SECONDS = 1.0
_CHANGED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Boost:
    """A table whose write capacity is raised, and how it was before.

    Attributes:
        table: which.
        write_units: what it is raised to, for the table and its global indexes.
        read_before: provisioned reads a second, which stay.
        write_before: provisioned writes a second, as they were.
        indexes_before: of each global index, reads and writes.
    """

    table: TableRef
    write_units: int
    read_before: int
    write_before: int
    indexes_before: Mapping[str, tuple[int, int]]

    def line(self) -> str:
        """Says what will be done."""
        return (
            f"raise {self.table.display} from {self.write_before:,} to "
            f"{self.write_units:,} WCU, and put it back at the end"
        )


def check_boost(table: TableRef, described: TableDescription, units: int) -> Boost:
    """Says how a table is boosted.

    Raises:
        UserError: it is on demand, or has that capacity already.
    """
    if described.billing_mode != "PROVISIONED":
        raise UserError(
            f"{table.display} is on demand, so there is no capacity to raise; leave "
            "out --boost-write (--warm-write warms up a table that is created)"
        )
    if units <= described.write_units:
        raise UserError(
            f"{table.display} has {described.write_units:,} WCU, and --boost-write "
            f"{units:,} is not more; raise it, or leave it out"
        )
    return Boost(
        table,
        units,
        described.read_units,
        described.write_units,
        {
            index.name: (index.read_units, index.write_units)
            for index in described.indexes
            if index.kind == "GSI"
        },
    )


def boost(what: Boost, transport: TransportConfig, clock: Clock) -> None:
    """Raises the capacity; returns when the table has it. Blocking."""
    indexes = {
        name: (read, max(write, what.write_units))
        for name, (read, write) in what.indexes_before.items()
    }
    _set(what, (what.read_before, what.write_units), indexes, transport, clock)


def restore(what: Boost, transport: TransportConfig, clock: Clock) -> None:
    """Puts the capacity back as it was; twice is as good as once. Blocking."""
    before = (what.read_before, what.write_before)
    _set(what, before, what.indexes_before, transport, clock)


def _set(
    what: Boost,
    units: tuple[int, int],
    indexes: Mapping[str, tuple[int, int]],
    transport: TransportConfig,
    clock: Clock,
) -> None:
    client = client_for(what.table, transport)

    async def change() -> None:
        found = await client.describe_table()
        fields = _changes(found, units, indexes)
        if fields:
            name = what.table.wire_name
            await client.ask("UpdateTable", TableName=name, **fields)
            await _wait(client, clock)

    worker_loop().run(change())


def _changes(
    found: TableDescription,
    units: tuple[int, int],
    indexes: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    """Names only what differs: the service refuses an update that changes nothing."""
    fields: dict[str, Any] = {}
    if (found.read_units, found.write_units) != units:
        fields["ProvisionedThroughput"] = _throughput(units)
    updates = [
        {
            "Update": {
                "IndexName": index.name,
                "ProvisionedThroughput": _throughput(indexes[index.name]),
            }
        }
        for index in found.indexes
        if index.name in indexes
        and (index.read_units, index.write_units) != tuple(indexes[index.name])
    ]
    if updates:
        fields["GlobalSecondaryIndexUpdates"] = updates
    return fields


def _throughput(units: tuple[int, int]) -> dict[str, int]:
    read, write = units
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


async def _wait(client: DynamoDBClient, clock: Clock) -> None:
    deadline = clock.monotonic() + _CHANGED_SECONDS
    while (found := await client.describe_table()).status != "ACTIVE":
        if clock.monotonic() > deadline:
            raise DeadlineError(
                f"{client.table.display} is still {found.status} after "
                f"{_CHANGED_SECONDS:g} s; run beam-dynamodb restore-capacity later"
            )
        await clock.sleep(_POLL_SECONDS)
