"""A real S3 server for tests: versitygw over a directory, on a port of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

VARIABLE = "BEAM_DYNAMODB_VERSITYGW"
REGION = "eu-west-1"
_KEYS = ("test-access", "test-secret")
_START_SECONDS = 60.0


def find_versitygw() -> str | None:
    """The program's path: of the variable, or from PATH."""
    return os.environ.get(VARIABLE) or shutil.which("versitygw")


class S3Server:
    """A running server; its clients and what Beam needs to know of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Any:
        """A plain boto3 client."""
        return boto3.session.Session().client(
            "s3",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=_KEYS[0],
            aws_secret_access_key=_KEYS[1],
        )

    def credentials(self) -> dict[str, str]:
        """The variables under which boto3 finds this server's keys."""
        return {
            "AWS_ACCESS_KEY_ID": _KEYS[0],
            "AWS_SECRET_ACCESS_KEY": _KEYS[1],
            "AWS_DEFAULT_REGION": REGION,
        }

    def words(self) -> list[str]:
        """Beam's flags for it, with the dashes before them."""
        return [
            "--",
            f"--s3_endpoint_url={self.url}",
            f"--s3_region_name={REGION}",
            f"--s3_access_key_id={_KEYS[0]}",
            f"--s3_secret_access_key={_KEYS[1]}",
        ]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """versitygw on a directory of this session."""
    program = find_versitygw()
    if program is None:
        pytest.skip(f"s3: no versitygw on PATH, and {VARIABLE} is not set")
    root: Path = tmp_path_factory.mktemp("s3")
    meta = tmp_path_factory.mktemp("attributes")  # no name that begins as the root's
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--access", _KEYS[0], "--secret", _KEYS[1]]
    command += ["--port", f"127.0.0.1:{port}", "--region", REGION]
    with (root.parent / "versitygw.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "posix", "--sidecar", str(meta), str(root)],
            stdout=log,
            stderr=log,
        )
    try:
        started = S3Server(f"http://127.0.0.1:{port}")
        _wait(started.client(), server)
        yield started
    finally:
        server.terminate()
        server.wait(10)


def _wait(client: Any, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError):  # noqa: PERF203 - it is waited for
            assert server.poll() is None, "versitygw ended"
            assert time.monotonic() < deadline, "versitygw does not answer"
            time.sleep(0.1)  # noqa: TID251
        else:
            return
