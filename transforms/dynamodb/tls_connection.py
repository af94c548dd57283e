"""A connection over TLS, enciphered and deciphered here, in memory.

::

    _send --head, body--> SSLObject --outgoing--> TCP
    _feed <--256 KB------ SSLObject <--incoming-- TCP

uvloop's own TLS ends each reading with an error that it makes and drops (there is
nothing more to decipher), which with its layers costs a request of 25 items a fifth of
its CPU. What is left to decipher is known, so here nobody asks in vain.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from transforms.dynamodb.wire_connection import WireConnection

__all__ = ["RECEIVE_BYTES", "TlsConnection"]

RECEIVE_BYTES = 256 * 1024
"""Of the buffer that TLS connections share: some records."""

_RECORD_BYTES = 16 * 1024  # the most that one reading deciphers (RFC 8446, 5.1)


class TlsConnection(WireConnection):
    """Over TLS; await `secured` before the first request.

    Attributes:
        secured: done when the other end is verified.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[[WireConnection], None],
        *,
        context: ssl.SSLContext,
        hostname: str,
        buffer: memoryview,
    ) -> None:
        """Takes a buffer of `RECEIVE_BYTES` that connections of one loop may share.

        Nothing is awaited while it is in use, so no other connection is served then.
        """
        super().__init__(loop, on_lost)
        self.secured: asyncio.Future[None] = loop.create_future()
        self._buffer = buffer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        # Any, as typeshed has it that `read` into a buffer returned bytes.
        self._tls: Any = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=hostname
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins the handshake."""
        super().connection_made(transport)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        self._incoming.write(data)
        if not self.secured.done():
            self._shake_hands()
        else:
            self._decipher()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the handshake or the request in flight, if there is one."""
        if not self.secured.done():
            hung_up = ConnectionResetError("it hung up during the TLS handshake")
            self._fail_handshake(exc or hung_up)
        super().connection_lost(exc)

    def close(self) -> None:
        """Closes an idle connection, politely: says so, and waits for no answer."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        super().close()

    def _send(self, head: bytes, body: bytes) -> None:
        data: bytes | memoryview = head + body
        written = self._tls.write(data)
        while written < len(data):
            data = memoryview(data)[written:]
            written = self._tls.write(data)
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert that says what was wrong
            self._fail_handshake(error)
        else:
            self._flush()
            self.secured.set_result(None)
            self._decipher()  # what came with the last of the handshake

    def _fail_handshake(self, error: Exception) -> None:
        self.secured.set_exception(error)
        self.secured.exception()  # seen: whoever asked for it may have given up

    def _decipher(self) -> None:
        """Feeds all that can be deciphered, in as few pieces as the buffer holds."""
        tls, incoming, buffer, filled = self._tls, self._incoming, self._buffer, 0
        failure: ssl.SSLError | None = None
        try:
            while incoming.pending or tls.pending():
                if filled + _RECORD_BYTES > RECEIVE_BYTES:
                    self._feed(buffer[:filled])
                    filled = 0
                count = tls.read(RECEIVE_BYTES, buffer[filled:])
                if not count:  # it says that it ends
                    self._transport.close()
                    break
                filled += count
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still on its way
        except ssl.SSLError as error:
            failure = error
        if filled:
            self._feed(buffer[:filled])
        if failure is not None:
            self._end(failure)
            self.abort()
