"""A TLS server that answers as told, and transports to it."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.https_server import HttpsServer
from transforms.dynamodb.event_loop import LoopThread
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import Transport, TransportConfig, make_transport

MakeTransport = Callable[..., Transport]

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "first",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> None:
    """An AWS configuration of credentials and the test's authority, and no more."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.authority))
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server(certificates: Certificates) -> Iterator[HttpsServer]:
    server = HttpsServer(certificates.server)
    yield server
    server.close()


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("test-loop")
    yield thread
    thread.close()


@pytest.fixture
def transport_to(aws: None, loop: LoopThread) -> Iterator[MakeTransport]:
    """Makes transports, and closes them."""
    made: list[Transport] = []

    def make(url: str, **config: object) -> Transport:
        table = TableRef("birds", "eu-west-1", endpoint_url=url)
        made.append(make_transport(table, TransportConfig(**config)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for transport in made:
        loop.run(transport.aclose())
