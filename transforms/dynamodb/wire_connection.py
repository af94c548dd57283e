"""One kept-alive HTTP/1.1 connection: one request at a time, its reply parsed."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httptools

from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ChecksumError,
    ConnectionLostError,
    RequestTimeoutError,
    TruncatedReplyError,
)
from transforms.dynamodb.transport_types import (
    Response,
    TransportConfig,
    check_crc32,
)

__all__ = ["PlainConnection", "WireConnection"]

# A body above this is handed over beside its head instead of being copied behind it.
_COPY_BYTES = 64 * 1024


class WireConnection(asyncio.Protocol):
    """Sends one request, gathers its reply, and is ready for the next.

    `PlainConnection` and `TlsConnection` say how bytes go out and come in.

    Attributes:
        reusable: whether the other end keeps the connection after the last reply.
        served: whether it has brought a whole reply before.
        replying: whether bytes of the present reply have come.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[["WireConnection"], None],
    ) -> None:
        self.reusable = True
        self.served = False
        self.replying = False
        self._loop = loop
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._reply: asyncio.Future[Response] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._started = 0.0
        self._last_heard = loop.time()

    def exchange(self, head: bytes, body: bytes) -> asyncio.Future[Response]:
        """Sends a request; the future is its reply, or why there is none."""
        self._reply = reply = self._loop.create_future()
        self.replying = False
        self._started = self._last_heard = self._loop.time()
        self._send(head, body)
        return reply

    def _send(self, head: bytes, body: bytes) -> None:
        """Writes both at once."""
        raise NotImplementedError

    def abort(self) -> None:
        """Closes at once; a request in flight fails."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Closes an idle connection, politely."""
        self.reusable = False
        self._transport.close()

    def check_time(self, now: float, config: TransportConfig) -> None:
        """Ends a request that takes too long, or a connection long out of use."""
        silent = now - self._last_heard
        if self._reply is None:
            if silent > config.idle_timeout_seconds:
                self.close()
        elif silent > config.read_timeout_seconds:
            self._fail(
                RequestTimeoutError(f"the service was silent for {silent:.1f} s")
            )
        elif now - self._started > config.total_timeout_seconds:
            whole = now - self._started
            self._fail(
                RequestTimeoutError(f"the reply was not whole after {whole:.1f} s")
            )

    def _fail(self, error: BeamDynamoDBError) -> None:
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_exception(error)
        self.abort()

    # What the event loop calls (asyncio.Protocol):

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport; small requests leave at once."""
        self._transport = transport
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _feed(self, data: bytes | memoryview) -> None:
        """Feeds the parser, which calls the methods below."""
        if self._reply is None:
            # Bytes nobody asked for: the next reply could not be told from them.
            self.abort()
            return
        self.replying = True
        self._last_heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            failure = TruncatedReplyError(f"the reply is no HTTP: {error}")
            failure.__cause__ = error
            self._fail(failure)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the request in flight, if there is one."""
        self._on_lost(self)
        self._end(exc)

    def _end(self, cause: Exception | None) -> None:
        self.reusable = False
        if self._reply is None:
            return
        how = f": {cause}" if cause else ""
        error = (
            TruncatedReplyError(f"the connection closed within the reply{how}")
            if self.replying
            else ConnectionLostError(f"the connection closed before the reply{how}")
        )
        error.__cause__ = cause
        self._fail(error)

    # What the parser calls (httptools.HttpResponseParser), which copies what it gives:

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header."""
        self._headers.append((name, value))

    def on_body(self, chunk: bytes) -> None:
        """Keeps a part of the body."""
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """Checks the reply and hands it to the waiting request."""
        chunks, self._chunks = self._chunks, []
        headers, self._headers = self._headers, []
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        named = _Headers(headers)
        self.reusable = self.reusable and self._parser.should_keep_alive()
        self.served = True
        reply, self._reply = self._reply, None
        if reply is None or reply.done():
            return
        try:
            check_crc32(body, named.get("x-amz-crc32"))
        except ChecksumError as error:
            reply.set_exception(error)
        else:
            reply.set_result(Response(self._parser.get_status_code(), body, named))


class PlainConnection(WireConnection):
    """Over TCP."""

    def _send(self, head: bytes, body: bytes) -> None:
        if len(body) > _COPY_BYTES:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        self._feed(data)


class _Headers(Mapping[str, str]):
    """A reply's headers, decoded when one is asked for: most never are."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        wanted = name.encode("latin-1")
        for found, value in self._pairs:
            if found.lower() == wanted:
                return value.decode("latin-1")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1").lower() for name, _ in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)
