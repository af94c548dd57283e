"""Both transports keep one contract, over real TLS."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import make_certificates
from tests.support.https_server import (
    ConnectProxy,
    HttpsServer,
    chunked,
    drip,
    hang_up,
    refuse,
    reply,
    reply_and_hang_up,
    silence,
    slowly,
    truncate,
)
from tests.support.processes import becomes_true
from transforms.dynamodb.errors import (
    ChecksumError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    TlsError,
    TransportError,
    TruncatedReplyError,
    UserError,
)

BOTH = pytest.mark.parametrize("kind", ["wire", "botocore"])


@pytest.fixture
def stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: None
) -> Iterator[HttpsServer]:
    """A server whose certificate the authority signed, for somebody else."""
    certificates = make_certificates(tmp_path, host="elsewhere.test")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.authority))
    server = HttpsServer(certificates.server)
    yield server
    server.close()


@BOTH
def test_a_request_arrives_signed_and_its_reply_comes_back(
    kind, server, transport_to, loop
):
    server.will(reply(b'{"Count":1}', x_amzn_requestid="R1"))
    transport = transport_to(server.url, kind=kind)
    response = loop.run(transport.send("Scan", b'{"TableName":"birds"}'))
    assert (response.status, response.body) == (200, b'{"Count":1}')
    assert response.headers["x-amzn-requestid"] == "R1"
    [request] = server.requests
    assert (request.operation, request.body) == ("Scan", b'{"TableName":"birds"}')
    assert request.headers["host"] == f"localhost:{server.port}"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert "Credential=first/" in request.headers["authorization"]
    assert "secret" not in str(request.headers)


@BOTH
def test_requests_one_after_another_share_a_connection(
    kind, server, transport_to, loop
):
    transport = transport_to(server.url, kind=kind)
    for _ in range(5):
        loop.run(transport.send("Scan", b"{}"))
    assert server.connections == 1


@BOTH
def test_connections_are_bounded_and_the_rest_wait_their_turn(
    kind, server, transport_to, loop
):
    server.will(*[slowly(reply()) for _ in range(9)])
    transport = transport_to(server.url, kind=kind, max_connections=3)

    async def send_all() -> None:
        await asyncio.gather(*(transport.send("Scan", b"{}") for _ in range(9)))

    loop.run(send_all())
    assert len(server.requests) == 9
    assert server.most_open_connections <= 3


@BOTH
@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies_of_any_size_arrive_whole(kind, size, server, transport_to, loop):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    server.will(
        reply(body), chunked(*[body[at : at + 5000] for at in range(0, size, 5000)])
    )
    transport = transport_to(server.url, kind=kind)
    assert loop.run(transport.send("BatchWriteItem", body)).body == body
    assert loop.run(transport.send("BatchWriteItem", body)).body == body
    assert [request.body for request in server.requests] == [body, body]


@BOTH
def test_a_refusal_is_a_reply_like_any_other(kind, server, transport_to, loop):
    server.will(refuse("ValidationException"))
    transport = transport_to(server.url, kind=kind)
    response = loop.run(transport.send("Scan", b"{}"))
    assert response.status == 400
    assert b"ValidationException" in response.body


@BOTH
@pytest.mark.parametrize("checksum", ["1", "none at all"])
def test_a_body_that_does_not_fit_its_checksum_is_refused(
    kind, checksum, server, transport_to, loop
):
    server.will(reply(b'{"Count":1}', x_amz_crc32=checksum))
    transport = transport_to(server.url, kind=kind)
    with pytest.raises(ChecksumError):
        loop.run(transport.send("Scan", b"{}"))
    assert loop.run(transport.send("Scan", b"{}")).body == b"{}"


@BOTH
def test_a_connection_closed_within_the_body_is_no_reply(
    kind, server, transport_to, loop
):
    server.will(truncate)
    transport = transport_to(server.url, kind=kind)
    with pytest.raises(TruncatedReplyError):
        loop.run(transport.send("Scan", b"{}"))

    def serves_again() -> bool:
        # botocore may take the dying connection up once more.
        with contextlib.suppress(ConnectionLostError):
            return bool(loop.run(transport.send("Scan", b"{}")).body == b"{}")
        return False

    assert becomes_true(serves_again)


@BOTH
def test_a_connection_closed_before_the_reply_is_lost(kind, server, transport_to, loop):
    server.will(hang_up)
    transport = transport_to(server.url, kind=kind)
    with pytest.raises(ConnectionLostError):
        loop.run(transport.send("Scan", b"{}"))
    assert loop.run(transport.send("Scan", b"{}")).body == b"{}"


@BOTH
def test_an_idle_connection_that_the_server_closed_is_replaced(
    kind, server, transport_to, loop
):
    server.will(reply_and_hang_up, reply_and_hang_up)
    transport = transport_to(server.url, kind=kind)
    for number in range(1, 4):
        assert loop.run(transport.send("Scan", b"{}")).status == 200
        if number < 3:
            assert becomes_true(lambda: server.open_connections == 0)
    assert server.connections == 3


@BOTH
def test_a_reply_may_end_its_connection(kind, server, transport_to, loop):
    server.will(reply(connection="close"))
    transport = transport_to(server.url, kind=kind)
    assert loop.run(transport.send("Scan", b"{}")).status == 200
    assert loop.run(transport.send("Scan", b"{}")).status == 200
    assert server.connections == 2


def test_a_kept_connection_lost_as_it_is_taken_up_is_replaced_at_once(
    server, transport_to, loop
):
    server.will(reply(), hang_up, reply(b'{"Count":3}'))
    transport = transport_to(server.url, kind="wire")
    loop.run(transport.send("Scan", b"{}"))
    assert loop.run(transport.send("Scan", b"{}")).body == b'{"Count":3}'
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_two_kept_connections_lost_in_a_row_are_the_callers_affair(
    server, transport_to, loop
):
    server.will(reply(), hang_up, hang_up)
    transport = transport_to(server.url, kind="wire")
    loop.run(transport.send("Scan", b"{}"))
    with pytest.raises(ConnectionLostError):
        loop.run(transport.send("Scan", b"{}"))


def test_what_is_not_http_is_no_reply(server, transport_to, loop):
    async def garbage(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await writer.drain()
        return False

    server.will(garbage)
    transport = transport_to(server.url, kind="wire")
    with pytest.raises(TruncatedReplyError):
        loop.run(transport.send("Scan", b"{}"))


@BOTH
def test_silence_ends_at_the_read_timeout(kind, server, transport_to, loop):
    server.will(silence)
    transport = transport_to(server.url, kind=kind, read_timeout_seconds=0.2)
    with pytest.raises(RequestTimeoutError):
        loop.run(transport.send("Scan", b"{}"))
    assert loop.run(transport.send("Scan", b"{}")).status == 200


@BOTH
def test_a_reply_without_end_ends_at_the_total_timeout(
    kind, server, transport_to, loop
):
    server.will(drip)
    transport = transport_to(server.url, kind=kind, total_timeout_seconds=0.3)
    with pytest.raises(RequestTimeoutError):
        loop.run(transport.send("Scan", b"{}"))
    server.drop_connections()


@BOTH
def test_a_host_that_does_not_speak_is_given_up(kind, transport_to, loop):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}"
        transport = transport_to(
            url, kind=kind, connect_timeout_seconds=0.2, read_timeout_seconds=0.2
        )
        with pytest.raises(TransportError):
            loop.run(transport.send("Scan", b"{}"))


@BOTH
def test_a_refused_connection_says_where(kind, transport_to, loop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    transport = transport_to(f"https://localhost:{port}", kind=kind)
    with pytest.raises(ConnectError, match=f"localhost:{port}"):
        loop.run(transport.send("Scan", b"{}"))


@BOTH
def test_an_unknown_authority_is_refused_before_anything_is_sent(
    kind, server, transport_to, loop, monkeypatch
):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    transport = transport_to(server.url, kind=kind)
    with pytest.raises(TlsError, match="AWS_CA_BUNDLE"):
        loop.run(transport.send("Scan", b"{}"))
    assert server.requests == []


@BOTH
def test_a_certificate_for_another_name_is_refused(kind, stranger, transport_to, loop):
    transport = transport_to(stranger.url, kind=kind)
    with pytest.raises(TlsError):
        loop.run(transport.send("Scan", b"{}"))
    assert stranger.requests == []


@BOTH
def test_new_credentials_sign_within_a_second_or_so(kind, server, transport_to, loop):
    transport = transport_to(server.url, kind=kind)
    loop.run(transport.send("Scan", b"{}"))
    transport._credentials._credentials.access_key = "second"

    def second_signs() -> bool:
        loop.run(transport.send("Scan", b"{}"))
        return "Credential=second/" in server.requests[-1].headers["authorization"]

    assert becomes_true(second_signs)


@BOTH
def test_expired_credentials_are_looked_up_anew_at_once(
    kind, server, transport_to, loop
):
    server.will(refuse("ExpiredTokenException"))
    transport = transport_to(server.url, kind=kind)
    loop.run(transport.send("Scan", b"{}"))
    transport._credentials._credentials.access_key = "second"
    loop.run(transport.send("Scan", b"{}"))
    assert "Credential=second/" in server.requests[-1].headers["authorization"]


@BOTH
def test_a_wrong_clock_is_corrected_once_from_the_services_date(
    kind, server, transport_to, loop, caplog
):
    server.will(
        refuse("InvalidSignatureException", date="Tue, 14 Nov 2023 22:13:20 GMT")
    )
    transport = transport_to(server.url, kind=kind)
    assert loop.run(transport.send("Scan", b"{}")).status == 200
    assert loop.run(transport.send("Scan", b"{}")).status == 200
    first, second, third = [each.headers["x-amz-date"] for each in server.requests]
    assert not first.startswith("2023")
    assert second.startswith("20231114T2213")
    assert third.startswith("20231114T2213")
    assert len(caplog.records) == 1


@BOTH
def test_a_signature_refused_for_another_reason_is_not_sent_again(
    kind, server, transport_to, loop
):
    server.will(refuse("InvalidSignatureException"))
    transport = transport_to(server.url, kind=kind)
    assert loop.run(transport.send("Scan", b"{}")).status == 400
    assert len(server.requests) == 1


def test_a_connection_long_idle_is_closed_by_us(server, transport_to, loop):
    transport = transport_to(server.url, kind="wire", idle_timeout_seconds=0.1)
    loop.run(transport.send("Scan", b"{}"))
    assert becomes_true(lambda: server.open_connections == 0)
    assert loop.run(transport.send("Scan", b"{}")).status == 200


def test_a_cancelled_request_never_gives_its_reply_to_the_next(
    server, transport_to, loop
):
    server.will(slowly(reply(b'"first"'), 0.3), reply(b'"second"'))
    transport = transport_to(server.url, kind="wire", max_connections=1)

    async def cancel_one() -> bytes:
        first = asyncio.ensure_future(transport.send("Scan", b"1"))
        while not server.requests:  # noqa: ASYNC110  # it is in another thread
            await asyncio.sleep(0.01)
        first.cancel()
        return bytes((await transport.send("Scan", b"2")).body)

    assert loop.run(cancel_one()) == b'"second"'


def test_closing_ends_what_is_in_flight_and_what_waits(server, transport_to, loop):
    server.will(silence)
    transport = transport_to(server.url, kind="wire", max_connections=1)

    async def close_under_way() -> list[object]:
        sends = [asyncio.ensure_future(transport.send("Scan", b"{}")) for _ in range(2)]
        while not server.requests:  # noqa: ASYNC110  # it is in another thread
            await asyncio.sleep(0.01)
        await transport.aclose()
        return list(await asyncio.gather(*sends, return_exceptions=True))

    assert all(isinstance(each, Exception) for each in loop.run(close_under_way()))


def test_plain_http_serves_this_machine(aws, transport_to, loop):
    server = HttpsServer()
    try:
        transport = transport_to(server.url, kind="wire")
        assert loop.run(transport.send("Scan", b"{}")).status == 200
    finally:
        server.close()


@pytest.mark.parametrize("kind", ["auto", "botocore"])
def test_a_configured_proxy_is_used(kind, server, transport_to, loop, monkeypatch):
    proxy = ConnectProxy()
    try:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        transport = transport_to(server.url, kind=kind)
        assert loop.run(transport.send("Scan", b"{}")).status == 200
        loop.run(transport.aclose())
        assert proxy.targets == [f"localhost:{server.port}"]
    finally:
        proxy.close()


def test_the_wire_refuses_to_go_around_a_configured_proxy(
    server, transport_to, monkeypatch
):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="botocore"):
        transport_to(server.url, kind="wire")


def test_a_proxy_that_is_down_can_be_tried_again(
    server, transport_to, loop, monkeypatch
):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    transport = transport_to(server.url, kind="auto")
    with pytest.raises(ConnectError, match="proxy"):
        loop.run(transport.send("Scan", b"{}"))
