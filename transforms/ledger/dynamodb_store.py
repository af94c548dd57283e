"""The ledger in a DynamoDB table: for the workers of a cluster."""

import logging
import random
import uuid
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ConditionFailedError,
    DeadlineError,
    ResourceInUseError,
    ResourceNotFoundError,
    RetryableError,
    UserError,
)
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger import dynamodb_rows as rows_of
from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.store import Delete, Put, Row, Write, check_writes
from transforms.throttle.backoff import full_jitter
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["DynamoDBStore"]

_T = TypeVar("_T")
_LOGGER = logging.getLogger(__name__)

_MAX_BATCH_ITEMS = 25
_NONCE_LENGTH = 16
_CREATION_SECONDS = 120.0
_POLL_SECONDS = 0.5
_RIGHTS = (
    "dynamodb:DescribeTable, GetItem, Query, PutItem, DeleteItem, BatchWriteItem and "
    "ConditionCheckItem on it (and CreateTable, UpdateTimeToLive to have it made)"
)
_PROBE = Row("probe", "prepare", 1, b"", expires_at=1)


class DynamoDBStore:
    """A `LedgerStore` in a table of its own, by this library's own client.

    Reads are strongly consistent. Requests are retried for `timeout_seconds`, then
    the caller is told. The table is made on demand, billed by request, and removes
    expired rows itself (within days).
    """

    def __init__(
        self,
        table: TableRef,
        *,
        transport: TransportConfig | None = None,
        timeout_seconds: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """Connects nowhere yet."""
        self._table = table
        self._transport = transport or TransportConfig()
        self._timeout_seconds = timeout_seconds
        self._clock = clock or SystemClock()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as where the table is; clients belong to the process."""
        return _reopen, (self._table, self._transport, self._timeout_seconds)

    def prepare(self) -> None:
        """Makes the table if it is not there, and tries to use it."""
        try:
            self._run(self._prepare())
        except (LedgerError, LedgerUnreachableError) as error:
            raise UserError(f"{error}; the ledger's table needs {_RIGHTS}") from error

    def get(self, partition: str, sort: str) -> Row | None:
        """Returns a row, None if there is none."""
        body = rows_of.get_body(self._table.wire_name, partition, sort)
        return rows_of.parse_get(self._run(self._call("GetItem", body)))

    def rows(self, partition: str, prefix: str = "") -> Sequence[Row]:
        """Returns the partition's rows whose sort begins with `prefix`, in order."""
        return self._run(self._list(partition, prefix))

    def put_many(self, rows: Iterable[Row]) -> None:
        """Writes rows over whatever is there, 25 a request."""
        latest = {(row.partition, row.sort): row for row in rows}
        self._run(self._put_many(list(latest.values())))

    def commit(self, writes: Sequence[Write]) -> bool:
        """Applies all writes, or none; see `LedgerStore`."""
        check_writes(writes)
        return self._run(self._commit(writes))

    def delete(self, partition: str, sort: str) -> None:
        """Removes a row if it is there."""
        write = Delete(partition, sort)
        self._run(self._call(*rows_of.single_request(self._table.wire_name, write)))

    async def _prepare(self) -> None:
        await self._have_table()
        await self._put_many([_PROBE])
        await self._list(_PROBE.partition, "")

    async def _have_table(self) -> None:
        name = self._table.wire_name
        describe = msgspec.json.encode({"TableName": name})
        is_ours = False
        deadline = self._clock.monotonic() + _CREATION_SECONDS
        while True:
            try:
                reply = await self._client().call("DescribeTable", describe)
            except ResourceNotFoundError:
                if not is_ours:
                    is_ours = await self._create(name)
            else:
                description = msgspec.json.decode(reply)
                if not rows_of.has_ledger_keys(description):
                    raise LedgerError(
                        f"table {self._table.display} is no ledger: its keys are not "
                        "p and s; name a table that may be made for the ledger alone"
                    )
                if description["Table"]["TableStatus"] == "ACTIVE":
                    break
            if self._clock.monotonic() > deadline:
                raise LedgerError(
                    f"the ledger's table {self._table.display} is not ACTIVE after "
                    f"{_CREATION_SECONDS:.0f} s; try again"
                )
            await self._clock.sleep(_POLL_SECONDS)
        if is_ours:
            await self._enable_ttl(name)

    async def _create(self, name: str) -> bool:
        try:
            await self._client().call("CreateTable", rows_of.create_table_body(name))
        except ResourceInUseError:
            return False  # another launcher was faster
        return True

    async def _enable_ttl(self, name: str) -> None:
        try:
            body = rows_of.enable_ttl_body(name)
            await self._client().call("UpdateTimeToLive", body)
        except BeamDynamoDBError as error:
            _LOGGER.warning("rows of the ledger will not expire: %s", error)

    async def _list(self, partition: str, prefix: str) -> list[Row]:
        found: list[Row] = []
        start_key = None
        while True:
            name = self._table.wire_name
            body = rows_of.list_body(name, partition, prefix, start_key)
            rows, start_key = rows_of.parse_list(await self._call("Query", body))
            found += rows
            if start_key is None:
                return found

    async def _put_many(self, rows: Sequence[Row]) -> None:
        for batch in _batches(rows):
            delays = full_jitter(random.Random())  # noqa: S311 (jitter, no secret)
            deadline = self._clock.monotonic() + self._timeout_seconds
            body: bytes | None = rows_of.batch_body(self._table.wire_name, batch)
            while body is not None:
                reply = await self._call("BatchWriteItem", body)
                body = rows_of.unprocessed_body(reply)
                if body is not None and self._clock.monotonic() > deadline:
                    raise LedgerUnreachableError(
                        f"the ledger's table {self._table.display} left rows unwritten "
                        f"for {self._timeout_seconds:g} s"
                    )
                if body is not None:
                    await self._clock.sleep(next(delays))

    async def _commit(self, writes: Sequence[Write]) -> bool:
        name, nonce = self._table.wire_name, uuid.uuid4().hex[:_NONCE_LENGTH]
        if len(writes) == 1:
            request = rows_of.single_request(name, writes[0], nonce)
        else:
            body = rows_of.transaction_body(name, writes, nonce)
            request = "TransactWriteItems", body
        try:
            await self._call(*request)
        except ConditionFailedError:
            return await self._is_applied(writes, nonce)
        return True

    async def _is_applied(self, writes: Sequence[Write], nonce: str) -> bool:
        """A retry after a lost answer fails its own condition: looks for its work."""
        puts = [write.row for write in writes if isinstance(write, Put)]
        for row in puts:
            body = rows_of.get_body(self._table.wire_name, row.partition, row.sort)
            if rows_of.nonce_of(await self._call("GetItem", body)) == nonce:
                return True
        return False

    async def _call(self, operation: str, body: bytes) -> bytes:
        return await self._client().call(
            operation, body, deadline_seconds=self._timeout_seconds
        )

    def _client(self) -> DynamoDBClient:
        return client_for(self._table, self._transport)

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        try:
            return worker_loop().run(coroutine)
        except (DeadlineError, RetryableError) as error:
            raise LedgerUnreachableError(f"the run's ledger: {error}") from error
        except (LedgerError, UserError):
            raise
        except BeamDynamoDBError as error:
            raise LedgerError(f"the run's ledger: {error}") from error


def _reopen(
    table: TableRef, transport: TransportConfig, timeout_seconds: float
) -> DynamoDBStore:
    return DynamoDBStore(table, transport=transport, timeout_seconds=timeout_seconds)


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _MAX_BATCH_ITEMS):
        yield rows[start : start + _MAX_BATCH_ITEMS]
