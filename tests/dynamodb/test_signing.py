"""Our signatures are botocore's."""

import asyncio
from datetime import datetime, timezone
from unittest import mock

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.dynamodb.sessions import Endpoint
from transforms.dynamodb.signing import CredentialSource, ServiceClock, Signer
from transforms.dynamodb.transport_types import Response
from transforms.throttle.clock import HeldClock

VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
KEYS = st.text(VISIBLE, min_size=1, max_size=60)
HOSTS = st.sampled_from(
    [
        "https://dynamodb.eu-west-1.amazonaws.com",
        "https://dynamodb.us-gov-west-1.amazonaws.com/",
        "http://localhost:8000",
        "https://[::1]:4566",
        "https://gateway.example.com:443/tables/~mine/./x",
    ]
)


def headers_of(head: bytes) -> dict[str, str]:
    _, *lines = head.decode().rstrip("\r\n").split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def botocore_authorization(
    url: str, region: str, credentials: ReadOnlyCredentials, wall: float, ours
) -> str:
    sent = {name: ours[name] for name in ("content-type", "x-amz-target", "User-Agent")}
    request = AWSRequest("POST", url, headers=sent, data=ours["body"])
    instant = datetime.fromtimestamp(wall, timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", return_value=instant):
        SigV4Auth(credentials, "dynamodb", region).add_auth(request)
    return request.headers["Authorization"]


@settings(max_examples=150, deadline=None)
@given(
    operation=st.sampled_from(["Scan", "BatchWriteItem", "DescribeTable", "PutItem"]),
    body=st.binary(max_size=300),
    url=HOSTS,
    region=st.sampled_from(["eu-west-1", "us-gov-west-1"]),
    credentials=st.builds(ReadOnlyCredentials, KEYS, KEYS, st.none() | KEYS),
    wall=st.integers(0, 4_000_000_000),
)
def test_a_signature_equals_botocores_for_any_request(
    *, operation, body, url, region, credentials, wall
):
    clock = HeldClock(wall_seconds=float(wall))
    signer = Signer(Endpoint(url, region, ""), ServiceClock(clock))
    ours = headers_of(signer.head(operation, body, credentials))
    expected = botocore_authorization(
        url, region, credentials, wall, ours | {"body": body}
    )
    assert ours["Authorization"] == expected


def test_a_signer_follows_the_second_and_the_credentials():
    clock = HeldClock()
    url = "https://dynamodb.eu-west-1.amazonaws.com"
    signer = Signer(Endpoint(url, "eu-west-1", ""), ServiceClock(clock))
    for name in ("first", "second"):
        credentials = ReadOnlyCredentials(name, f"secret {name}", None)
        for _ in range(2):
            clock.move(1)
            ours = headers_of(signer.head("Scan", b"{}", credentials))
            expected = botocore_authorization(
                url, "eu-west-1", credentials, clock.wall(), ours | {"body": b"{}"}
            )
            assert ours["Authorization"] == expected


def test_the_signed_headers_are_those_that_a_boto3_client_signs():
    sent = []

    def keep(request, **_: object):
        sent.append(request)
        return AWSResponse(
            request.url, 200, HTTPHeaders(), mock.Mock(stream=lambda: [b"{}"])
        )

    client = boto3.session.Session("key", "secret", "token", "eu-west-1").client(
        "dynamodb", config=Config(account_id_endpoint_mode="disabled")
    )
    client.meta.events.register("before-send.dynamodb", keep)
    client.list_tables()
    client.close()
    theirs = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in sent[0].headers.items()
    }
    instant = datetime.strptime(theirs["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
    clock = HeldClock(wall_seconds=instant.timestamp())
    endpoint = Endpoint(client.meta.endpoint_url, "eu-west-1", "")
    signer = Signer(endpoint, ServiceClock(clock))
    credentials = ReadOnlyCredentials("key", "secret", "token")
    ours = headers_of(signer.head("ListTables", sent[0].body, credentials))
    assert ours["Authorization"] == theirs["authorization"]


def skewed(code: str, date: str | None) -> Response:
    headers = {} if date is None else {"date": date}
    return Response(400, b'{"__type":"x#%b"}' % code.encode(), headers)


# HeldClock's wall starts on Tue, 14 Nov 2023 22:13:20 GMT.
@pytest.mark.parametrize(
    ("code", "date", "seconds"),
    [
        ("InvalidSignatureException", "Tue, 14 Nov 2023 23:13:20 GMT", 3600),
        ("RequestTimeTooSkewed", "Tue, 14 Nov 2023 21:13:20 GMT", -3600),
        ("InvalidSignatureException", "Tue, 14 Nov 2023 22:13:50 GMT", 0),
        ("ValidationException", "Tue, 14 Nov 2023 23:13:20 GMT", 0),
        ("InvalidSignatureException", "yesterday", 0),
        ("InvalidSignatureException", None, 0),
    ],
)
def test_the_clock_is_corrected_only_where_the_date_was_at_fault(code, date, seconds):
    clock = ServiceClock(HeldClock())
    signed_at = clock.wall()
    assert clock.correct(skewed(code, date), signed_at) is (seconds != 0)
    assert clock.wall() - signed_at == seconds


def test_requests_signed_before_the_correction_are_all_signed_again():
    clock = ServiceClock(HeldClock())
    signed_at = clock.wall()
    refusal = skewed("InvalidSignatureException", "Tue, 14 Nov 2023 23:13:20 GMT")
    assert clock.correct(refusal, signed_at)
    assert clock.correct(refusal, signed_at)
    assert clock.wall() - signed_at == 3600
    assert not clock.correct(refusal, clock.wall())


class CountedCredentials(Credentials):
    """Counts the look-ups, which cost 16 µs each where roles are refreshed."""

    lookups = 0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.lookups += 1
        return super().get_frozen_credentials()


def test_credentials_are_looked_up_once_a_second_however_many_ask():
    async def many() -> None:
        credentials = CountedCredentials("first", "secret")
        clock = HeldClock()
        source = CredentialSource(credentials, clock)
        await asyncio.gather(*(source.renewed() for _ in range(20)))
        assert credentials.lookups == 1
        clock.move(0.9)
        assert source.at_hand() is not None
        clock.move(0.2)
        assert source.at_hand() is None
        credentials.access_key = "second"
        assert (await source.renewed()).access_key == "second"
        assert credentials.lookups == 2

    asyncio.run(many())
