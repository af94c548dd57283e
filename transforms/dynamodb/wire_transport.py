"""The library's own transport: signed bytes over kept-alive connections.

::

    send --credentials--> CredentialSource    at most one look-up a second
         --connection---> ConnectionPool      idle, new, or the next given back
         --head---------> Signer              after any wait: the date is fresh
         --exchange-----> WireConnection      Response, its checksum verified
"""

from transforms.dynamodb.connection_pool import ConnectionPool
from transforms.dynamodb.errors import ConnectionLostError
from transforms.dynamodb.sessions import Connection
from transforms.dynamodb.signing import CredentialSource, ServiceClock, Signer
from transforms.dynamodb.transport_types import Response, TransportConfig
from transforms.throttle.clock import Clock

__all__ = ["WireTransport"]

_OK = 200  # no member of HTTPStatus: to look one up costs each request a µs


class WireTransport:
    """Sends DynamoDB's requests to one endpoint; see `Transport`."""

    def __init__(
        self, connection: Connection, config: TransportConfig, clock: Clock
    ) -> None:
        """Connects nowhere yet.

        Raises:
            UserError: the CA bundle can't be read.
        """
        self._clock = ServiceClock(clock)
        self._credentials = CredentialSource(connection.credentials, clock)
        self._signer = Signer(connection.endpoint, self._clock)
        self._pool = ConnectionPool(connection.endpoint, config)

    async def send(self, operation: str, body: bytes) -> Response:
        """Returns the reply to one try; see `Transport.send`.

        Signs again, once, when the service refuses the signature's date.
        """
        signed_at = self._clock.wall()
        response = await self._send_signed(operation, body)
        if response.status != _OK:
            self._credentials.heed(response)
            if self._clock.correct(response, signed_at):
                return await self._send_signed(operation, body)
        return response

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._pool.aclose()

    async def _send_signed(self, operation: str, body: bytes) -> Response:
        """Returns the reply to one try.

        Sends once more if the service closed a kept-alive connection just as it was
        taken up again. One function, since a coroutine more costs each request.
        """
        is_again = False
        while True:
            credentials = (
                self._credentials.at_hand() or await self._credentials.renewed()
            )
            connection = self._pool.take() or await self._pool.acquire()
            is_new = not connection.served
            try:
                head = self._signer.head(operation, body, credentials)
                return await connection.exchange(head, body)
            except ConnectionLostError:
                if is_new or is_again:
                    raise
            except BaseException:
                # Cancelled, or failed half-way: what comes next on this connection
                # would be the reply to this request.
                connection.abort()
                raise
            finally:
                self._pool.give_back(connection)
            is_again = True
            self._pool.retire_idle()
