"""Deletes from a table what a backup holds, once that was read back and compared.

    files --MD5--> items --digest = the manifest's?--> item by item:
        read again, consistently --gone, changed--> left alone, counted as skipped
                                 --the same-------> DeleteItem, on condition

The condition is the version attribute's value, or every attribute's as it was read: an
item that somebody writes between the two requests is kept. Without a version attribute
one that merely gains attributes in that moment is not noticed: no condition can say so.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms import metrics
from transforms.archive.compare_backup import CompareBackup
from transforms.archive.digest import ContentDigest
from transforms.archive.read_backup import ReadBackup
from transforms.archive.sources import Part
from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import ConditionFailedError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.exact_deletes import (
    consistent_get,
    delete_if_same,
    parse_get,
    too_large_for_condition,
)
from transforms.dynamodb.single_writes import parse_single_write
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.items import Item, ItemBatch
from transforms.limits import limiter_for
from transforms.receipts import RejectedItem
from transforms.run_context import RunContext
from transforms.spending import Spending
from transforms.tally import Tally
from transforms.throttle.limiter import Limiter
from transforms.throttle.rate import Rate

__all__ = ["DELETE", "DeleteBackedUp", "DeleteSpec"]

DELETE = "delete"
"""The route's name in counters and in the account."""

_REQUESTS_IN_FLIGHT = 64
_KEPT: Final = "kept"


@dataclass(frozen=True, kw_only=True)
class DeleteSpec:
    """What to delete, and how carefully; travels to the workers.

    Attributes:
        table: that was backed up.
        read, write: the rates of reading again and of deleting.
        version_name: an attribute that changes with each write of an item; None
            compares every attribute.
        transport: connections and timeouts.
    """

    table: TableRef
    read: Rate
    write: Rate
    version_name: str | None = None
    transport: TransportConfig = field(default_factory=TransportConfig)


@dataclass(eq=False, kw_only=True)
class DeleteBackedUp(beam.PTransform[PBegin, beam.PCollection[RejectedItem]]):
    """Reads a backup back, compares it with its manifest, and only then deletes.

    Args:
        parts: of the backup.
        content: what its manifest says it holds.
        spec: from which table, how.
        run: the run it belongs to, for progress.

    Returns (as the transform's output): items that are kept because no condition can
    hold them, with the reason.

    Raises (in the worker):
        DamagedBackupError: the files do not hold what the manifest says.
    """

    parts: Sequence[Part]
    content: ContentDigest
    spec: DeleteSpec
    run: RunContext | None = None

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pbegin: PBegin) -> beam.PCollection[RejectedItem]:
        """Returns the items that could not be deleted."""
        same = pbegin | "Compare" >> CompareBackup(self.parts, self.content)
        outputs = (
            pbegin
            | "Read it again" >> ReadBackup(self.parts, same, self.run)
            | "Delete the same"
            >> beam.ParDo(DeleteSame(self.spec, self.run)).with_outputs(_KEPT)
        )
        kept: beam.PCollection[RejectedItem] = outputs[_KEPT]
        kept.element_type = RejectedItem
        return kept


Fate: TypeAlias = Literal["deleted", "skipped", "kept"]


class DeleteSame(beam.DoFn):
    """Deletes the items that still are what the backup has."""

    def __init__(self, spec: DeleteSpec, run: RunContext | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._spec, self._run = spec, run

    def setup(self) -> None:
        """Opens the table: its keys, its capacity, its client."""
        spec, run = self._spec, self._run
        self._tally = Tally(run)
        client = client_for(spec.table, spec.transport)
        table = worker_loop().run(client.describe_table())
        limits: dict[str, Any] = {"run": run, "transport": spec.transport}
        self._deleter = Deleter(
            client,
            table.keys.names,
            limiter_for(spec.table, "read", spec.read, table, **limits),
            limiter_for(spec.table, "write", spec.write, table, **limits),
            spec.version_name,
        )

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(
        self, batch: ItemBatch
    ) -> Iterator[beam.pvalue.TaggedOutput[Literal["kept"], RejectedItem]]:
        """Deletes a batch's items; yields those that are kept, with the reason."""
        outcomes = worker_loop().run(self._deleter.delete_all(batch.wires))
        for wire, (fate, reason) in zip(batch.wires, outcomes, strict=True):
            if fate == "kept":
                item = RejectedItem(DELETE, reason, 1, Item(bytes(wire)))
                yield beam.pvalue.TaggedOutput(_KEPT, item)
        fates = [fate for fate, _ in outcomes]
        self._tally.add(metrics.WRITTEN, fates.count("deleted"), DELETE)
        self._tally.add(metrics.SKIPPED, fates.count("skipped"), DELETE)
        self._tally.add(metrics.REJECTED, fates.count("kept"), DELETE)
        self._tally.add_units(metrics.READ_UNITS, self._deleter.read_units)
        self._tally.add_units(metrics.WRITE_UNITS, self._deleter.write_units, DELETE)
        self._deleter.read_units = self._deleter.write_units = 0.0
        self._tally.flush()


class Deleter:
    """Reads items again and deletes those that are the same; no Beam here.

    Args:
        client: of the table; on the worker's event loop.
        key_names: of the table.
        reads, writes: asked before each request, told what the service charged.
        version_name: what is compared; None compares every attribute.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        key_names: tuple[str, ...],
        reads: Limiter,
        writes: Limiter,
        version_name: str | None,
    ) -> None:
        self.read_units = self.write_units = 0.0
        self._client = client
        self._key_names = key_names
        self._reads, self._writes = reads, writes
        self._version_name = version_name

    async def delete_all(self, wires: Sequence[Wire]) -> list[tuple[Fate, str]]:
        """Returns what became of each item, and why it was kept.

        Raises:
            JobStoppedError: a request failed for good.
        """
        free = asyncio.Semaphore(_REQUESTS_IN_FLIGHT)

        async def one(wire: Wire) -> tuple[Fate, str]:
            async with free:
                return await self._delete(wire)

        return list(await asyncio.gather(*map(one, wires)))

    async def _delete(self, wire: Wire) -> tuple[Fate, str]:
        stored = await self._read(wire)
        if stored is None or Item(stored) != Item(wire):
            return "skipped", "gone or changed since the backup"
        if self._version_name is None and too_large_for_condition(wire):
            return "kept", (
                "more attributes than a condition can compare; name a "
                "--version-attribute to delete such items"
            )
        if self._version_name is not None and self._version_name not in Item(wire):
            return "kept", f"no version attribute {self._version_name!r}"
        return await self._delete_stored(stored), ""

    async def _read(self, wire: Wire) -> bytes | None:
        body = consistent_get(self._client.table.wire_name, wire, self._key_names)
        estimate = len(wire) / 4096 + 1
        spending = Spending(self._reads, estimate)
        await spending.again()
        stored, cost = parse_get(await spending.call(self._client, "GetItem", body))
        spending.settle(cost)
        self.read_units += cost.units
        return stored

    async def _delete_stored(self, stored: bytes) -> Fate:
        body = delete_if_same(
            self._client.table.wire_name, stored, self._key_names, self._version_name
        )
        estimate = len(stored) / 1024 + 1
        spending = Spending(self._writes, estimate)
        await spending.again()
        try:
            reply = await spending.call(self._client, "DeleteItem", body)
        except ConditionFailedError as error:
            spending.settle(estimate)
            self.write_units += estimate
            # A try whose answer was lost may have deleted it: then nothing is there.
            return "deleted" if error.stored is None else "skipped"
        consumed = parse_single_write("DeleteItem", reply)
        spending.settle(consumed)
        self.write_units += consumed.units
        return "deleted"
