"""DynamoDBClient: operations on one table, retried until they are done."""

import random
from typing import Any, Protocol

import msgspec

from transforms.dynamodb.errors import (
    AccessDeniedError,
    BeamDynamoDBError,
    DeadlineError,
    JobStoppedError,
    ResourceNotFoundError,
    RetryableError,
    UserError,
    error_from_response,
)
from transforms.dynamodb.event_loop import LoopThread, worker_loop
from transforms.dynamodb.operations import ScanPage, ScanRequest, parse_scan_page
from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.dynamodb.transport import Transport, TransportConfig, make_transport
from transforms.dynamodb.transport_types import Response
from transforms.throttle.backoff import full_jitter
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["DynamoDBClient", "Meter", "client_for"]

_OK = 200  # no member of HTTPStatus: to look one up costs each request a µs

# A wrong endpoint should be told before the user has left for lunch.
_FIRST_CONTACT_SECONDS = 30.0


class Meter(Protocol):
    """Keeps account of the tries of one call, each of which may cost capacity."""

    def failed(self, error: RetryableError) -> None:
        """Notes that a try failed; another may follow, after a wait."""
        ...

    async def again(self) -> None:
        """Waits until the next try may be sent."""
        ...


class DynamoDBClient:
    """Operations on one table over one transport.

    Serves the event loop on which it is first used. What is retried, and how long,
    is in `call`; everything else is typed errors.
    """

    def __init__(
        self,
        table: TableRef,
        transport: Transport,
        *,
        clock: Clock,
        rng: random.Random,
        deadline_seconds: float = 600.0,
    ) -> None:
        """Takes the transport over: `aclose` closes it.

        Args:
            table: what the operations are on.
            transport: sends and receives.
            clock: times the retries.
            rng: spreads them.
            deadline_seconds: how long `call` goes on trying.
        """
        self.table = table
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._deadline_seconds = deadline_seconds

    async def call_once(self, operation: str, body: bytes) -> bytes:
        """Returns the 200 body of one try.

        Raises:
            BeamDynamoDBError: by kind, see errors.py.
        """
        response = await self._transport.send(operation, body)
        if response.status == _OK:
            return response.body
        raise self._error(operation, response)

    def _error(self, operation: str, response: Response) -> BeamDynamoDBError:
        return error_from_response(
            operation, self.table.display, response.status, response.body
        )

    async def call(
        self,
        operation: str,
        body: bytes,
        *,
        meter: Meter | None = None,
        deadline_seconds: float | None = None,
    ) -> bytes:
        """Returns the 200 body, after as many tries as it takes.

        Throttles, 5xx, lost connections, timeouts, damaged replies and expired
        tokens are tried again with full jitter until the deadline. A try that got
        no reply may have been applied: a conditional write must expect to find
        its own work. The meter's wait for our own rate uses up no deadline.

        Args:
            operation: such as ``"BatchWriteItem"``.
            body: the request as JSON.
            meter: told of each failed try before the wait, and asked after it.
            deadline_seconds: instead of the client's own.

        Raises:
            ItemRejectedError: the service will never take this.
            JobStoppedError: nor anything else; `DeadlineError` after the deadline.
            UserError: the request is not valid.
        """
        started = self._clock.monotonic()
        try:
            # `call_once` in place, since nearly all requests succeed here.
            response = await self._transport.send(operation, body)
            if response.status == _OK:
                return response.body
            raise self._error(operation, response)
        except RetryableError as error:
            failure = error
        allowed = (
            self._deadline_seconds if deadline_seconds is None else deadline_seconds
        )
        for tries, delay in enumerate(full_jitter(self._rng), start=1):
            if meter is not None:
                meter.failed(failure)
            if self._clock.monotonic() + delay > started + allowed:
                raise DeadlineError(
                    f"{operation} on {self.table.display} was given up after {tries} "
                    f"tries in {allowed:g} s; the last said: {failure}"
                ) from failure
            await self._clock.sleep(delay)
            if meter is not None:
                asked = self._clock.monotonic()
                await meter.again()
                started += self._clock.monotonic() - asked  # our own rate's wait
            try:
                return await self.call_once(operation, body)
            except RetryableError as error:
                failure = error
        raise AssertionError("full_jitter is endless")

    async def describe_table(self) -> TableDescription:
        """Returns the table's keys, size and capacity.

        Where that is denied, what the caller said of its keys must do.

        Raises:
            UserError: there is no such table in the region; or it may not be
                described, and its keys were not said.
            JobStoppedError: it can't be asked; given up sooner than a `call`.
        """
        body = msgspec.json.encode({"TableName": self.table.wire_name})
        seconds = min(_FIRST_CONTACT_SECONDS, self._deadline_seconds)
        try:
            reply = await self.call("DescribeTable", body, deadline_seconds=seconds)
        except ResourceNotFoundError as error:
            raise UserError(
                f"table {self.table.name!r} is not in region {self.table.region}; "
                "create it, or correct its name, region or account"
            ) from error
        except AccessDeniedError as error:
            if self.table.keys is not None:
                return TableDescription.undescribed(self.table, self.table.keys)
            raise UserError(
                f"{error}; or say what can't be asked: its keys (--source-keys or "
                "--keys, as id:S,day:N) and absolute rates (--read-units, "
                "--write-units)"
            ) from error
        try:
            return TableDescription.from_response(msgspec.json.decode(reply))
        except (msgspec.DecodeError, LookupError, TypeError) as error:
            raise JobStoppedError(
                f"the reply to DescribeTable on {self.table.display} is not "
                "DynamoDB's; check what answers at the endpoint"
            ) from error

    async def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """Returns the decoded reply of an operation on tables, not on items.

        Given up after 30 seconds, since a person waits for it.

        Raises:
            BeamDynamoDBError: as `call`.
        """
        reply = await self.call(
            operation,
            msgspec.json.encode(request),
            deadline_seconds=_FIRST_CONTACT_SECONDS,
        )
        return msgspec.json.decode(reply, type=dict[str, Any])

    async def time_to_live_attribute(self) -> str | None:
        """Returns the attribute that says when an item expires; None without one.

        Raises:
            JobStoppedError: it can't be asked.
        """
        reply = await self.ask("DescribeTimeToLive", TableName=self.table.wire_name)
        described = reply.get("TimeToLiveDescription", {})
        if described.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
            return None
        attribute: str | None = described.get("AttributeName")
        return attribute

    async def scan_page(
        self, request: ScanRequest, *, meter: Meter | None = None
    ) -> ScanPage:
        """Returns one page; raises as `call` does."""
        body = await self.call("Scan", request.body(), meter=meter)
        return parse_scan_page(body, filtered=request.filter is not None)

    async def aclose(self) -> None:
        """Closes the transport."""
        await self._transport.aclose()


