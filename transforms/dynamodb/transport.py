"""Transports: bytes to an endpoint and back.

`make_transport` picks one of two: the library's own wire, twenty times cheaper than
an SDK, or botocore's HTTP session, which knows about proxies.
"""

from transforms.dynamodb.botocore_transport import BotocoreTransport
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.sessions import connection_for
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport_types import (
    Response,
    Transport,
    TransportConfig,
    TransportKind,
)
from transforms.dynamodb.wire_transport import WireTransport
from transforms.throttle.clock import SystemClock

__all__ = [
    "Response",
    "Transport",
    "TransportConfig",
    "TransportKind",
    "make_transport",
]


def make_transport(table: TableRef, config: TransportConfig) -> Transport:
    """Returns a transport to where `table` is; connects nowhere yet.

    Raises:
        UserError: the region, profile, endpoint or CA bundle is wrong, or a proxy
            is configured and the wire was asked for.
        CredentialsError: there are none.
    """
    connection = connection_for(table)
    proxies = connection.endpoint.proxies
    if config.kind == "botocore" or (config.kind == "auto" and proxies):
        return BotocoreTransport(connection, config, SystemClock())
    if proxies:
        raise UserError(
            f"a proxy is configured for {connection.endpoint.hostname} and the wire "
            "transport knows none; use transport 'botocore' or 'auto'"
        )
    return WireTransport(connection, config, SystemClock())
