"""What a request is about, from its headers and body."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Direction", "ServiceRequest", "TableKey", "checksum", "read_request"]

Direction = Literal["read", "write"]
TableKey = tuple[str, str]
"""(region, table name)."""

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/")
_DIRECTIONS: Mapping[str, Direction] = {
    "BatchGetItem": "read",
    "BatchWriteItem": "write",
    "DeleteItem": "write",
    "GetItem": "read",
    "PutItem": "write",
    "Query": "read",
    "Scan": "read",
    "TransactGetItems": "read",
    "TransactWriteItems": "write",
    "UpdateItem": "write",
}


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One request, understood.

    Attributes:
        region: of the SigV4 signature.
        access_key: of the signature: whose request it is.
        operation: such as ``"Scan"``.
        body: the decoded request.
    """

    region: str
    access_key: str
    operation: str
    body: Mapping[str, Any]

    @property
    def direction(self) -> Direction | None:
        """Which capacity it spends; None for operations that spend none."""
        return _DIRECTIONS.get(self.operation)

    @property
    def tables(self) -> Sequence[str]:
        """The tables it is about, by name."""
        if "RequestItems" in self.body:
            return [_name(table) for table in self.body["RequestItems"]]
        if "TransactItems" in self.body:
            parts = [next(iter(item.values())) for item in self.body["TransactItems"]]
            return sorted({_name(part["TableName"]) for part in parts})
        return [_name(self.body["TableName"])] if "TableName" in self.body else []


def read_request(
    authorization: str, target: str, body: bytes, default_region: str
) -> ServiceRequest:
    """Returns what a request says of itself.

    Args:
        authorization: the header; what is not signed goes to `default_region`.
        target: the ``X-Amz-Target`` header.
        body: JSON.
        default_region: see there.
    """
    match = _CREDENTIAL.search(authorization)
    access_key, region = match.groups() if match else ("", default_region)
    return ServiceRequest(
        region, access_key, target.rpartition(".")[2], json.loads(body or b"{}")
    )


def checksum(body: bytes) -> str:
    """Returns the value of ``x-amz-crc32``."""
    return str(zlib.crc32(body))


def _name(table: str) -> str:
    """A table may be named by its ARN."""
    return table.rpartition("/")[2]
