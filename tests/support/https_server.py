"""A small HTTPS server that answers as it is told, and keeps what it was asked.

server.will(reply(b"{}"), hang_up)      # the next two requests
server.requests[-1].operation
"""

import asyncio
import contextlib
import ssl
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from transforms.dynamodb.event_loop import LoopThread

# Answers one request; returns whether the connection is kept.
Act = Callable[[asyncio.StreamWriter], Awaitable[bool]]


@dataclass(frozen=True)
class Request:
    connection: int
    operation: str
    headers: dict[str, str]
    body: bytes


def reply(body: bytes = b"{}", status: int = 200, **headers: str) -> Act:
    """A whole reply; `x_amz_crc32="1"` and the like replace or add headers."""
    fields = {"content-length": str(len(body)), "x-amz-crc32": str(zlib.crc32(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(writer: asyncio.StreamWriter) -> bool:
        writer.write(_head(status, fields) + body)
        await writer.drain()
        return fields.get("connection") != "close"

    return act


def refuse(code: str, status: int = 400, **headers: str) -> Act:
    """An error of DynamoDB's."""
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#%b","message":"No."}'
    return reply(body % code.encode(), status, **headers)


def chunked(*chunks: bytes) -> Act:
    """A reply whose length is not known in advance."""

    async def act(writer: asyncio.StreamWriter) -> bool:
        writer.write(_head(200, {"transfer-encoding": "chunked"}))
        for chunk in (*chunks, b""):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
        return True

    return act


async def hang_up(writer: asyncio.StreamWriter) -> bool:
    """Closes without a reply."""
    return False


async def truncate(writer: asyncio.StreamWriter) -> bool:
    """Closes within the body."""
    writer.write(_head(200, {"content-length": "100"}) + b'{"Items"')
    await writer.drain()
    return False


async def reply_and_hang_up(writer: asyncio.StreamWriter) -> bool:
    """A reply that promises to keep the connection, which is then closed."""
    await reply()(writer)
    return False


async def drip(writer: asyncio.StreamWriter) -> bool:
    """A reply of a byte now and then, without end."""
    writer.write(_head(200, {"content-length": "1000000"}))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(writer: asyncio.StreamWriter) -> bool:
    """No reply, ever."""
    await asyncio.Event().wait()
    return False


def slowly(act: Act, seconds: float = 0.05) -> Act:
    async def later(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(seconds)
        return await act(writer)

    return later


def _head(status: int, fields: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode()


class HttpsServer:
    """Serves on the loopback from a thread of its own, until `close`."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.open_connections = 0
        self.most_open_connections = 0
        self._acts: deque[Act] = deque()
        self._always: dict[str, Act] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = LoopThread("https-server")
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._server = self._thread.run(self._start())
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def will(self, *acts: Act) -> None:
        """What to do with the next requests; after them, an empty reply to each."""
        self._acts.extend(acts)

    def always(self, operation: str, act: Act) -> None:
        """What to do with an operation's requests, after those that `will` told of."""
        self._always[operation] = act

    def close(self) -> None:
        self.drop_connections()
        self._thread.run(self._stop())
        self._thread.close()

    def drop_connections(self) -> None:
        """Ends the requests that are under way."""
        self._thread.run(self._drop())

    async def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._tls, limit=1 << 24
        )

    async def _stop(self) -> None:
        self._server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self.open_connections += 1
        self._writers.add(writer)
        self.most_open_connections = max(
            self.most_open_connections, self.open_connections
        )
        try:
            await self._answer(self.connections, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client hung up, or the test is over
        finally:
            writer.close()
            self.open_connections -= 1

    async def _answer(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        keep = True
        while keep:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            _, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in lines)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            operation = headers.get("x-amz-target", "").rpartition(".")[2]
            self.requests.append(Request(number, operation, headers, body))
            act = (
                self._acts.popleft()
                if self._acts
                else self._always.get(operation, reply())
            )
            keep = await act(writer)


class ConnectProxy:
    """A proxy for CONNECT, counting what goes through it."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._thread = LoopThread("connect-proxy")
        self._server = self._thread.run(self._start())
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self._thread.run(self._stop())
        self._thread.close()

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _stop(self) -> None:
        self._server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = head.split(" ")[1]
        self.targets.append(target)
        host, _, port = target.partition(":")
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
