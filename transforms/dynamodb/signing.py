"""Signature Version 4 for DynamoDB's requests, at 5 µs each.

All requests of one operation within one second have the same headers but for the
body's hash, length and signature, so the rest is built once. botocore's SigV4Auth
gives the same signature for 150 µs (a test compares them). The algorithm:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import asyncio
import hashlib
import hmac
import logging
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import normalize_url_path

from transforms.dynamodb.errors import (
    EXPIRED_TOKEN_CODES,
    ConnectError,
    CredentialsError,
    error_code,
)
from transforms.dynamodb.sessions import Endpoint
from transforms.dynamodb.transport_types import Response
from transforms.throttle.clock import Clock

__all__ = ["CONTENT_TYPE", "TARGET", "CredentialSource", "ServiceClock", "Signer"]

_LOGGER = logging.getLogger(__name__)

_SERVICE = "dynamodb"
TARGET = "DynamoDB_20120810"
CONTENT_TYPE = "application/x-amz-json-1.0"

# Within these the service takes a signature's date to be right, and another fault
# of the signature is not the clock's.
_TOLERATED_SKEW_SECONDS = 240.0
_SKEW_CODES = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)

_CREDENTIAL_SECONDS = 1.0

# HMAC's two paddings, as translations of a key's bytes.
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class ServiceClock:
    """This machine's time, corrected by the service's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_seconds = 0.0

    def wall(self) -> float:
        """Returns seconds since the epoch, as the service has them."""
        return self._clock.wall() + self._ahead_seconds

    def correct(self, response: Response, signed_at: float) -> bool:
        """Learns the time from a reply that refused a signature for its date.

        Args:
            response: not a 200.
            signed_at: what `wall` said when the request was signed. Another reply
                may have corrected the clock since.

        Returns:
            Whether signing again makes sense: the clock was wrong, and is no more.
        """
        if error_code(response.body) not in _SKEW_CODES:
            return False
        date = _date_of(response)
        if date is None or abs(date - signed_at) < _TOLERATED_SKEW_SECONDS:
            return False
        if abs(date - self.wall()) > _TOLERATED_SKEW_SECONDS:
            self._ahead_seconds = date - self._clock.wall()
            _LOGGER.warning(
                "This machine's clock differs from the service's by %.0f s; set it "
                "right. Requests are signed with the service's time.",
                self._ahead_seconds,
            )
        return True


