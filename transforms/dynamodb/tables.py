"""Which table, and what the service says about it."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.key_schema import AttributeType, KeyAttribute, KeySchema

__all__ = [
    "AttributeType",
    "IndexDescription",
    "KeyAttribute",
    "KeySchema",
    "TableDescription",
    "TableRef",
    "check_endpoint_url",
    "is_loopback",
    "near_names",
]

# API_CreateTable: TableName is 3 to 255 of these.
_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_ACCOUNT = re.compile(r"\d{12}")
# API_AssumeRole: RoleArn and ExternalId.
_ROLE_ARN = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ARN = re.compile(r"arn:[a-z-]+:dynamodb:([^:]+):([^:]+):table/([^/]+)")
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso": "aws-iso"}


@dataclass(frozen=True, slots=True)
class TableRef:
    """One table: where it is and as whom it is used.

    Attributes:
        name: 3 to 255 letters, digits, "_", "." and "-".
        region: such as "eu-west-1".
        endpoint_url: where the service answers, if not at the region's endpoint;
            plain http:// only to this very host.
        profile: a profile of the AWS configuration.
        role_arn: a role to assume (STS AssumeRole) with that profile.
        external_id: what the role's owner asks for.
        account: the table's account if it is another's; 12 digits. The table is
            then called by its ARN.
        keys: what its key is, for a caller who may not describe it.

    Raises:
        UserError: a field is not of that form.
    """

    name: str
    region: str
    endpoint_url: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    account: str | None = None
    keys: KeySchema | None = None

    def __post_init__(self) -> None:
        """Checks the form of each field; asks no service."""
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"table name {self.name!r} is not one DynamoDB allows; "
                "use 3 to 255 letters, digits, '_', '.' or '-'"
            )
        if not _REGION.fullmatch(self.region):
            raise UserError(
                f"region {self.region!r} of table {self.name!r} is not of the form "
                "'eu-west-1'; name the table as REGION/NAME"
            )
        if self.account is not None and not _ACCOUNT.fullmatch(self.account):
            raise UserError(
                f"account {self.account!r} of table {self.name!r} is not 12 digits"
            )
        if self.role_arn is not None and not _ROLE_ARN.fullmatch(self.role_arn):
            raise UserError(
                f"role {self.role_arn!r} of table {self.name!r} is not a role's ARN; "
                "it looks like arn:aws:iam::ACCOUNT:role/NAME"
            )
        if self.external_id is not None and not _EXTERNAL_ID.fullmatch(
            self.external_id
        ):
            # Not shown: its owner may keep it to himself.
            raise UserError(
                f"the external id of table {self.name!r} is not one that AWS allows; "
                "use 2 to 1,224 letters, digits or any of _+=,.@:/-"
            )
        if self.external_id is not None and self.role_arn is None:
            raise UserError(
                f"table {self.name!r} has an external id but no role to assume; "
                "give the role's ARN"
            )
        if self.endpoint_url is not None:
            check_endpoint_url(self.endpoint_url)

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        endpoint_url: str | None = None,
        profile: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        account: str | None = None,
        keys: KeySchema | None = None,
    ) -> "TableRef":
        """Returns the table that ``REGION/NAME`` or a table's ARN names.

        An ARN brings its account along.

        >>> TableRef.parse("eu-west-1/testtable").display
        'eu-west-1/testtable'

        Raises:
            UserError: `text` is neither, or `account` is not the ARN's.
        """
        region, _, name = text.partition("/")
        if text.startswith("arn:"):
            region, arn_account, name = _parse_arn(text)
            if account not in {None, arn_account}:
                raise UserError(
                    f"table {text!r} is of account {arn_account}, not {account}; "
                    "give the account once"
                )
            account = arn_account
        if not region or not name:
            raise UserError(
                f"table {text!r} is not of the form REGION/NAME, such as "
                "eu-west-1/testtable, or a table's ARN"
            )
        return cls(
            name, region, endpoint_url, profile, role_arn, external_id, account, keys
        )

    @property
    def wire_name(self) -> str:
        """The TableName of requests: the ARN when `account` is given.

        DynamoDB takes an ARN for TableName (API_Scan), which is how a table of
        another account is reached with a resource policy.
        """
        if self.account is None:
            return self.name
        partition = _partition(self.region)
        return (
            f"arn:{partition}:dynamodb:{self.region}:{self.account}:table/{self.name}"
        )

    @property
    def display(self) -> str:
        """How the table is called in texts: "eu-west-1/testtable"."""
        return f"{self.region}/{self.name}"


def _parse_arn(text: str) -> tuple[str, str, str]:
    match = _ARN.fullmatch(text)
    if match is None:
        raise UserError(
            f"{text!r} is not a table's ARN; it looks like "
            "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME"
        )
    region, account, name = match.groups()
    return region, account, name


def _partition(region: str) -> str:
    for prefix, partition in _PARTITIONS.items():
        if region.startswith(prefix):
            return partition
    return "aws"


def check_endpoint_url(url: str) -> None:
    """Refuses a URL that is no http(s) origin, or sends items in the clear.

    Raises:
        UserError: not http or https, or http to a host that is not this one.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UserError(f"endpoint {url!r} is not an http:// or https:// URL")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UserError(
            f"endpoint {url!r} would send items unencrypted to another host; "
            "use https:// (http:// is for localhost only)"
        )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine whatever the name service says.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("10.0.0.1")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def near_names(name: str, known: Iterable[str]) -> str:
    """Returns ``"; did you mean 'a' or 'b'?"``, or "" if nothing is near.

    >>> near_names("eu-wst-1", ["eu-west-1", "us-east-1"])
    "; did you mean 'eu-west-1'?"
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.75)
    if not near:
        return ""
    return f"; did you mean {' or '.join(repr(each) for each in near)}?"


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """A secondary index.

    Attributes:
        name: its name.
        kind: global or local.
        keys: its key; for a local one, the table's partition key first.
        projection: "ALL", "KEYS_ONLY" or "INCLUDE".
        read_units: provisioned reads a second; 0 on demand and for local ones.
        write_units: provisioned writes a second; 0 on demand and for local ones.
        included: the attributes that are no keys and yet in it, under "INCLUDE".
        max_read_units: the owner's on-demand limit; None if there is none.
        max_write_units: the owner's on-demand limit; None if there is none.
        warm_read_units: what it can serve at once; None if not reported.
        warm_write_units: what it can take at once; None if not reported.
    """

    name: str
    kind: Literal["GSI", "LSI"]
    keys: KeySchema
    projection: str
    read_units: int
    write_units: int
    included: tuple[str, ...] = ()
    max_read_units: int | None = None
    max_write_units: int | None = None
    warm_read_units: int | None = None
    warm_write_units: int | None = None


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table as DescribeTable reports it (API_TableDescription).

    Attributes:
        name: its name.
        arn: its ARN.
        table_id: changes when the table is deleted and made anew; "" if not said.
        status: "ACTIVE", "CREATING", …
        keys: its primary key.
        item_count: the service renews this every six hours or so.
        size_bytes: of the items, renewed likewise.
        billing_mode: how it is paid; "UNKNOWN" where that may not be asked.
        read_units: provisioned reads a second; 0 on demand.
        write_units: provisioned writes a second; 0 on demand.
        max_read_units: the owner's on-demand limit; None if there is none.
        max_write_units: the owner's on-demand limit; None if there is none.
        warm_read_units: what it can serve at once; None if not reported.
        warm_write_units: what it can take at once; None if not reported.
        indexes: global ones first.
    """

    name: str
    arn: str
    table_id: str
    status: str
    keys: KeySchema
    item_count: int = 0
    size_bytes: int = 0
    billing_mode: Literal["PROVISIONED", "PAY_PER_REQUEST", "UNKNOWN"] = "UNKNOWN"
    read_units: int = 0
    write_units: int = 0
    max_read_units: int | None = None
    max_write_units: int | None = None
    warm_read_units: int | None = None
    warm_write_units: int | None = None
    indexes: tuple[IndexDescription, ...] = ()

    @property
    def account(self) -> str:
        """The account in the ARN; "" if it is not known."""
        return self.arn.split(":")[4]

    @classmethod
    def undescribed(cls, table: TableRef, keys: KeySchema) -> "TableDescription":
        """Returns what is known of a table that may not be described: its keys."""
        partition = _partition(table.region)
        where = f"{partition}:dynamodb:{table.region}:{table.account or ''}"
        return cls(
            name=table.name,
            arn=f"arn:{where}:table/{table.name}",
            table_id="",
            status="ACTIVE",
            keys=keys,
        )

    @classmethod
    def from_response(cls, response: Mapping[str, Any]) -> "TableDescription":
        """Returns the table of a decoded DescribeTable reply, ``{"Table": …}``."""
        table = response["Table"]
        types = {
            each["AttributeName"]: each["AttributeType"]
            for each in table["AttributeDefinitions"]
        }
        return cls(
            name=table["TableName"],
            arn=table["TableArn"],
            table_id=table.get("TableId", ""),
            status=table["TableStatus"],
            keys=KeySchema.from_response(table["KeySchema"], types),
            item_count=table.get("ItemCount", 0),
            size_bytes=table.get("TableSizeBytes", 0),
            billing_mode=_billing_mode(table),
            read_units=_units(table, "ProvisionedThroughput", "ReadCapacityUnits") or 0,
            write_units=_units(table, "ProvisionedThroughput", "WriteCapacityUnits")
            or 0,
            **_on_demand(table),
            indexes=_indexes(table, types),
        )


