"""What can go wrong, split by what the caller does about it.

::

    BeamDynamoDBError
    ├── UserError                  bad input; nothing was written (exit code 2)
    │   └── ExpressionError        with a caret under the place
    ├── RetryableError             try again, until a deadline
    │   ├── ThrottledError         go slower, too
    │   ├── ServerError            the service failed, or asks to come back
    │   ├── ExpiredCredentialsError
    │   └── TransportError         no whole, intact reply
    │       ├── ConnectError           no connection was made
    │       ├── RequestTimeoutError    no reply in time
    │       ├── ConnectionLostError    closed before a reply began
    │       ├── TruncatedReplyError    closed, or garbled, inside the reply
    │       └── ChecksumError          the body does not fit its x-amz-crc32
    ├── ItemRejectedError          the item's fault: give up on this item only
    │   ├── DuplicateKeysError         a batch names one key twice
    │   └── ConditionFailedError       a conditional write found its condition false
    └── JobStoppedError            nothing more can be done: stop, resumable
        ├── AccessDeniedError
        ├── ResourceNotFoundError
        ├── ResourceInUseError         it is there already, or being changed
        ├── CredentialsError           none found, or the service does not know them
        ├── TlsError                   the other end could not be verified
        └── DeadlineError              retried until the deadline

An error's fields are the positional arguments of `Exception`, so every error
pickles. Texts name the thing, the value and the remedy, and never hold an item's
content, a key or a credential.
"""

import re
from typing import Any

import msgspec

__all__ = [
    "EXPIRED_TOKEN_CODES",
    "AccessDeniedError",
    "BeamDynamoDBError",
    "ChecksumError",
    "ConditionFailedError",
    "ConnectError",
    "ConnectionLostError",
    "CredentialsError",
    "DeadlineError",
    "DuplicateKeysError",
    "ExpiredCredentialsError",
    "ExpressionError",
    "ItemRejectedError",
    "JobStoppedError",
    "RequestTimeoutError",
    "ResourceInUseError",
    "ResourceNotFoundError",
    "RetryableError",
    "ServerError",
    "ThrottledError",
    "TlsError",
    "TransportError",
    "TruncatedReplyError",
    "UserError",
    "error_code",
    "error_from_response",
]


class BeamDynamoDBError(Exception):
    """Root of this library's errors. The first argument is the text."""

    def __str__(self) -> str:
        """The text alone, whatever other fields there are."""
        return str(self.args[0]) if self.args else ""

    def __repr__(self) -> str:
        """The kind and the text: other fields may hold an item."""
        return f"{type(self).__name__}({str(self)!r})"


class UserError(BeamDynamoDBError):
    """The input is wrong; nothing was written."""


class ExpressionError(UserError):
    """An expression does not parse, or means nothing to DynamoDB."""

    def __init__(self, message: str, expression: str, position: int) -> None:
        super().__init__(message, expression, position)
        self.expression = expression
        self.position = position

    def __str__(self) -> str:
        """The text, the expression's line, and a caret under `position`."""
        start = self.expression.rfind("\n", 0, self.position) + 1
        line = self.expression[start:].partition("\n")[0]
        return f"{self.args[0]}\n  {line}\n  {' ' * (self.position - start)}^"


class RetryableError(BeamDynamoDBError):
    """The same request may succeed later."""


class ThrottledError(RetryableError):
    """The service refused for capacity.

    `reasons` are those the service names since 2025, such as
    ``TableWriteKeyRangeThroughputExceeded`` (API_ThrottlingReason); often empty.
    """

    def __init__(self, message: str, code: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message, code, reasons)
        self.code = code
        self.reasons = reasons


class ServerError(RetryableError):
    """The service failed (5xx), or asks to come back."""


class ExpiredCredentialsError(RetryableError):
    """The session token is past its time; the next try fetches a new one."""


class TransportError(RetryableError):
    """No whole and intact reply came. The request may have been applied."""


