"""As whom a table is used, and where: profiles, roles, accounts, regions."""

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs

import apache_beam as beam
import boto3
import pytest

from pipelines.demo.engines import Engine
from tests.support.collect import collect_and_count
from tests.support.engines import make_table, unique_name
from tests.support.https_server import HttpsServer, reply
from transforms import Item, ReadFromDynamoDB, TableRef, WriteToDynamoDB
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import CredentialsError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.sessions import connection_for
from transforms.dynamodb.transport import TransportConfig, make_transport

REGION, OREGON = "eu-west-1", "us-west-2"
OTHER_ACCOUNT = "222222222222"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/copy"
AWAY = "https://dynamodb.example.com"  # no loopback: local credentials don't apply


@pytest.fixture
def configured(aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AWS configuration with two profiles, and none in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text(
        "[default]\naws_access_key_id = default-key\naws_secret_access_key = s\n"
        "[profile other]\naws_access_key_id = other-key\naws_secret_access_key = s\n"
        "[profile fips]\nuse_fips_endpoint = true\n"
        "aws_access_key_id = k\naws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return config


def key_of(table: TableRef) -> str:
    return str(connection_for(table).credentials.get_frozen_credentials().access_key)


# --- profiles and endpoints -----------------------------------------------------------


def test_a_tables_profile_signs_its_requests(configured):
    assert key_of(TableRef("birds", REGION)) == "default-key"
    assert key_of(TableRef("birds", REGION, profile="other")) == "other-key"


def test_a_misspelt_profile_is_told_with_those_near_it(configured):
    with pytest.raises(UserError, match=r"'othr'.*did you mean 'other'\?"):
        connection_for(TableRef("birds", REGION, profile="othr"))


def test_each_region_has_its_endpoint_and_a_profile_may_ask_for_another(configured):
    def url(region: str, profile: str | None = None) -> str:
        return connection_for(TableRef("birds", region, profile=profile)).endpoint.url

    assert url(OREGON) == "https://dynamodb.us-west-2.amazonaws.com"
    assert url("cn-north-1") == "https://dynamodb.cn-north-1.amazonaws.com.cn"
    assert url("us-east-1", "fips") == "https://dynamodb-fips.us-east-1.amazonaws.com"


def test_the_environments_endpoint_is_heeded(configured, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "https://gateway.test:8443/db")
    endpoint = connection_for(TableRef("birds", REGION)).endpoint
    assert endpoint.host_header == "gateway.test:8443"
    assert (endpoint.tls, endpoint.port, endpoint.path) == (True, 8443, "/db")


def test_an_endpoint_in_the_clear_to_another_host_is_refused(configured, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://gateway.test")
    with pytest.raises(UserError, match="unencrypted to another host"):
        connection_for(TableRef("birds", REGION))


def test_a_region_without_dynamodb_is_told_with_those_near_it(configured):
    with pytest.raises(UserError, match=r"'eu-west-9'.*did you mean"):
        connection_for(TableRef("birds", "eu-west-9"))


# --- credentials ----------------------------------------------------------------------


def test_no_credentials_anywhere_is_told_with_the_remedy(configured):
    configured.write_text("")
    with pytest.raises(CredentialsError, match=r"no AWS credentials .* set a profile"):
        connection_for(TableRef("birds", REGION, endpoint_url=AWAY))


def test_an_engine_on_this_machine_needs_none(configured):
    configured.write_text("")
    table = TableRef("birds", REGION, endpoint_url="http://127.0.0.1:9")
    assert key_of(table) == "local"


# --- roles ----------------------------------------------------------------------------


def assumed(key: str, seconds: float) -> bytes:
    """STS's reply to AssumeRole (API_AssumeRole)."""
    until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <AssumeRoleResult>
        <AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId><Arn>arn:a</Arn></AssumedRoleUser>
        <Credentials>
          <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
          <SessionToken>token-of-{key}</SessionToken>
          <Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration>
        </Credentials>
      </AssumeRoleResult></AssumeRoleResponse>""".encode()


@pytest.fixture
def sts(aws: None, server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> HttpsServer:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    return server


def signed_by(server: HttpsServer, place: int) -> str:
    found = re.search(
        r"Credential=([^/]+)/", server.requests[place].headers["authorization"]
    )
    assert found is not None
    return found[1]


def test_a_role_is_assumed_in_the_tables_region_with_its_external_id(sts):
    sts.will(reply(assumed("assumed-key", 3600), content_type="text/xml"))
    table = TableRef("birds", OREGON, role_arn=ROLE, external_id="their/id:1")
    connection = connection_for(table)
    assert sts.requests == []  # not before it is used
    frozen = connection.credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.token) == ("assumed-key", "token-of-assumed-key")
    asked = parse_qs(sts.requests[0].body.decode())
    assert asked["Action"] == ["AssumeRole"]
    assert asked["RoleArn"] == [ROLE]
    assert asked["ExternalId"] == ["their/id:1"]
    assert asked["RoleSessionName"] == ["beam-dynamodb"]
    assert signed_by(sts, 0) == "first"
    assert "/us-west-2/sts/" in sts.requests[0].headers["authorization"]
    connection.credentials.get_frozen_credentials()
    assert len(sts.requests) == 1  # they serve for an hour


def test_a_role_is_assumed_again_before_it_expires(sts, loop):
    """Ten minutes before, botocore waits for new credentials."""
    sts.will(
        reply(assumed("soon-over", 60), content_type="text/xml"),
        reply(assumed("second", 3600), content_type="text/xml"),
    )
    table = TableRef("birds", REGION, role_arn=ROLE)
    credentials = connection_for(table).credentials
    assert credentials.get_frozen_credentials().access_key == "soon-over"
    assert credentials.get_frozen_credentials().access_key == "second"
    assert credentials.get_frozen_credentials().access_key == "second"
    assert len(sts.requests) == 2


def test_requests_are_signed_as_the_role(sts, loop):
    sts.will(reply(assumed("assumed-key", 3600), content_type="text/xml"), reply(b"{}"))
    table = TableRef("birds", REGION, endpoint_url=sts.url, role_arn=ROLE)
    transport = make_transport(table, TransportConfig())
    assert loop.run(transport.send("Scan", b"{}")).body == b"{}"
    loop.run(transport.aclose())
    assert signed_by(sts, 1) == "assumed-key"
    assert sts.requests[1].headers["x-amz-security-token"] == "token-of-assumed-key"


def test_a_role_that_may_not_be_assumed_stops_the_job_with_the_remedy(sts, loop):
    denied = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    sts.will(*[reply(denied, 403, content_type="text/xml")] * 3)
    table = TableRef("birds", REGION, endpoint_url=sts.url, role_arn=ROLE)
    transport = make_transport(table, TransportConfig())
    with pytest.raises(CredentialsError, match=r"AccessDenied.*trust policy"):
        loop.run(transport.send("Scan", b"{}"))
    loop.run(transport.aclose())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"role_arn": "copy"}, "'copy' .* is not a role's ARN", id="name"),
        pytest.param(
            {"role_arn": "arn:aws:iam::222222222222:user/me"}, "role's ARN", id="user"
        ),
        pytest.param({"role_arn": ROLE, "external_id": "e"}, "external id", id="short"),
        pytest.param(
            {"role_arn": ROLE, "external_id": "a b"}, "external id", id="blank"
        ),
        pytest.param({"external_id": "ours"}, "no role to assume", id="no-role"),
        pytest.param({"account": "12"}, "'12' .* is not 12 digits", id="account"),
    ],
)
def test_a_role_or_account_of_no_form_is_refused_before_anything_is_asked(fields, says):
    with pytest.raises(UserError, match=says):
        TableRef("birds", REGION, **fields)


# --- accounts -------------------------------------------------------------------------


def test_a_table_of_another_account_is_called_by_its_arn():
    table = TableRef("birds", OREGON, account=OTHER_ACCOUNT)
    assert table.wire_name == f"arn:aws:dynamodb:us-west-2:{OTHER_ACCOUNT}:table/birds"
    assert TableRef.parse(table.wire_name) == table


@pytest.fixture
def other_account(moto: Engine, engine_credentials: None) -> dict[str, str]:
    """Credentials of a second account of moto's, whose tables are its own."""
    sts = boto3.client(
        "sts", region_name=OREGON, endpoint_url=moto.endpoint_url(OREGON)
    )
    assumed = sts.assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    sts.close()
    return {
        "aws_access_key_id": assumed["AccessKeyId"],
        "aws_secret_access_key": assumed["SecretAccessKey"],
        "aws_session_token": assumed["SessionToken"],
    }


@pytest.mark.emulator
def test_a_copy_across_accounts_is_a_copy(moto, other_account, monkeypatch):
    """From our account to a table that only a role of the other's can reach."""
    url = moto.endpoint_url(OREGON)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    name = make_table(moto, REGION, unique_name("birds"), "id")
    theirs = boto3.client(
        "dynamodb", region_name=OREGON, endpoint_url=url, **other_account
    )
    theirs.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    source = TableRef(name, REGION, endpoint_url=url)
    target = TableRef(name, OREGON, endpoint_url=url, role_arn=ROLE, external_id="ours")
    birds = [Item.from_attributes({"id": f"{n:02}", "n": n}) for n in range(40)]
    for bird in birds:
        moto.dynamodb(REGION).put_item(TableName=name, Item=json.loads(bird.wire))

    @beam.ptransform_fn
    def copy(begin):
        items = begin | ReadFromDynamoDB(source)
        return (items | WriteToDynamoDB(target, name="theirs")).written

    _, counters = collect_and_count(copy())
    assert counters["written/theirs"] == 40
    found = theirs.scan(TableName=name)["Items"]
    arrived = sorted(item["id"]["S"] for item in found)
    assert arrived == [bird["id"] for bird in birds]
    description = worker_loop().run(client_for(target).describe_table())
    assert description.account == OTHER_ACCOUNT
    ours = boto3.client("dynamodb", region_name=OREGON, endpoint_url=url)
    assert name not in ours.list_tables()["TableNames"]
    ours.close()
    theirs.close()
