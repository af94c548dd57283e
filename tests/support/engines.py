"""Fixtures: embedded engines, started once a pytest process, and tables in them.

    def test_something(engine):                       # on moto, then on dynoxide
        table = make_table(engine, "eu-west-1", unique_name(), "id", "day:N")
        engine.dynamodb("eu-west-1").put_item(TableName=table, Item=…)

Tables are never removed: names are unique, and the engines forget when they end.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.demo.engines import (
    DYNOXIDE_VARIABLE,
    DynamoDBLocalEngine,
    DynoxideEngine,
    Engine,
    MotoEngine,
    find_dynoxide,
)

REGIONS = ("eu-west-1", "us-west-2", "us-east-1")


@pytest.fixture(scope="session")
def moto() -> Iterator[Engine]:
    """moto's server: every region on one port."""
    with MotoEngine() as started:
        yield started


@pytest.fixture(scope="session")
def dynoxide() -> Iterator[Engine]:
    """dynoxide: a process for each of `REGIONS`."""
    if find_dynoxide() is None:
        pytest.skip(f"dynoxide: not on PATH, and {DYNOXIDE_VARIABLE} is not set")
    with DynoxideEngine(REGIONS) as started:
        yield started


@pytest.fixture(scope="session")
def dynamodb_local() -> Engine:
    """The DynamoDB Local that the user has started."""
    return DynamoDBLocalEngine()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("moto", marks=pytest.mark.emulator),
        pytest.param("dynoxide", marks=pytest.mark.dynoxide),
        pytest.param("dynamodb_local", marks=pytest.mark.dynamodb_local),
    ],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    started: Engine = request.getfixturevalue(request.param)
    return started


@pytest.fixture
def engine_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables under which boto3 finds test credentials, and no others."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in MotoEngine().environment().items():
        monkeypatch.setenv(name, value)


def unique_name(prefix: str = "table") -> str:
    """A table name that no other test has."""
    return f"{prefix}.{uuid.uuid4().hex[:12]}"


def make_table(
    engine: Engine,
    region: str,
    name: str,
    partition: str,
    sort: str | None = None,
    *,
    read_units: int = 0,
    write_units: int = 0,
) -> str:
    """Creates an empty table and returns its name.

    Args:
        engine: Where.
        region: In which region.
        name: The table's name, such as `unique_name()`.
        partition: The partition key, ``name`` or ``name:TYPE``; S when not said.
        sort: The sort key, in the same form, if there is one.
        read_units: Provisioned read capacity; on demand when 0.
        write_units: Provisioned write capacity; as `read_units` when 0.
    """
    keys = [text.partition(":") for text in (partition, sort) if text is not None]
    roles = ("HASH", "RANGE")
    request: dict[str, Any] = {
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": key, "AttributeType": kind or "S"}
            for key, _, kind in keys
        ],
        "KeySchema": [
            {"AttributeName": key, "KeyType": role}
            for (key, _, _), role in zip(keys, roles, strict=False)
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if read_units:
        request["BillingMode"] = "PROVISIONED"
        request["ProvisionedThroughput"] = {
            "ReadCapacityUnits": read_units,
            "WriteCapacityUnits": write_units or read_units,
        }
    engine.dynamodb(region).create_table(**request)
    return name
