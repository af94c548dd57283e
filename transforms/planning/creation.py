"""Targets that are made: what of the source is cloned, and how.

source --capture--> its settings --clone--> Creation --create--> an ACTIVE table
`--as_if--> TableDescription, for a plan
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions

from transforms.archive.table_description import capture_table, create_table
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import BeamDynamoDBError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.sessions import boto_client
from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.throttle.clock import Clock

__all__ = ["CLONED", "Creation", "create", "parse_clone", "plan_creation"]

CLONED = (
    "indexes",
    "billing",
    "ttl",
    "tags",
    "encryption",
    "pitr",
    "deletion-protection",
    "class",
    "stream",
    "autoscaling",
)
"""What may be cloned beside the keys."""

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "indexes": ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"),
    "ttl": ("TimeToLive",),
    "tags": ("Tags",),
    "encryption": ("SSESpecification",),
    "deletion-protection": ("DeletionProtectionEnabled",),
    "class": ("TableClass",),
    "stream": ("StreamSpecification",),
}


def parse_clone(text: str) -> frozenset[str]:
    """Reads ``all``, ``keys`` (nothing else), or some of `CLONED` with commas.

    Raises:
        UserError: a word that is none of these.
    """
    words = {word.strip() for word in text.split(",")}
    if words == {"all"}:
        return frozenset(CLONED)
    unknown = sorted(words - {*CLONED, "keys"})
    if unknown:
        raise UserError(
            f"{unknown[0]!r} cannot be cloned; give all, keys, or some of "
            f"{', '.join(CLONED)}"
        )
    return frozenset(words - {"keys"})


@dataclass(frozen=True, slots=True)
class Creation:
    """A table to be made.

    Attributes:
        target: which.
        request: what CreateTable takes, with ``TimeToLive`` beside it.
        recovery: whether point-in-time recovery is switched on.
        scaling: Application Auto Scaling's targets and policies.
        not_cloned: what was asked for and could not be seen at the source.
    """

    target: TableRef
    request: Mapping[str, Any]
    recovery: bool = False
    scaling: tuple[Mapping[str, Any], ...] = ()
    not_cloned: tuple[str, ...] = ()
    cloned: tuple[str, ...] = field(default=())

    def as_if(self) -> TableDescription:
        """Describes the table as it will be; its id is not known yet."""
        table = self.target
        arn = f"arn:aws:dynamodb:{table.region}:{table.account or '0' * 12}:table/"
        described = dict(self.request) | {
            "TableName": table.name,
            "TableArn": f"{arn}{table.name}",
            "TableStatus": "ACTIVE",
            "BillingModeSummary": {"BillingMode": self.request["BillingMode"]},
        }
        return TableDescription.from_response({"Table": described})

    def lines(self) -> list[str]:
        """Says what will be made."""
        parts = ", ".join(("keys", *self.cloned))
        lines = [f"create {self.target.display} with the source's {parts}"]
        if "WarmThroughput" in self.request:
            warm = self.request["WarmThroughput"]["WriteUnitsPerSecond"]
            lines.append(f"  warmed up for {warm:,} WCU")
        if self.not_cloned:
            lines.append(f"  cannot be seen, not cloned: {', '.join(self.not_cloned)}")
        return lines


def plan_creation(
    source: TableRef,
    target: TableRef,
    clone: Collection[str],
    transport: TransportConfig,
    *,
    warm_write: int | None = None,
) -> Creation:
    """Looks at the source and says how the target is to be made. Blocking.

    Args:
        source: whose keys and settings are taken.
        target: what is to be made.
        clone: some of `CLONED`.
        transport: connections and timeouts.
        warm_write: write units a second that the table is warmed up for.

    Raises:
        UserError, JobStoppedError: the source cannot be described.
    """
    client = client_for(source, transport)
    return worker_loop().run(_plan(client, source, target, clone, warm_write))


async def _plan(
    client: DynamoDBClient,
    source: TableRef,
    target: TableRef,
    clone: Collection[str],
    warm_write: int | None,
) -> Creation:
    captured = await capture_table(client)
    raw = (await client.ask("DescribeTable", TableName=source.wire_name))["Table"]
    missing = [part.lower() for part in captured.pop("NotCaptured", ())]
    request = captured | _settings(raw)
    for part, names in _FIELDS.items():
        if part not in clone:
            for name in names:
                request.pop(name, None)
    if "billing" not in clone:
        request = _on_demand(request)
    request["AttributeDefinitions"] = _defined(request)
    if warm_write is not None:
        request["WarmThroughput"] = {
            "ReadUnitsPerSecond": max(12_000, warm_write),
            "WriteUnitsPerSecond": warm_write,
        }
    recovery = False
    if "pitr" in clone:
        recovery = await _has_recovery(client, missing)
    scaling: tuple[Mapping[str, Any], ...] = ()
    if "autoscaling" in clone and request["BillingMode"] == "PROVISIONED":
        scaling = await asyncio.to_thread(_scaling, source, missing)
    return Creation(
        target=target,
        request=request,
        recovery=recovery,
        scaling=scaling,
        not_cloned=tuple(missing),
        cloned=tuple(part for part in CLONED if part in clone),
    )


def _settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What CreateTable takes beyond what a backup keeps of a table."""
    settings: dict[str, Any] = {}
    table_class = (raw.get("TableClassSummary") or {}).get("TableClass")
    if table_class:
        settings["TableClass"] = table_class
    if (raw.get("SSEDescription") or {}).get("SSEType") == "KMS":
        # The kind of key, not the key: that is of the source's region.
        settings["SSESpecification"] = {"Enabled": True, "SSEType": "KMS"}
    if raw.get("DeletionProtectionEnabled"):
        settings["DeletionProtectionEnabled"] = True
    return settings


