"""The second transport: botocore's own signer and HTTP session, in threads.

Slower by a factor of ten, and at home wherever botocore is: behind proxies, with
their credentials and certificates.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from http import HTTPStatus

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidProxiesConfigError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session

from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    ConnectError,
    ConnectionLostError,
    JobStoppedError,
    RequestTimeoutError,
    TlsError,
    TruncatedReplyError,
    UserError,
)
from transforms.dynamodb.sessions import Connection, Endpoint
from transforms.dynamodb.signing import (
    CONTENT_TYPE,
    TARGET,
    CredentialSource,
    ServiceClock,
)
from transforms.dynamodb.transport_types import Response, TransportConfig, check_crc32
from transforms.throttle.clock import Clock

__all__ = ["BotocoreTransport"]

# A thread waits for each request; more of them than this only fight for the GIL.
_MAX_THREADS = 64


class BotocoreTransport:
    """Sends DynamoDB's requests to one endpoint; see `Transport`."""

    def __init__(
        self, connection: Connection, config: TransportConfig, clock: Clock
    ) -> None:
        """Connects nowhere yet.

        Raises:
            UserError: the proxy's configuration is not valid.
        """
        self._endpoint = connection.endpoint
        self._config = config
        self._clock = ServiceClock(clock)
        self._credentials = CredentialSource(connection.credentials, clock)
        threads = min(config.max_connections, _MAX_THREADS)
        self._threads = ThreadPoolExecutor(threads, "beam-dynamodb-botocore")
        self._session = _session(self._endpoint, config, threads)
        self._closed = False

    async def send(self, operation: str, body: bytes) -> Response:
        """Returns the reply to one try; see `Transport.send`.

        Signs again, once, when the service refuses the signature's date.
        """
        signed_at = self._clock.wall()
        response = await self._send_signed(operation, body)
        if response.status != HTTPStatus.OK:
            self._credentials.heed(response)
            if self._clock.correct(response, signed_at):
                return await self._send_signed(operation, body)
        return response

    async def aclose(self) -> None:
        """Closes the connections, those of requests in flight when these end."""
        self._closed = True
        self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _send_signed(self, operation: str, body: bytes) -> Response:
        if self._closed:
            raise JobStoppedError("the transport was closed; make another")
        credentials = self._credentials.at_hand() or await self._credentials.renewed()
        exchange = asyncio.get_running_loop().run_in_executor(
            self._threads, self._exchange, operation, body, credentials
        )
        seconds = self._config.total_timeout_seconds
        try:
            return await asyncio.wait_for(exchange, seconds)
        except asyncio.TimeoutError as error:
            raise RequestTimeoutError(
                f"the reply was not whole after {seconds:g} s"
            ) from error

    def _exchange(
        self, operation: str, body: bytes, credentials: ReadOnlyCredentials
    ) -> Response:
        request = self._signed(operation, body, credentials)
        try:
            reply: AWSResponse = self._session.send(request)
        except BotoCoreError as error:
            raise _why_not(error, self._endpoint) from error
        headers = {name.lower(): value for name, value in reply.headers.items()}
        _check_length(reply.content, headers.get("content-length"))
        check_crc32(reply.content, headers.get("x-amz-crc32"))
        return Response(reply.status_code, reply.content, headers)

    def _signed(
        self, operation: str, body: bytes, credentials: ReadOnlyCredentials
    ) -> AWSPreparedRequest:
        instant = datetime.fromtimestamp(self._clock.wall(), timezone.utc)
        timestamp = instant.strftime(SIGV4_TIMESTAMP)
        headers = {
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": timestamp,
            "X-Amz-Target": f"{TARGET}.{operation}",
            "User-Agent": "beam-dynamodb",
            "Accept-Encoding": "identity",
        }
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        url = self._endpoint.url
        request = AWSRequest("POST", url, headers=headers, data=body)
        request.context["timestamp"] = timestamp
        request.headers["Authorization"] = _authorization(
            SigV4Auth(credentials, "dynamodb", self._endpoint.region), request
        )
        return request.prepare()


def _authorization(auth: SigV4Auth, request: AWSRequest) -> str:
    # What SigV4Auth.add_auth does with this machine's time, which may be wrong.
    names = auth.signed_headers(auth.headers_to_sign(request))
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, "
        f"Signature={auth.signature(to_sign, request)}"
    )


def _session(
    endpoint: Endpoint, config: TransportConfig, threads: int
) -> URLLib3Session:
    try:
        return URLLib3Session(
            verify=endpoint.ca_bundle,  # type: ignore[arg-type]  # a path, too
            proxies=dict(endpoint.proxies),
            timeout=(  # type: ignore[arg-type]  # a pair, too
                config.connect_timeout_seconds,
                config.read_timeout_seconds,
            ),
            max_pool_connections=threads,
        )
    except InvalidProxiesConfigError as error:
        raise UserError(f"the proxy's configuration is not valid: {error}") from error


def _why_not(error: BotoCoreError, endpoint: Endpoint) -> BeamDynamoDBError:
    place = f"{endpoint.hostname}:{endpoint.port}"
    if isinstance(error, SSLError):
        return TlsError(
            f"{place} could not be verified: {error}; if its certificate is your own "
            "authority's, name that in AWS_CA_BUNDLE or ca_bundle (now "
            f"{endpoint.ca_bundle})"
        )
    if isinstance(error, ReadTimeoutError):
        return RequestTimeoutError(f"{place} was silent for too long: {error}")
    if isinstance(error, (ConnectTimeoutError, EndpointConnectionError)):
        return ConnectError(
            f"{place} can't be reached: {error}; check endpoint, region and network"
        )
    if isinstance(error, ProxyConnectionError):
        return ConnectError(f"{place} can't be reached through the proxy: {error}")
    if isinstance(error, ConnectionClosedError):
        return ConnectionLostError("the connection closed before the reply")
    return ConnectionLostError(f"the exchange with {place} failed: {error}")


def _check_length(body: bytes, expected: str | None) -> None:
    # botocore takes a reply for whole when the connection closes within it.
    if expected is not None and len(body) != int(expected):
        raise TruncatedReplyError(
            f"the connection closed within the reply, after {len(body)} of {expected} "
            "bytes"
        )