def _on_demand(described: Mapping[str, Any]) -> dict[str, int | None]:
    """What a table or a global index on demand is limited to, and warmed up for."""
    return {
        "max_read_units": _units(
            described, "OnDemandThroughput", "MaxReadRequestUnits"
        ),
        "max_write_units": _units(
            described, "OnDemandThroughput", "MaxWriteRequestUnits"
        ),
        "warm_read_units": _units(described, "WarmThroughput", "ReadUnitsPerSecond"),
        "warm_write_units": _units(described, "WarmThroughput", "WriteUnitsPerSecond"),
    }


def _billing_mode(
    table: Mapping[str, Any],
) -> Literal["PROVISIONED", "PAY_PER_REQUEST"]:
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode")
    return "PAY_PER_REQUEST" if mode == "PAY_PER_REQUEST" else "PROVISIONED"


def _units(described: Mapping[str, Any], group: str, name: str) -> int | None:
    units = (described.get(group) or {}).get(name)
    # -1 lifts an on-demand limit, and some engines report 0 for "unknown".
    return int(units) if units is not None and units > 0 else None


def _indexes(
    table: Mapping[str, Any], types: Mapping[str, str]
) -> tuple[IndexDescription, ...]:
    kinds: tuple[tuple[Literal["GSI", "LSI"], str], ...] = (
        ("GSI", "GlobalSecondaryIndexes"),
        ("LSI", "LocalSecondaryIndexes"),
    )
    return tuple(
        IndexDescription(
            name=index["IndexName"],
            kind=kind,
            keys=KeySchema.from_response(index["KeySchema"], types),
            projection=index["Projection"]["ProjectionType"],
            read_units=_units(index, "ProvisionedThroughput", "ReadCapacityUnits") or 0,
            write_units=_units(index, "ProvisionedThroughput", "WriteCapacityUnits")
            or 0,
            included=tuple(index["Projection"].get("NonKeyAttributes") or ()),
            **_on_demand(index),
        )
        for kind, field in kinds
        for index in table.get(field) or ()
    )
