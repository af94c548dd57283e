"""The least that a copy must be allowed: IAM policies, from what it was asked for.

Asks nothing of AWS. What each operation needs is in
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

from collections.abc import Iterator
from typing import Any

from transforms.dynamodb.tables import TableRef
from transforms.ledger.location import LedgerLocation
from transforms.planning.plan import CopyRequest
from transforms.routes import Mode, Route

__all__ = ["CALLER", "copy_policies"]

CALLER = "caller"
"""Whoever runs the job, as opposed to the roles that it assumes."""

_ANY_ACCOUNT = "*"
_WRITES: dict[Mode, tuple[str, ...]] = {
    "overwrite": ("BatchWriteItem",),
    "delete": ("BatchWriteItem",),
    "if-absent": ("PutItem",),
    "newer": ("PutItem",),
    "merge": ("PutItem", "UpdateItem"),
}
_LEDGER = (
    "BatchWriteItem",
    "ConditionCheckItem",
    "CreateTable",
    "DeleteItem",
    "DescribeTable",
    "DescribeTimeToLive",
    "GetItem",
    "PutItem",
    "Query",
    "UpdateTimeToLive",
)


def copy_policies(
    request: CopyRequest, ledger: LedgerLocation | None = None
) -> dict[str, dict[str, Any]]:
    """Returns the policy of each principal of a copy.

    Args:
        request: the copy; of its tables only names, accounts and roles are used.
        ledger: where the run keeps its ledger, if that is a table.

    Returns:
        IAM policy documents by principal: `CALLER`, and each role by its ARN.
    """
    statements: dict[str, list[dict[str, Any]]] = {CALLER: []}
    for table, statement in _statements(request, ledger):
        principal = table.role_arn or CALLER
        statements.setdefault(principal, []).append(statement)
    roles = sorted(statements.keys() - {CALLER})
    if roles:
        statements[CALLER].append(
            {
                "Sid": "AssumeRoles",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Resource": roles,
            }
        )
    return {
        principal: {"Version": "2012-10-17", "Statement": allowed}
        for principal, allowed in statements.items()
        if allowed
    }


def _statements(
    request: CopyRequest, ledger: LedgerLocation | None
) -> Iterator[tuple[TableRef, dict[str, Any]]]:
    source = request.source
    arns = [_arn(source)]
    if request.index is not None:
        arns.append(f"{_arn(source)}/index/{request.index}")
    # A filter that names keys is pushed down to Query.
    reads = ("DescribeTable", "Query", "Scan") if _filters(request) else _SCANS
    yield source, _allow("ReadTheSource", reads, arns)
    for number, route in enumerate(request.routes, start=1):
        actions = ("DescribeTable", *_WRITES[route.mode])
        sid = f"Write{number}{_word(route)}"
        yield route.target, _allow(sid, actions, [_arn(route.target)])
    if ledger is not None and isinstance(ledger.where, TableRef):
        table = ledger.where
        yield table, _allow("KeepTheLedger", _LEDGER, [_arn(table)])


_SCANS = ("DescribeTable", "Scan")


def _filters(request: CopyRequest) -> bool:
    return bool(request.filter) or all(route.filter for route in request.routes)


def _word(route: Route) -> str:
    """A Sid has letters and digits alone."""
    return "".join(letter for letter in route.name.title() if letter.isalnum())


def _allow(sid: str, operations: tuple[str, ...], arns: list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"dynamodb:{operation}" for operation in sorted(operations)],
        "Resource": arns,
    }


def _arn(table: TableRef) -> str:
    if table.wire_name.startswith("arn:"):
        return table.wire_name
    partition = "aws-cn" if table.region.startswith("cn-") else "aws"
    if table.region.startswith("us-gov-"):
        partition = "aws-us-gov"
    return f"arn:{partition}:dynamodb:{table.region}:{_ANY_ACCOUNT}:table/{table.name}"
