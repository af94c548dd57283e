"""Targets that are created, boosted, emptied; and put back after a crash."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines.commands import run
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.creation import parse_clone, plan_creation

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

REGION = "eu-west-1"
WEST = "us-west-2"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def source(moto, folder):
    """A provisioned table with all that can be cloned, and ten items."""
    name = unique_name("settings")
    client = moto.dynamodb(REGION)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "day", "AttributeType": "S"},
        ],
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 50, "WriteCapacityUnits": 40},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": 20,
                    "WriteCapacityUnits": 10,
                },
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        SSESpecification={"Enabled": True, "SSEType": "KMS"},
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "team", "Value": "birds"}],
    )
    client.update_time_to_live(
        TableName=name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    client.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    scaling(moto, REGION).register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId=f"table/{name}",
        ScalableDimension="dynamodb:table:WriteCapacityUnits",
        MinCapacity=40,
        MaxCapacity=400,
    )
    scaling(moto, REGION).put_scaling_policy(
        PolicyName="follow",
        ServiceNamespace="dynamodb",
        ResourceId=f"table/{name}",
        ScalableDimension="dynamodb:table:WriteCapacityUnits",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 70.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "DynamoDBWriteCapacityUtilization"
            },
        },
    )
    for number in range(10):
        client.put_item(TableName=name, Item={"id": {"S": f"i{number}"}})
    return name


def scaling(engine, region):
    return boto3.client(
        "application-autoscaling", region, endpoint_url=engine.endpoint_url(region)
    )


def copied(moto, source, target, *words):
    head = ["copy", "--source", f"{REGION}/{source}"]
    head += ["--endpoint", moto.endpoint_url(REGION)]
    return run([*head, "--to", f"{WEST}/{target}", *words])


def described(moto, name) -> dict[str, Any]:
    return dict(moto.dynamodb(WEST).describe_table(TableName=name)["Table"])


def test_a_target_is_created_with_all_of_the_sources_settings(moto, source, capsys):
    name = unique_name("clone")
    assert copied(moto, source, name, "--create-target") == 0
    assert f"create {WEST}/{name} with the source's keys, indexes" in (
        capsys.readouterr().out
    )
    client = moto.dynamodb(WEST)
    table = described(moto, name)
    assert client.scan(TableName=name)["Count"] == 10
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 40
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "by-day"
    assert table["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
    assert table["SSEDescription"]["SSEType"] == "KMS"
    assert table["DeletionProtectionEnabled"] is True
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "expires"
    tags = client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "birds"}]
    backups = client.describe_continuous_backups(TableName=name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    found = scaling(moto, WEST).describe_scalable_targets(ServiceNamespace="dynamodb")
    (target,) = (
        each
        for each in found["ScalableTargets"]
        if each["ResourceId"] == f"table/{name}"
    )
    assert (target["MinCapacity"], target["MaxCapacity"]) == (40, 400)
    policies = scaling(moto, WEST).describe_scaling_policies(
        ServiceNamespace="dynamodb", ResourceId=f"table/{name}"
    )
    assert [each["PolicyName"] for each in policies["ScalingPolicies"]] == ["follow"]


def test_keys_alone_make_a_plain_table_on_demand(moto, source):
    name = unique_name("plain")
    assert copied(moto, source, name, "--create-target", "--clone", "keys") == 0
    table = described(moto, name)
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert not table.get("GlobalSecondaryIndexes")
    assert not table.get("DeletionProtectionEnabled")
    assert [each["AttributeName"] for each in table["AttributeDefinitions"]] == ["id"]


def test_a_plan_and_a_dry_run_create_nothing(moto, source, capsys):
    name = unique_name("planned")
    assert copied(moto, source, name, "--create-target", "--dry-run") == 0
    endpoint = moto.endpoint_url(REGION)
    words = ["--source", f"{REGION}/{source}", "--endpoint", endpoint]
    words += ["--to", f"{WEST}/{name}", "--create-target", "--warm-write", "8000"]
    assert run(["plan", "copy", *words]) == 0
    out = capsys.readouterr().out
    assert out.count(f"create {WEST}/{name}") == 2
    assert "warmed up for 8,000 WCU" in out
    assert name not in moto.dynamodb(WEST).list_tables()["TableNames"]


def test_a_target_that_is_there_is_left_as_it_is(moto, source):
    name = make_table(moto, WEST, unique_name(), "id")
    assert copied(moto, source, name, "--create-target") == 0
    assert not described(moto, name).get("DeletionProtectionEnabled")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--clone", "everything"], "'everything' cannot be cloned"),
        (["--warm-write", "9000"], "--warm-write is for --create-target"),
        (["--truncate-target", "another"], "nothing is deleted of a table that is not"),
        (["--boost-write", "10"], "is on demand, so there is no capacity to raise"),
    ],
)
def test_what_cannot_be_done_to_a_target_is_refused(
    moto, source, capsys, words, message
):
    name = make_table(moto, WEST, unique_name(), "id")
    assert copied(moto, source, name, *words) == 2
    assert message in capsys.readouterr().err


def test_a_table_is_emptied_where_it_is_named(moto, source):
    name = make_table(moto, WEST, unique_name(), "id")
    client = moto.dynamodb(WEST)
    for number in range(60):
        client.put_item(TableName=name, Item={"id": {"S": f"old{number}"}})
    assert copied(moto, source, name, "--truncate-target", name) == 0
    left = {item["id"]["S"] for item in client.scan(TableName=name)["Items"]}
    assert left == {f"i{number}" for number in range(10)}


@pytest.fixture
def provisioned(moto):
    return make_table(moto, WEST, unique_name(), "id", read_units=30, write_units=20)


def units_of(moto, name):
    return described(moto, name)["ProvisionedThroughput"]["WriteCapacityUnits"]


def test_capacity_is_raised_for_the_copy_and_put_back(
    moto, source, provisioned, capsys
):
    assert copied(moto, source, provisioned, "--boost-write", "900") == 0
    out = capsys.readouterr().out
    assert "from 20 to 900 WCU, and put it back at the end" in out
    assert "50% of 900 provisioned WCU" in out
    assert units_of(moto, provisioned) == 20
    (kept,) = Path(".beam-dynamodb/runs").iterdir()
    assert not (kept / "capacity.json").exists()


def test_capacity_is_put_back_where_the_job_fails(
    moto, source, provisioned, monkeypatch
):
    seen = []

    def fail(*_arguments: object, **_options: object) -> None:
        seen.append(units_of(moto, provisioned))
        raise RuntimeError("for the test")

    monkeypatch.setattr("pipelines.copy_tables.build", fail)
    assert copied(moto, source, provisioned, "--boost-write", "900") == 3
    assert seen == [900]
    assert units_of(moto, provisioned) == 20


def test_capacity_is_put_back_by_hand_after_a_crash(
    moto, source, provisioned, monkeypatch, capsys
):
    monkeypatch.setattr("pipelines.made_ready.TargetPlan.undo", lambda *_: None)
    assert copied(moto, source, provisioned, "--boost-write", "900") == 0
    assert units_of(moto, provisioned) == 900
    (kept,) = Path(".beam-dynamodb/runs").iterdir()
    assert run(["restore-capacity", kept.name]) == 0
    assert f"{WEST}/{provisioned} has 20 WCU again" in capsys.readouterr().out
    assert units_of(moto, provisioned) == 20
    assert run(["restore-capacity", kept.name]) == 0
    assert "left no table boosted" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--all"]])
def test_restoring_takes_one_run(words, capsys):
    assert run(["restore-capacity", *words]) == 2
    assert "name one run" in capsys.readouterr().err


def test_a_created_table_is_asked_to_be_warm(moto, source):
    endpoint = moto.endpoint_url(REGION)
    creation = plan_creation(
        TableRef(source, REGION, endpoint),
        TableRef("target", WEST, endpoint),
        parse_clone("class,tags"),
        TransportConfig(),
        warm_write=20_000,
    )
    assert creation.request["WarmThroughput"] == {
        "ReadUnitsPerSecond": 20_000,
        "WriteUnitsPerSecond": 20_000,
    }
    assert creation.request["Tags"] == [{"Key": "team", "Value": "birds"}]
    assert "StreamSpecification" not in creation.request
    assert creation.as_if().keys.names == ("id",)


@pytest.mark.dynoxide
def test_what_cannot_be_seen_is_named_and_left_out(dynoxide, folder, capsys):
    name, made = unique_name(), unique_name()
    make_table(dynoxide, REGION, name, "id", "n:N", read_units=5, write_units=6)
    words = ["copy", "--source", f"{REGION}/{name}"]
    words += ["--source-endpoint", dynoxide.endpoint_url(REGION)]
    words += ["--to", f"{WEST}/{made}", "--create-target"]
    words += ["--endpoint", dynoxide.endpoint_url(WEST)]
    assert run(words) == 0
    assert "cannot be seen, not cloned: pitr" in capsys.readouterr().out
    table = dynoxide.dynamodb(WEST).describe_table(TableName=made)["Table"]
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    assert len(table["KeySchema"]) == 2
