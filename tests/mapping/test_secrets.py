"""Keys by reference, and that they are never said."""

import boto3
import pytest

from transforms.dynamodb.errors import UserError
from transforms.mapping import check_reference, read_secret

SECRET = "not to be said"
REGION = "eu-west-1"


def test_a_secret_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("F_TEST_SECRET", SECRET)
    assert read_secret("env:F_TEST_SECRET", "eu-west-1") == SECRET.encode()


def test_a_secret_is_read_from_a_file_without_its_line_end(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert read_secret(f"file:{path}", "eu-west-1") == SECRET.encode()


@pytest.mark.parametrize("reference", [SECRET, "env:", "vault:x", ""])
def test_what_is_no_reference_is_refused_and_not_repeated(reference):
    with pytest.raises(UserError, match="given by where it is: one of env:") as caught:
        check_reference(reference)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("reference", ["env:F_TEST_ABSENT", "file:/no/such/file"])
def test_a_secret_that_is_not_there_is_named(reference):
    with pytest.raises(UserError, match=reference):
        read_secret(reference, "eu-west-1")


def test_an_empty_secret_is_refused(monkeypatch):
    monkeypatch.setenv("F_TEST_SECRET", "")
    with pytest.raises(UserError, match="is empty"):
        read_secret("env:F_TEST_SECRET", "eu-west-1")


@pytest.fixture
def aws(moto, engine_credentials, monkeypatch):
    """boto3's clients of other services than DynamoDB, at moto's endpoint."""
    endpoint = moto.endpoint_url(REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return lambda service: boto3.client(service, REGION)


@pytest.mark.emulator
def test_a_secret_is_a_parameter_decrypted(aws):
    name = "/beam-dynamodb/test/hash-key"
    aws("ssm").put_parameter(Name=name, Value=SECRET, Type="SecureString")
    assert read_secret(f"ssm:{name}", REGION) == SECRET.encode()


@pytest.mark.emulator
@pytest.mark.parametrize("field", ["SecretString", "SecretBinary"])
def test_a_secret_is_one_of_secrets_manager_by_name_or_arn(aws, field):
    value = SECRET if field == "SecretString" else SECRET.encode()
    made = aws("secretsmanager").create_secret(Name=f"hash-{field}", **{field: value})
    for name in (made["Name"], made["ARN"]):
        assert read_secret(f"secretsmanager:{name}", REGION) == SECRET.encode()


@pytest.mark.emulator
@pytest.mark.parametrize("reference", ["ssm:/not/there", "secretsmanager:not-there"])
def test_a_secret_that_the_service_lacks_is_named(aws, reference):
    with pytest.raises(UserError, match=f"the secret {reference} cannot be read"):
        read_secret(reference, REGION)
