"""What every transport has in common: the port, its reply, its limits."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from transforms.dynamodb.errors import ChecksumError, UserError

__all__ = ["Response", "Transport", "TransportConfig", "TransportKind", "check_crc32"]

TransportKind = Literal["auto", "wire", "botocore"]


class Response(NamedTuple):
    """A whole reply; its body fits its checksum. A tuple, as it is made so often.

    Attributes:
        status: the HTTP status.
        body: all of it.
        headers: by name in lower case.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]


class Transport(Protocol):
    """Sends signed requests to one endpoint. Serves one event loop."""

    async def send(self, operation: str, body: bytes) -> Response:
        """Returns the reply to one try, whatever its status.

        Args:
            operation: such as ``"Scan"``.
            body: the request as JSON.

        Raises:
            TransportError: no whole and intact reply came. A write may have been
                applied all the same.
            TlsError: the other end could not be verified.
            CredentialsError: there are none to sign with.
        """
        ...

    async def aclose(self) -> None:
        """Closes the connections. Requests in flight fail."""
        ...


_TIMEOUTS = ("connect", "read", "total", "idle")


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """How to talk to an endpoint; durations in seconds.

    Attributes:
        kind: "wire" is this library's own, "botocore" serves proxies and odd
            set-ups; "auto" is the wire, or botocore where a proxy is configured.
        max_connections: at most so many requests in flight; others wait.
            1,600 requests a second at 80 ms need 128.
        connect_timeout_seconds: for name look-up, connection and TLS.
        read_timeout_seconds: how long the other end may be silent.
        total_timeout_seconds: for one try, from its sending to its last byte.
        idle_timeout_seconds: when an unused connection is closed; below the
            service's own limit (about a minute), so that it is never the first.
        deadline_seconds: how long a request is tried again without any progress.
    """

    kind: TransportKind = "auto"
    max_connections: int = 256
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 15.0
    total_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 20.0
    deadline_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Refuses limits under which nothing could be sent."""
        if self.kind not in {"auto", "wire", "botocore"}:
            raise UserError(
                f"transport {self.kind!r} is none of 'auto', 'wire', 'botocore'"
            )
        if self.max_connections < 1:
            raise UserError(
                f"max_connections must be 1 or more, got {self.max_connections}"
            )
        timeouts = [f"{name}_timeout_seconds" for name in _TIMEOUTS]
        for name in (*timeouts, "deadline_seconds"):
            seconds = getattr(self, name)
            if seconds <= 0:
                raise UserError(f"{name} must be above 0, got {seconds}")


def check_crc32(body: bytes, expected: str | bytes | None) -> None:
    """Compares a body with its ``x-amz-crc32``, which DynamoDB always sends.

    Raises:
        ChecksumError: they differ, or `expected` is no number.
    """
    if expected is None:
        return
    try:
        intact = zlib.crc32(body) == int(expected)
    except ValueError:
        intact = False
    if not intact:
        raise ChecksumError(
            f"a reply of {len(body)} bytes does not fit its x-amz-crc32; "
            "it was damaged on its way"
        )
