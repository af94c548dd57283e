"""What the client tries again, and what it does not: against a server with a script."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.support.https_server import (
    HttpsServer,
    chunked,
    hang_up,
    refuse,
    reply,
    truncate,
)
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import (
    AccessDeniedError,
    ConditionFailedError,
    CredentialsError,
    DeadlineError,
    ItemRejectedError,
    JobStoppedError,
    ResourceNotFoundError,
    ThrottledError,
    TlsError,
    UserError,
)
from transforms.dynamodb.operations import ScanRequest, parse_batch_write
from transforms.dynamodb.tables import TableRef
from transforms.throttle.clock import HeldClock

MakeClient = Callable[..., DynamoDBClient]

THROTTLES = (
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
)
DONE = reply(b'{"done":true}')


@pytest.fixture
def clock() -> HeldClock:
    """Waits cost no time."""
    return HeldClock(auto_advance=True)


@pytest.fixture
def client(server: HttpsServer, transport_to, clock: HeldClock) -> DynamoDBClient:
    return DynamoDBClient(
        TableRef("birds", "eu-west-1", endpoint_url=server.url),
        transport_to(server.url, kind="wire", read_timeout_seconds=1.0),
        clock=clock,
        rng=random.Random(4),
    )


class Told:
    """A meter that notes throttles, and when."""

    def __init__(self, throttled, clock=None) -> None:
        self._throttled, self._clock = throttled, clock or HeldClock()
        self.again_after = 0

    def failed(self, error) -> None:
        if isinstance(error, ThrottledError):
            self._throttled.append(self._clock.monotonic())

    async def again(self) -> None:
        self.again_after += 1


@pytest.mark.parametrize("code", THROTTLES)
def test_a_throttle_is_told_and_tried_again(code, server, client, loop, clock):
    server.will(refuse(code), refuse(code), refuse(code), DONE)
    throttled: list[float] = []
    body = loop.run(client.call("Scan", b"{}", meter=Told(throttled)), timeout=30)
    assert body == b'{"done":true}'
    assert len(throttled) == 3
    assert [request.body for request in server.requests] == [b"{}"] * 4
    assert 0 < clock.monotonic() <= 0.05 + 0.1 + 0.2


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(refuse("InternalServerError", 500), id="500"),
        pytest.param(refuse("ServiceUnavailable", 503), id="503"),
        pytest.param(reply(b"<html>bad gateway</html>", 502), id="502-of-a-proxy"),
        pytest.param(refuse("TransactionInProgressException"), id="in-progress"),
        pytest.param(refuse("ExpiredTokenException"), id="expired-token"),
        pytest.param(reply(b"{}", x_amz_crc32="1"), id="damaged"),
        pytest.param(hang_up, id="lost"),
        pytest.param(truncate, id="truncated"),
    ],
)
def test_a_failure_that_may_pass_is_tried_again(failure, server, client, loop):
    server.will(failure, failure, DONE)
    throttled: list[float] = []
    call = client.call("Scan", b"{}", meter=Told(throttled))
    assert loop.run(call, timeout=30) == b'{"done":true}'
    assert throttled == []


@pytest.mark.parametrize(
    ("operation", "failure", "error"),
    [
        pytest.param("Scan", refuse("ValidationException"), UserError, id="read"),
        pytest.param(
            "PutItem", refuse("ValidationException"), ItemRejectedError, id="write"
        ),
        pytest.param(
            "PutItem", reply(b"", 413), ItemRejectedError, id="payload-too-large"
        ),
        pytest.param(
            "PutItem",
            refuse("ConditionalCheckFailedException"),
            ConditionFailedError,
            id="condition",
        ),
        pytest.param(
            "Scan",
            refuse("ResourceNotFoundException"),
            ResourceNotFoundError,
            id="no-table",
        ),
        pytest.param(
            "Scan", refuse("AccessDeniedException"), AccessDeniedError, id="denied"
        ),
        pytest.param(
            "Scan", refuse("UnrecognizedClientException"), CredentialsError, id="client"
        ),
        pytest.param(
            "Scan",
            refuse("InvalidSignatureException"),
            CredentialsError,
            id="signature",
        ),
        pytest.param("Scan", refuse("NeverHeardOf"), JobStoppedError, id="unknown"),
    ],
)
def test_what_cannot_pass_is_not_tried_again(
    *, operation, failure, error, server, client, loop
):
    server.will(failure)
    with pytest.raises(error) as raised:
        loop.run(client.call(operation, b'{"secret":1}'), timeout=30)
    assert type(raised.value) is error
    assert len(server.requests) == 1
    assert operation in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_deadline_ends_the_tries_and_says_what_failed(server, client, loop, clock):
    server.will(*[refuse(THROTTLES[0])] * 500)
    with pytest.raises(DeadlineError, match=r"in 90 s.*was throttled") as raised:
        loop.run(client.call("Scan", b"{}", deadline_seconds=90), timeout=60)
    assert f"after {len(server.requests)} tries" in str(raised.value)
    assert 0 < clock.monotonic() <= 90


class Rationed(Told):
    """A meter whose rate allows the next try only after a quarter of an hour."""

    async def again(self) -> None:
        await self._clock.sleep(900)


def test_waiting_for_our_own_rate_uses_up_no_deadline(server, client, loop, clock):
    server.will(*[refuse(THROTTLES[0])] * 3, DONE)
    throttled: list[float] = []
    call = client.call("Scan", b"{}", meter=Rationed(throttled, clock))
    assert loop.run(call, timeout=60) == b'{"done":true}'
    assert len(throttled) == 3
    assert clock.monotonic() > 2700


def test_waits_grow_and_are_spread(server, client, loop, clock):
    """Full jitter: uniform below a ceiling that doubles up to 5 s."""
    server.will(*[refuse(THROTTLES[0])] * 60)
    asked: list[float] = []
    call = client.call("Scan", b"{}", meter=Told(asked, clock))
    loop.run(call, timeout=60)
    waits = [later - sooner for sooner, later in pairwise(asked)]
    assert max(waits[:3]) <= 0.4
    assert 2.5 < max(waits) <= 5
    assert len(set(waits)) > len(waits) / 2


def test_an_unreachable_table_is_given_up_sooner_than_a_request(
    server, client, loop, clock
):
    """A wrong endpoint should be told before the user has left for lunch."""
    server.will(*[reply(b"no", 503)] * 500)
    with pytest.raises(DeadlineError, match=r"DescribeTable .* in 30 s"):
        loop.run(client.describe_table(), timeout=60)
    assert clock.monotonic() <= 30


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"<html>hello</html>", id="not-json"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"{}", id="no-table"),
        pytest.param(b'{"Table":{}}', id="no-fields"),
    ],
)
def test_what_answers_but_is_not_dynamodb_is_said_to_be_so(
    answer, server, client, loop
):
    server.will(reply(answer))
    with pytest.raises(JobStoppedError, match="not DynamoDB's; check what answers"):
        loop.run(client.describe_table(), timeout=30)


def test_a_page_that_is_no_json_stops_the_job(server, client, loop):
    server.will(reply(b"<html>"))
    with pytest.raises(JobStoppedError, match="reply to Scan is not DynamoDB's"):
        loop.run(client.scan_page(ScanRequest("birds")), timeout=30)


def test_unprocessed_items_come_back_as_requests(server, client, loop):
    left = b'{"PutRequest":{"Item":{"id":{"S":"a"}}}}'
    server.will(chunked(b'{"UnprocessedItems":{"birds":[', left, b"]}}"))
    body = loop.run(client.call("BatchWriteItem", b"{}"), timeout=30)
    assert parse_batch_write(body).unprocessed == [left]


def test_an_authority_that_is_not_trusted_is_told_without_another_try(
    *, server, transport_to, loop, clock, monkeypatch
):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    table = TableRef("birds", "eu-west-1", endpoint_url=server.url)
    rng = random.Random(1)
    stranger = DynamoDBClient(table, transport_to(server.url), clock=clock, rng=rng)
    before = clock.monotonic()
    with pytest.raises(TlsError, match="AWS_CA_BUNDLE"):
        loop.run(stranger.call("Scan", b"{}"), timeout=30)
    assert clock.monotonic() == before  # a retry would have waited
    assert server.requests == []
