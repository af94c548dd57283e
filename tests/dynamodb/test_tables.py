"""What names a table, and what the service says of it."""

import pickle

import pytest

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableDescription, TableRef

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/birds"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        pytest.param("eu-west-1/birds", TableRef("birds", "eu-west-1"), id="name"),
        pytest.param(
            ARN, TableRef("birds", "eu-west-1", account="123456789012"), id="arn"
        ),
        pytest.param(
            "us-gov-west-1/b.i-r_ds", TableRef("b.i-r_ds", "us-gov-west-1"), id="gov"
        ),
    ],
)
def test_a_table_is_named_by_region_and_name_or_by_its_arn(text, table):
    assert TableRef.parse(text) == table
    assert pickle.loads(pickle.dumps(table)) == table


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("birds", "not of the form REGION/NAME", id="no-region"),
        pytest.param("eu-west-1/", "not of the form REGION/NAME", id="no-name"),
        pytest.param("eu-west-1/ab", "'ab' is not one DynamoDB allows", id="short"),
        pytest.param("eu-west-1/b rds", "'b rds' is not one", id="blank"),
        pytest.param("eu-west-1/" + "x" * 256, "3 to 255", id="long"),
        pytest.param("euwest1/birds", "region 'euwest1'", id="region"),
        pytest.param("arn:aws:s3:::bucket", "not a table's ARN", id="another-arn"),
        pytest.param(ARN + "/index/by_day", "not a table's ARN", id="index"),
        pytest.param(
            ARN.replace("123456789012", "12"), "'12' .* not 12 digits", id="account"
        ),
    ],
)
def test_what_names_no_table_is_refused_with_the_remedy(text, says):
    with pytest.raises(UserError, match=says):
        TableRef.parse(text)


def test_an_account_beside_another_in_the_arn_is_refused():
    with pytest.raises(UserError, match="give the account once"):
        TableRef.parse(ARN, account="210987654321")


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_an_arn_is_of_the_regions_partition(region, partition):
    table = TableRef("birds", region, account="123456789012")
    assert table.wire_name.startswith(f"arn:{partition}:dynamodb:{region}:")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("http://example.com", "unencrypted", id="in-the-clear"),
        pytest.param("ftp://localhost", "not an http", id="ftp"),
        pytest.param("localhost:8000", "not an http", id="no-scheme"),
        pytest.param("https://", "not an http", id="no-host"),
    ],
)
def test_an_endpoint_that_is_none_or_unsafe_is_refused(url, says):
    with pytest.raises(UserError, match=says):
        TableRef("birds", "eu-west-1", endpoint_url=url)


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.0.0.2", "http://[::1]"]
)
def test_this_machine_may_be_talked_to_in_the_clear(url):
    assert TableRef("birds", "eu-west-1", endpoint_url=url).endpoint_url == url


def test_limits_and_warm_throughput_are_read_where_they_are_reported():
    """No engine reports them all; the form is that of API_TableDescription."""
    table = TableDescription.from_response(
        {
            "Table": {
                "TableName": "birds",
                "TableArn": ARN,
                "TableId": "1f",
                "TableStatus": "ACTIVE",
                "ItemCount": 7,
                "TableSizeBytes": 700,
                "AttributeDefinitions": [
                    {"AttributeName": "id", "AttributeType": "B"},
                    {"AttributeName": "day", "AttributeType": "N"},
                ],
                "KeySchema": [
                    {"AttributeName": "day", "KeyType": "RANGE"},
                    {"AttributeName": "id", "KeyType": "HASH"},
                ],
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "OnDemandThroughput": {
                    "MaxReadRequestUnits": 500,
                    "MaxWriteRequestUnits": -1,
                },
                "WarmThroughput": {
                    "ReadUnitsPerSecond": 12000,
                    "WriteUnitsPerSecond": 4000,
                },
            }
        }
    )
    assert table.keys.names == ("id", "day")
    assert table.account == "123456789012"
    assert (table.item_count, table.size_bytes, table.table_id) == (7, 700, "1f")
    assert (table.max_read_units, table.max_write_units) == (500, None)
    assert (table.warm_read_units, table.warm_write_units) == (12000, 4000)
    assert table.billing_mode == "PAY_PER_REQUEST"