class _Clients:
    """The process's clients: connections belong to the loop they were made on."""

    def __init__(self) -> None:
        self._worker: LoopThread | None = None
        self._clients: dict[tuple[TableRef, TransportConfig], DynamoDBClient] = {}

    def get(self, table: TableRef, config: TransportConfig) -> DynamoDBClient:
        worker = worker_loop()
        if worker is not self._worker:
            # Forked, or the loop was closed: the old connections are of no use.
            self._worker, self._clients = worker, {}
        key = (table, config)
        client = self._clients.get(key)
        if client is None:
            client = self._clients.setdefault(key, _make_client(table, config))
        return client


def _make_client(table: TableRef, config: TransportConfig) -> DynamoDBClient:
    return DynamoDBClient(
        table,
        make_transport(table, config),
        clock=SystemClock(),
        rng=random.Random(),  # noqa: S311 (spreads retries, keeps no secret)
        deadline_seconds=config.deadline_seconds,
    )


_CLIENTS = _Clients()


def client_for(
    table: TableRef, config: TransportConfig | None = None
) -> DynamoDBClient:
    """Returns the process's client of `table`, made at the first call.

    Use it on `worker_loop()` only. It lives as long as the process.

    Raises:
        UserError: the region, profile or endpoint is wrong.
        CredentialsError: there are none.
    """
    return _CLIENTS.get(table, config or TransportConfig())