class ConnectError(TransportError):
    """No connection could be made."""


class RequestTimeoutError(TransportError):
    """The reply did not come, or not to its end, in time."""


class ConnectionLostError(TransportError):
    """The connection closed before a reply began."""


class TruncatedReplyError(TransportError):
    """The reply ended early, or was no HTTP."""


class ChecksumError(TransportError):
    """The body does not fit its x-amz-crc32."""


class ItemRejectedError(BeamDynamoDBError):
    """The service will never take this item (or this batch, because of one)."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.code = code


class DuplicateKeysError(ItemRejectedError):
    """One batch names a key twice; nothing of the batch was written."""


class ConditionFailedError(ItemRejectedError):
    """A conditional write found its condition false.

    `stored` is the item that it found, as JSON, if the request asked for it
    (ReturnValuesOnConditionCheckFailure=ALL_OLD); no part of the text.
    """

    def __init__(
        self, message: str, code: str = "", stored: bytes | None = None
    ) -> None:
        super().__init__(message, code)
        self.args = (message, code, stored)
        self.stored = stored


class JobStoppedError(BeamDynamoDBError):
    """The job can't go on; what is done is done, and it may be resumed."""


class AccessDeniedError(JobStoppedError):
    """The caller may not do this."""


class ResourceNotFoundError(JobStoppedError):
    """There is no such table (or index) there, or not yet."""


class ResourceInUseError(JobStoppedError):
    """The table is there already, or something else is changing it."""


class CredentialsError(JobStoppedError):
    """No credentials, or the service does not accept them."""


class TlsError(JobStoppedError):
    """The other end could not be verified. Never retried."""


class DeadlineError(JobStoppedError):
    """Retried until the deadline; the text ends with the last failure."""


# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_COME_BACK = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "ReplicatedWriteConflictException",
        "ServiceUnavailable",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