def _on_demand(request: Mapping[str, Any]) -> dict[str, Any]:
    changed = {k: v for k, v in request.items() if k != "ProvisionedThroughput"}
    changed["BillingMode"] = "PAY_PER_REQUEST"
    if "GlobalSecondaryIndexes" in changed:
        changed["GlobalSecondaryIndexes"] = [
            {k: v for k, v in index.items() if k != "ProvisionedThroughput"}
            for index in changed["GlobalSecondaryIndexes"]
        ]
    return changed


def _defined(request: Mapping[str, Any]) -> list[Any]:
    """The service refuses the definition of an attribute that is no key of anything."""
    schemas = [request["KeySchema"]]
    for kind in _FIELDS["indexes"]:
        schemas += [index["KeySchema"] for index in request.get(kind, ())]
    used = {key["AttributeName"] for schema in schemas for key in schema}
    definitions = request["AttributeDefinitions"]
    return [each for each in definitions if each["AttributeName"] in used]


async def _has_recovery(client: DynamoDBClient, missing: list[str]) -> bool:
    try:
        reply = await client.ask(
            "DescribeContinuousBackups", TableName=client.table.wire_name
        )
    except BeamDynamoDBError:
        missing.append("pitr")
        return False
    described = reply.get("ContinuousBackupsDescription") or {}
    recovery = described.get("PointInTimeRecoveryDescription") or {}
    return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")


def _scaling(source: TableRef, missing: list[str]) -> tuple[Mapping[str, Any], ...]:
    """Returns the scalable targets of the table and its indexes, with policies."""
    ids = f"table/{source.name}"
    try:
        client = boto_client(source, "application-autoscaling")
        found = client.describe_scalable_targets(ServiceNamespace="dynamodb")
        policies = client.describe_scaling_policies(ServiceNamespace="dynamodb")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        missing.append("autoscaling")
        return ()
    targets = [
        each
        for each in found["ScalableTargets"]
        if each["ResourceId"] == ids or each["ResourceId"].startswith(f"{ids}/index/")
    ]
    return tuple(
        each
        | {
            "Policies": [
                policy
                for policy in policies["ScalingPolicies"]
                if policy["ResourceId"] == each["ResourceId"]
                and policy["ScalableDimension"] == each["ScalableDimension"]
            ]
        }
        for each in targets
    )


def create(creation: Creation, transport: TransportConfig, clock: Clock) -> None:
    """Makes the table, waits until it is ACTIVE, and sets what comes after. Blocking.

    Raises:
        UserError: there is such a table already.
        DeadlineError: it did not become active in time.
    """
    client = client_for(creation.target, transport)

    async def make() -> None:
        await create_table(client, creation.request, clock)
        if creation.recovery:
            await client.ask(
                "UpdateContinuousBackups",
                TableName=creation.target.wire_name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )

    worker_loop().run(make())
    if creation.scaling:
        _set_scaling(creation)


_SCALED = ("ServiceNamespace", "ScalableDimension", "MinCapacity", "MaxCapacity")
_POLICY = (
    "PolicyName",
    "ServiceNamespace",
    "ScalableDimension",
    "PolicyType",
    "TargetTrackingScalingPolicyConfiguration",
)


def _set_scaling(creation: Creation) -> None:
    client = boto_client(creation.target, "application-autoscaling")
    for each in creation.scaling:
        _, _, rest = each["ResourceId"].partition("/index/")
        resource = f"table/{creation.target.name}" + (f"/index/{rest}" if rest else "")
        fields = {name: each[name] for name in _SCALED}
        client.register_scalable_target(ResourceId=resource, **fields)
        for policy in each["Policies"]:
            fields = {name: policy[name] for name in _POLICY if name in policy}
            client.put_scaling_policy(ResourceId=resource, **fields)
