"""What a backup knows of its table: enough to make the table again.

    DescribeTable, DescribeTimeToLive, ListTagsOfResource -> capture_table -> a dict
    the dict -> create_table -> CreateTable, UpdateTimeToLive (tags come with the table)

The dict is what CreateTable takes, with ``TimeToLive`` and ``Tags`` beside it.
"""

from collections.abc import Mapping
from typing import Any

from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import BeamDynamoDBError, DeadlineError, UserError
from transforms.dynamodb.tables import KeySchema, TableDescription
from transforms.throttle.clock import Clock

__all__ = ["capture_table", "create_table", "key_schema"]

_INDEX_FIELDS = ("IndexName", "KeySchema", "Projection")
_UNITS = ("ReadCapacityUnits", "WriteCapacityUnits")
_CREATED_SECONDS = 300.0
_POLL_SECONDS = 1.0


async def capture_table(client: DynamoDBClient) -> dict[str, Any]:
    """Returns how the table was made.

    What the service does not let us see (TTL, tags) is left out, and named in
    ``NotCaptured``.

    Raises:
        JobStoppedError, UserError: the table itself cannot be described.
    """
    name = client.table.wire_name
    table = (await client.ask("DescribeTable", TableName=name))["Table"]
    captured = _creation(table)
    missing = []
    try:
        reply = await client.ask("DescribeTimeToLive", TableName=name)
        captured |= _time_to_live(reply)
    except BeamDynamoDBError:
        missing.append("TimeToLive")
    try:
        captured |= await _tags(client, table["TableArn"])
    except BeamDynamoDBError:
        missing.append("Tags")
    return captured | ({"NotCaptured": missing} if missing else {})


def key_schema(captured: Mapping[str, Any]) -> KeySchema:
    """Returns the keys of a captured table."""
    types = {
        each["AttributeName"]: each["AttributeType"]
        for each in captured["AttributeDefinitions"]
    }
    return KeySchema.from_response(captured["KeySchema"], types)


async def create_table(
    client: DynamoDBClient, captured: Mapping[str, Any], clock: Clock
) -> TableDescription:
    """Makes the client's table as the captured one was; returns when it is active.

    Raises:
        UserError: there is such a table already.
        DeadlineError: it did not become active in time.
    """
    extras = ("TimeToLive", "NotCaptured")
    request = {key: value for key, value in captured.items() if key not in extras}
    request["TableName"] = client.table.wire_name
    try:
        await client.ask("CreateTable", **request)
    except BeamDynamoDBError as error:
        if "ResourceInUse" in str(error):
            raise UserError(
                f"{client.table.display} exists; leave out --create-table to restore "
                "into it"
            ) from error
        raise
    deadline = clock.monotonic() + _CREATED_SECONDS
    while (table := await client.describe_table()).status != "ACTIVE":
        if clock.monotonic() > deadline:
            raise DeadlineError(
                f"{client.table.display} is still {table.status} after "
                f"{_CREATED_SECONDS:g} s; wait for it, then restore into it"
            )
        await clock.sleep(_POLL_SECONDS)
    if "TimeToLive" in captured:
        await client.ask(
            "UpdateTimeToLive",
            TableName=client.table.wire_name,
            TimeToLiveSpecification=captured["TimeToLive"],
        )
    return table


def _creation(table: Mapping[str, Any]) -> dict[str, Any]:
    """Picks what CreateTable takes from what DescribeTable says."""
    created: dict[str, Any] = {
        "TableName": table["TableName"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "KeySchema": table["KeySchema"],
    }
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode")
    on_demand = mode == "PAY_PER_REQUEST"
    created["BillingMode"] = "PAY_PER_REQUEST" if on_demand else "PROVISIONED"
    if not on_demand:
        created["ProvisionedThroughput"] = _throughput(table)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        indexes = [_index(each, kind, on_demand) for each in table.get(kind) or ()]
        if indexes:
            created[kind] = indexes
    stream = table.get("StreamSpecification")
    if stream and stream.get("StreamEnabled"):
        created["StreamSpecification"] = stream
    return created


def _index(index: Mapping[str, Any], kind: str, on_demand: bool) -> dict[str, Any]:  # noqa: FBT001
    picked = {name: index[name] for name in _INDEX_FIELDS}
    if kind == "GlobalSecondaryIndexes" and not on_demand:
        picked["ProvisionedThroughput"] = _throughput(index)
    return picked


def _throughput(described: Mapping[str, Any]) -> dict[str, int]:
    units = described.get("ProvisionedThroughput") or {}
    return {name: max(1, int(units.get(name) or 1)) for name in _UNITS}


def _time_to_live(reply: Mapping[str, Any]) -> dict[str, Any]:
    ttl = reply.get("TimeToLiveDescription") or {}
    if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        return {}
    return {"TimeToLive": {"AttributeName": ttl["AttributeName"], "Enabled": True}}


async def _tags(client: DynamoDBClient, arn: str) -> dict[str, Any]:
    tags: list[Any] = []
    token: dict[str, str] = {}
    while True:
        reply = await client.ask("ListTagsOfResource", ResourceArn=arn, **token)
        tags += reply.get("Tags") or []
        if not reply.get("NextToken"):
            break
        token = {"NextToken": reply["NextToken"]}
    # Tags that begin with aws: are the service's own, and cannot be set.
    kept = [tag for tag in tags if not tag["Key"].startswith("aws:")]
    return {"Tags": kept} if kept else {}
