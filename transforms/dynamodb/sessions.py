"""Who calls, and where: boto3's sessions, credentials and endpoints.

Whatever the AWS configuration says holds here too: profiles, environment variables,
AWS_ENDPOINT_URL_DYNAMODB, use_fips_endpoint, ca_bundle. No request is sent to the
service, and none to the instance metadata service before everything else failed to
give credentials; none at all for an endpoint on this machine.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from transforms.dynamodb.errors import CredentialsError, UserError
from transforms.dynamodb.tables import (
    TableRef,
    check_endpoint_url,
    is_loopback,
    near_names,
)

__all__ = ["Connection", "Endpoint", "boto_client", "connection_for"]

_ROLE_SESSION_NAME = "beam-dynamodb"
# Engines on this machine want a signature and check none.
_LOCAL_CREDENTIALS = ("local", "local")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a region's service answers.

    Attributes:
        url: such as ``https://dynamodb.eu-west-1.amazonaws.com``.
        region: what requests are signed for.
        ca_bundle: the file of certificates that may vouch for the endpoint.
        proxies: by scheme; empty if none is configured for this endpoint.
    """

    url: str
    region: str
    ca_bundle: str
    proxies: Mapping[str, str] = field(default_factory=dict)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "https"

    @property
    def hostname(self) -> str:
        """The host alone, an IPv6 address without its brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The TCP port."""
        return urlsplit(self.url).port or (443 if self.tls else 80)

    @property
    def host_header(self) -> str:
        """The host with any port that is not the scheme's own, as it is signed."""
        name = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return name if self.port == (443 if self.tls else 80) else f"{name}:{self.port}"

    @property
    def path(self) -> str:
        """The path of every request: "/", but for a service behind a gateway."""
        return urlsplit(self.url).path or "/"


@dataclass(frozen=True, slots=True)
class Connection:
    """What a transport needs to know: where to, and as whom."""

    endpoint: Endpoint
    credentials: Credentials


def connection_for(table: TableRef) -> Connection:
    """Resolves where a table's requests go and what signs them.

    Raises:
        UserError: the region, profile or endpoint is wrong.
        CredentialsError: no credentials were found.
    """
    session = _session(table)
    endpoint = _endpoint(session, table)
    credentials = _credentials(session, table, endpoint)
    if table.role_arn is not None:
        credentials = _assumed(session, credentials, table.role_arn, table.external_id)
    return Connection(endpoint, credentials)


def boto_client(table: TableRef, service: str) -> Any:
    """Returns boto3's client of another service, as whom the table is used.

    Raises:
        UserError, CredentialsError: as `connection_for`.
    """
    connection = connection_for(table)
    found = connection.credentials.get_frozen_credentials()
    return _session(table).client(
        service,
        endpoint_url=table.endpoint_url,
        aws_access_key_id=found.access_key,
        aws_secret_access_key=found.secret_key,
        aws_session_token=found.token,
    )


def _session(table: TableRef) -> boto3.session.Session:
    try:
        return boto3.session.Session(
            profile_name=table.profile, region_name=table.region
        )
    except ProfileNotFound as error:
        known = boto3.session.Session().available_profiles
        raise UserError(
            f"profile {table.profile!r} of table {table.display} is not in the AWS "
            f"configuration{near_names(table.profile or '', known)}"
        ) from error


def _endpoint(session: boto3.session.Session, table: TableRef) -> Endpoint:
    if table.endpoint_url is None:
        _check_region(table)
    try:
        # botocore applies the environment and the profile to the URL. Unsigned, so
        # that it looks for no credentials.
        client = session.client(
            "dynamodb",
            endpoint_url=table.endpoint_url,
            config=Config(signature_version=UNSIGNED),
        )
    except (BotoCoreError, ValueError) as error:
        raise UserError(
            f"the endpoint of table {table.display} can't be resolved: {error}"
        ) from error
    url = client.meta.endpoint_url
    client.close()
    check_endpoint_url(url)
    return Endpoint(url, table.region, _ca_bundle(session), get_environ_proxies(url))


def _ca_bundle(session: boto3.session.Session) -> str:
    configured = _core(session).get_config_variable("ca_bundle")
    return str(get_cert_path(verify=True) if configured is None else configured)


def _core(session: boto3.session.Session) -> Any:
    # boto3 gives its botocore session to nobody; its own clients are made of it.
    return session._session  # noqa: SLF001


def _check_region(table: TableRef) -> None:
    known = _known_regions()
    if table.region not in known:
        raise UserError(
            f"region {table.region!r} of table {table.name!r} is not one with DynamoDB"
            f"{near_names(table.region, known)} A region newer than the installed "
            "botocore needs a newer botocore, or an endpoint URL"
        )


@functools.cache
def _known_regions() -> tuple[str, ...]:
    session = boto3.session.Session()
    return tuple(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("dynamodb", partition)
    )


def _credentials(
    session: boto3.session.Session, table: TableRef, endpoint: Endpoint
) -> Credentials:
    local = is_loopback(endpoint.hostname)
    if local:
        # An engine on this machine takes any credentials; don't wait for a metadata
        # service that is not there.
        _core(session).get_component("credential_provider").remove("iam-role")
    try:
        credentials = _core(session).get_credentials()
    except BotoCoreError as error:
        raise CredentialsError(
            f"the credentials for table {table.display} can't be read: {error}"
        ) from error
    if credentials is None and local:
        return Credentials(*_LOCAL_CREDENTIALS)
    if credentials is None:
        raise CredentialsError(
            f"no AWS credentials were found for table {table.display}; set a profile, "
            "the environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
            "where a role is attached"
        )
    found: Credentials = credentials
    return found


def _assumed(
    session: boto3.session.Session,
    source: Credentials,
    role_arn: str,
    external_id: str | None,
) -> Credentials:
    """Returns credentials that assume the role when first used, and again in time."""
    extra = {"RoleSessionName": _ROLE_SESSION_NAME}
    if external_id is not None:
        extra["ExternalId"] = external_id
    # The region's own STS: the global one is far away, and off in newer regions.
    create_client = functools.partial(
        _core(session).create_client, region_name=session.region_name
    )
    fetcher = AssumeRoleCredentialFetcher(
        create_client, source, role_arn, extra_args=extra
    )
    return DeferredRefreshableCredentials(
        fetcher.fetch_credentials, method="assume-role"
    )