def _date_of(response: Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (LookupError, ValueError):
        return None


class CredentialSource:
    """Frozen credentials, looked up at most once a second and never on the loop.

    botocore refreshes them when they are about to expire, which may ask STS or the
    instance's metadata; meanwhile the ones at hand serve.
    """

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._frozen: ReadOnlyCredentials | None = None
        self._renew_at = 0.0
        self._renewal: asyncio.Future[ReadOnlyCredentials] | None = None

    def at_hand(self) -> ReadOnlyCredentials | None:
        """Returns the credentials if they were looked up within the last second."""
        return self._frozen if self._clock.monotonic() < self._renew_at else None

    def heed(self, response: Response) -> None:
        """Drops them if the reply says that they expired."""
        if error_code(response.body) in EXPIRED_TOKEN_CODES:
            self._frozen = None
            self._renew_at = 0.0

    async def renewed(self) -> ReadOnlyCredentials:
        """Returns current credentials; waits only if there are none to go on with.

        Raises:
            CredentialsError: they can't be had.
            ConnectError: whoever gives them can't be reached.
        """
        if self._renewal is None:
            self._renewal = asyncio.ensure_future(self._renew())
        elif self._frozen is not None:
            return self._frozen
        # One caller's cancellation must not take the others' credentials away.
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> ReadOnlyCredentials:
        loop = asyncio.get_running_loop()
        try:
            frozen = await loop.run_in_executor(
                None, self._credentials.get_frozen_credentials
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise CredentialsError(
                f"the role can't be assumed ({code}); check the role's trust policy "
                "and external id"
            ) from error
        except BotoCoreError as error:
            raise ConnectError(f"credentials can't be renewed: {error}") from error
        finally:
            self._renewal = None
        self._frozen = frozen
        self._renew_at = self._clock.monotonic() + _CREDENTIAL_SECONDS
        return frozen


class _Prefixes(NamedTuple):
    """What all of one operation's requests in one second have in common.

    The hashes have consumed it already: a request copies them and adds its own part.
    """

    canonical_request: "hashlib._Hash"  # up to the body's hash
    string_to_sign: "hashlib._Hash"  # keyed; up to the canonical request's hash
    head: bytes  # up to the signature


class Signer:
    """Makes the signed head of a request."""

    def __init__(self, endpoint: Endpoint, clock: ServiceClock) -> None:
        self._host = endpoint.host_header
        self._request_path = endpoint.path
        self._signed_path = quote(normalize_url_path(endpoint.path), safe="/~")
        self._region = endpoint.region
        self._clock = clock
        self._second = -1
        self._credentials: ReadOnlyCredentials | None = None
        self._prefixes: dict[str, _Prefixes] = {}

    def head(
        self, operation: str, body: bytes, credentials: ReadOnlyCredentials
    ) -> bytes:
        """Returns the request line and headers, the empty line included."""
        second = int(self._clock.wall())
        if second != self._second or credentials is not self._credentials:
            self._start_second(second, credentials)
        prefixes = self._prefixes.get(operation)
        if prefixes is None:
            prefixes = self._prefixes[operation] = self._build(operation)
        canonical_request = prefixes.canonical_request.copy()
        canonical_request.update(hashlib.sha256(body).hexdigest().encode())
        string_to_sign = prefixes.string_to_sign.copy()
        string_to_sign.update(canonical_request.hexdigest().encode())
        signature = self._outer_key.copy()
        signature.update(string_to_sign.digest())
        return b"%b%b\r\nContent-Length: %d\r\n\r\n" % (
            prefixes.head,
            signature.hexdigest().encode(),
            len(body),
        )

    def _start_second(self, second: int, credentials: ReadOnlyCredentials) -> None:
        instant = datetime.fromtimestamp(second, timezone.utc)
        self._second, self._credentials = second, credentials
        self._timestamp = instant.strftime("%Y%m%dT%H%M%SZ")
        self._scope = f"{self._timestamp[:8]}/{self._region}/{_SERVICE}/aws4_request"
        key = f"AWS4{credentials.secret_key}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        # HMAC by its definition (RFC 2104), hash(outer key + hash(inner key + text)):
        # copies of two hashes cost a third of a call of hmac.
        block = key.ljust(hashlib.sha256().block_size, b"\0")
        self._inner_key = hashlib.sha256(block.translate(_INNER))
        self._outer_key = hashlib.sha256(block.translate(_OUTER))
        self._prefixes.clear()

    def _build(self, operation: str) -> _Prefixes:
        assert self._credentials is not None
        token = self._credentials.token
        # In alphabetical order, as the canonical request wants them.
        signed = {
            "content-type": CONTENT_TYPE,
            "host": self._host,
            "x-amz-date": self._timestamp,
            **({"x-amz-security-token": token} if token else {}),
            "x-amz-target": f"{TARGET}.{operation}",
        }
        names = ";".join(signed)
        headers = "".join(
            f"{name}:{' '.join(value.split())}\n" for name, value in signed.items()
        )
        fields = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        canonical_request = f"POST\n{self._signed_path}\n\n{headers}\n{names}\n"
        string_to_sign = self._inner_key.copy()
        string_to_sign.update(
            f"AWS4-HMAC-SHA256\n{self._timestamp}\n{self._scope}\n".encode()
        )
        return _Prefixes(
            hashlib.sha256(canonical_request.encode()),
            string_to_sign,
            f"POST {self._request_path} HTTP/1.1\r\n{fields}"
            "User-Agent: beam-dynamodb\r\nAccept-Encoding: identity\r\n"
            "Authorization: AWS4-HMAC-SHA256 "
            f"Credential={self._credentials.access_key}/{self._scope}, "
            f"SignedHeaders={names}, Signature=".encode(),
        )
