"""Connections to one endpoint: kept alive, bounded, retired when long out of use."""

import asyncio
import contextlib
import functools
import ssl
from collections import deque

from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ConnectError,
    JobStoppedError,
    TlsError,
    UserError,
)
from transforms.dynamodb.sessions import Endpoint
from transforms.dynamodb.tls_connection import RECEIVE_BYTES, TlsConnection
from transforms.dynamodb.transport_types import TransportConfig
from transforms.dynamodb.wire_connection import PlainConnection, WireConnection

__all__ = ["ConnectionPool"]

_CLOSE_SECONDS = 1.0
_CHECK_SECONDS = 1.0
# How the handshake ends when the other side hangs up; that may pass.
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class ConnectionPool:
    """Hands out connections, the one last used first, so that spare ones go idle.

    Serves the event loop on which it is first used.

    One timer for all connections ends what takes too long, up to a quarter of
    the shortest timeout late: a timer for each request would cost as much as its
    signature.
    """

    def __init__(self, endpoint: Endpoint, config: TransportConfig) -> None:
        """Reads the CA bundle, and connects nowhere yet.

        Raises:
            UserError: the CA bundle can't be read.
        """
        self._endpoint = endpoint
        self._config = config
        self._tls = _tls_context(endpoint.ca_bundle) if endpoint.tls else None
        self._buffer = memoryview(bytearray(RECEIVE_BYTES if self._tls else 0))
        self._idle: list[WireConnection] = []
        self._connections: set[WireConnection] = set()
        self._opening = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied: asyncio.Event | None = None
        self._check_seconds = min(
            _CHECK_SECONDS,
            config.read_timeout_seconds / 4,
            config.total_timeout_seconds / 4,
            config.idle_timeout_seconds / 4,
        )

    def take(self) -> WireConnection | None:
        """Returns a connection that waits for work, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    async def acquire(self) -> WireConnection:
        """Returns an idle connection or a new one; waits while all are at work.

        Raises:
            ConnectError: none could be made.
            TlsError: the other end could not be verified.
            JobStoppedError: the pool was closed.
        """
        while not self._closed:
            connection = self.take()
            if connection is not None:
                return connection
            if len(self._connections) + self._opening < self._config.max_connections:
                return await self._open()
            await self._wait()
        raise JobStoppedError("the transport was closed; make another")

    def give_back(self, connection: WireConnection) -> None:
        """Takes a connection whose exchange has ended, well or not."""
        if connection.reusable:
            self._idle.append(connection)
            self._wake_one()
        else:
            connection.abort()

    def retire_idle(self) -> None:
        """Closes the idle connections: one of them turned out to be dead."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.abort()

    async def aclose(self) -> None:
        """Closes all; requests in flight and waiting fail."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in self._connections:
            connection.abort()
        while self._waiters:
            self._wake_one()
        if self._connections:
            self._emptied = asyncio.Event()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _CLOSE_SECONDS)

    async def _open(self) -> WireConnection:
        self._opening += 1
        try:
            connection = await asyncio.wait_for(
                self._connect(), self._config.connect_timeout_seconds
            )
        except (OSError, asyncio.TimeoutError) as error:
            raise self._why_not(error) from error
        finally:
            self._opening -= 1
            self._wake_one()
        if self._closed:
            connection.abort()
        self._connections.add(connection)
        if self._timer is None:
            self._check_later()
        return connection

    async def _connect(self) -> WireConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: self._make_connection(loop),
            self._endpoint.hostname,
            self._endpoint.port,
        )
        if isinstance(connection, TlsConnection):
            try:
                await connection.secured
            except BaseException:  # cancelled, too: it took too long
                connection.close()
                raise
        return connection

    def _make_connection(self, loop: asyncio.AbstractEventLoop) -> WireConnection:
        if self._tls is None:
            return PlainConnection(loop, self._lost)
        return TlsConnection(
            loop,
            self._lost,
            context=self._tls,
            hostname=self._endpoint.hostname,
            buffer=self._buffer,
        )

    def _why_not(self, error: Exception) -> BeamDynamoDBError:
        place = f"{self._endpoint.hostname}:{self._endpoint.port}"
        if isinstance(error, ssl.SSLError) and not isinstance(error, _HUNG_UP):
            return TlsError(
                f"{place} could not be verified: {error}; if its certificate is your "
                "own authority's, name that in AWS_CA_BUNDLE or ca_bundle (now "
                f"{self._endpoint.ca_bundle})"
            )
        if isinstance(error, asyncio.TimeoutError):
            seconds = self._config.connect_timeout_seconds
            return ConnectError(f"{place} did not answer within {seconds:g} s")
        return ConnectError(
            f"{place} can't be reached: {error}; check endpoint, region and network"
        )

    def _lost(self, connection: WireConnection) -> None:
        self._connections.discard(connection)
        if self._emptied is not None and not self._connections:
            self._emptied.set()
        self._wake_one()

    async def _wait(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It was this one's turn; the next must not miss it.
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _check_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._check_seconds, self._check)

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._connections):
            connection.check_time(now, self._config)
        self._idle = [each for each in self._idle if each.reusable]
        self._timer = None
        if self._connections:
            self._check_later()


@functools.lru_cache(maxsize=8)
def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"the CA bundle {ca_bundle!r} can't be read: {error}; correct "
            "AWS_CA_BUNDLE or ca_bundle in the profile"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
