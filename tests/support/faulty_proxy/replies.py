"""The service's errors, word for word.

Shapes and names are those of botocore's model of the service (2012-08-10): a
ThrottlingException spells ``throttlingReasons`` small, the others do not.
"""

import json
from typing import Any

from tests.support.faulty_proxy.wire import Direction

__all__ = [
    "ErrorReply",
    "denied",
    "expired_token",
    "internal_error",
    "throttled",
    "unavailable",
]

_SERVICE = "com.amazonaws.dynamodb.v20120810#"
_PROVISIONED = (
    "The level of configured provisioned throughput for {what} was exceeded. Consider "
    "increasing your provisioning level with the UpdateTable API."
)
_ON_DEMAND = (
    "Throughput exceeds the current throughput limit for your table or index. DynamoDB "
    "is automatically scaling your table or index so please try again shortly."
)

ErrorReply = tuple[int, bytes]
"""(status, body)."""


def throttled(
    region: str, table: str, way: Direction, limit: str, *, on_demand: bool = False
) -> ErrorReply:
    """Returns the refusal for capacity.

    Args:
        region: the table's.
        table: its name.
        way: read or write.
        limit: which: ``"table"``, ``"partition"`` (a key range), or an index's name.
        on_demand: of an on-demand table.
    """
    resource = f"arn:aws:dynamodb:{region}:123456789012:table/{table}"
    kind = "Table"
    if limit not in {"table", "partition"}:
        resource, kind = f"{resource}/index/{limit}", "Index"
    exceeded = "Provisioned" if not on_demand else "MaxOnDemand"
    if limit == "partition":
        exceeded = "KeyRange"
    reason = {
        "reason": f"{kind}{way.capitalize()}{exceeded}ThroughputExceeded",
        "resource": resource,
    }
    if on_demand:
        return _error("ThrottlingException", _ON_DEMAND, throttlingReasons=[reason])
    what = "the table" if kind == "Table" else "one or more global secondary indexes"
    return _error(
        "ProvisionedThroughputExceededException",
        _PROVISIONED.format(what=what),
        ThrottlingReasons=[reason],
    )


def internal_error() -> ErrorReply:
    """Returns a 500."""
    return _error("InternalServerError", "Internal server error", status=500)


def unavailable() -> ErrorReply:
    """Returns a 503, which has no JSON."""
    return 503, b"<html><body>Service Unavailable</body></html>"


def expired_token() -> ErrorReply:
    """Returns the refusal of a token past its time."""
    text = "The security token included in the request is expired"
    body = {"__type": "com.amazon.coral.service#ExpiredTokenException", "message": text}
    return 400, json.dumps(body).encode()


def denied(operation: str, region: str, table: str) -> ErrorReply:
    """Returns the refusal of a caller who may not do this."""
    text = (
        f"User: arn:aws:iam::123456789012:user/reader is not authorized to perform: "
        f"dynamodb:{operation} on resource: "
        f"arn:aws:dynamodb:{region}:123456789012:table/{table} because no "
        f"identity-based policy allows the dynamodb:{operation} action"
    )
    body = {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": text}
    return 400, json.dumps(body).encode()


def _error(code: str, message: str, status: int = 400, **more: Any) -> ErrorReply:
    body = {"__type": _SERVICE + code, "message": message, **more}
    return status, json.dumps(body).encode()