EXPIRED_TOKEN_CODES = frozenset({"ExpiredToken", "ExpiredTokenException"})
# The service's texts for these quote the request's headers, the session token
# among them, so only the code is shown.
_CREDENTIALS = frozenset(
    {
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_NOT_FOUND = frozenset({"ResourceNotFoundException", "TableNotFoundException"})
_INVALID = frozenset(
    {
        "ItemCollectionSizeLimitExceededException",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)
_WRITES = frozenset(
    {"BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"}
)
_TOO_MANY_REQUESTS = 429
_PAYLOAD_TOO_LARGE = 413
_BANDWIDTH_EXCEEDED = 509
_SERVER_SIDE = 500

_SAME_KEY_TWICE = "list of item keys contains duplicates"

# Where the service's texts quote an item: "The parameter cannot be converted to a
# numeric value: 12a4", "Input collection [a, a] contains duplicates".
_QUOTED_VALUES = (
    (
        re.compile(r"(numeric value:?)\s.*", re.DOTALL | re.IGNORECASE),
        r"\1 (not shown)",
    ),
    (re.compile(r"\[.*\]", re.DOTALL), "[not shown]"),
)


def error_code(body: bytes) -> str:
    """Returns the bare code of an error body, "" if it has none.

    >>> error_code(b'{"__type":"com.amazonaws.dynamodb.v20120810#LimitExceeded"}')
    'LimitExceeded'
    """
    return _code_of(_decode(body))


def error_from_response(
    operation: str, table_display: str, status: int, body: bytes
) -> BeamDynamoDBError:
    """Returns (does not raise) the error that a reply other than 200 means.

    Args:
        operation: such as ``"BatchWriteItem"``.
        table_display: how the table is called in texts.
        status: the HTTP status.
        body: DynamoDB's JSON (``__type``, ``message``), or whatever a proxy sent.
    """
    reply = _decode(body)
    code = _code_of(reply)
    what = f"{operation} on {table_display}"
    if code == "ConditionalCheckFailedException":
        text = f"{what}: the condition is false"
        return ConditionFailedError(text, code, _stored_item(body))
    return _classify(operation, what, status, code, reply)


def _classify(
    operation: str, what: str, status: int, code: str, reply: dict[str, Any]
) -> BeamDynamoDBError:
    said = _said(code or f"HTTP {status}", reply)
    if code in _THROTTLED or status in {_TOO_MANY_REQUESTS, _BANDWIDTH_EXCEEDED}:
        return ThrottledError(f"{what} was throttled: {said}", code, _reasons(reply))
    if code in _COME_BACK or status >= _SERVER_SIDE:
        return ServerError(f"{what} failed at the service: {said}")
    if code in EXPIRED_TOKEN_CODES:
        return ExpiredCredentialsError(f"{what}: the session token expired ({code})")
    if code in _INVALID or status == _PAYLOAD_TOO_LARGE:
        return _invalid(operation, what, code, said)
    if code == "TransactionCanceledException":
        return _unfulfilled(what, code, said, reply)
    return _stopped(operation, what, code, said)


def _unfulfilled(
    what: str, code: str, said: str, reply: dict[str, Any]
) -> BeamDynamoDBError:
    """A transaction fails as its worst part does: for good before for now."""
    parts = reply.get("CancellationReasons") or []
    codes = {str(part.get("Code", "None")) for part in parts} - {"None"}
    if codes & {"ValidationError", "ItemCollectionSizeLimitExceeded"}:
        return ItemRejectedError(f"{what} was refused: {said}; correct the item", code)
    if "ConditionalCheckFailed" in codes:
        return ConditionFailedError(f"{what}: a condition is false", code)
    if codes & {"ThrottlingError", "ProvisionedThroughputExceeded"}:
        return ThrottledError(f"{what} was throttled: {said}", code)
    return ServerError(f"{what} met another transaction: {said}")


def _invalid(operation: str, what: str, code: str, said: str) -> BeamDynamoDBError:
    if operation not in _WRITES:
        return UserError(f"{what} was refused: {said}; correct the request")
    kind = DuplicateKeysError if _SAME_KEY_TWICE in said else ItemRejectedError
    return kind(f"{what} was refused: {said}; correct the item", code)


def _stopped(operation: str, what: str, code: str, said: str) -> JobStoppedError:
    if code in _CREDENTIALS:
        return CredentialsError(
            f"{what}: the service did not accept the credentials ({code}); check the "
            f"profile, role and region, and that this machine's clock is right"
        )
    if code in _DENIED:
        return AccessDeniedError(
            f"{what} was denied: {said}; allow dynamodb:{operation} on the table"
        )
    if code == "ResourceInUseException":
        return ResourceInUseError(f"{what}: {said}; wait until it is ACTIVE")
    if code in _NOT_FOUND:
        return ResourceNotFoundError(
            f"{what} found no such table: {said}; check its name, region and account"
        )
    return JobStoppedError(f"{what} failed: {said}; this error is not known to pass")


class _ConditionFailed(msgspec.Struct):
    Item: msgspec.Raw = msgspec.Raw()


def _stored_item(body: bytes) -> bytes | None:
    return bytes(msgspec.json.decode(body, type=_ConditionFailed).Item) or None


def _decode(body: bytes) -> dict[str, Any]:
    try:
        reply = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return reply if isinstance(reply, dict) else {}


def _code_of(reply: dict[str, Any]) -> str:
    kind = str(reply.get("__type") or reply.get("code") or "")
    return kind.rpartition("#")[2].partition(":")[0]


def _said(code: str, reply: dict[str, Any]) -> str:
    text = str(reply.get("message") or reply.get("Message") or "").strip()
    for quoted, instead in _QUOTED_VALUES:
        text = quoted.sub(instead, text)
    return f"{code}: {text}".rstrip(".") if text else code


def _reasons(reply: dict[str, Any]) -> tuple[str, ...]:
    named = reply.get("ThrottlingReasons") or reply.get("throttlingReasons") or []
    return tuple(str(each.get("reason", "")) for each in named)
