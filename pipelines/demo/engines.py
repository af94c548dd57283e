"""Embedded engines that speak DynamoDB: found, started, waited for and stopped.

    MotoEngine()                     one process, every region; needs pip alone
    DynoxideEngine(regions)          one process a region; exact, ten times as fast
    DynamoDBLocalEngine(endpoint)    the user's own, who has agreed to its licence

    with MotoEngine() as engine:
        engine.dynamodb("eu-west-1").create_table(…)

The engines keep everything in memory, listen on the loopback alone, on a port the
kernel picked, and end with us, however we end. Start them from a thread that
outlives them: on Linux the tie is to the starting *thread* (prctl(2)).
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "DYNOXIDE_VARIABLE",
    "LOCAL_ENDPOINT_VARIABLE",
    "DynamoDBLocalEngine",
    "DynoxideEngine",
    "Engine",
    "EngineError",
    "MotoEngine",
    "find_dynoxide",
]

DYNOXIDE_VARIABLE = "BEAM_DYNAMODB_DYNOXIDE"
LOCAL_ENDPOINT_VARIABLE = "BEAM_DYNAMODB_LOCAL_ENDPOINT"

_HOST = "127.0.0.1"
# Not secrets: no engine checks them, but botocore signs nothing without a pair.
_TEST_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    # Else botocore asks the instance metadata service when a pair is missing.
    "AWS_EC2_METADATA_DISABLED": "true",
    # A proxy has no way to our loopback.
    "NO_PROXY": _HOST,
    "no_proxy": _HOST,
}
_START_TRIES = 3
_START_SECONDS = 60.0  # moto takes two on an idle machine
_POLL_SECONDS = 0.05
_STOP_SECONDS = 3.0
_LOG_TAIL_BYTES = 2000
_TETHER = Path(__file__).with_name("tether.py")
_NODE_BINARY = "node_modules/@dynoxide/*/dynoxide"
_ENGINES_FOLDER = Path(__file__).parents[2] / "tests" / "engines"


class EngineError(Exception):
    """An engine is not there or did not start; the text says why and what to do."""


class Engine(ABC):
    """A DynamoDB for every region; a context manager that runs it."""

    name: str

    @abstractmethod
    def start(self) -> None:
        """Returns when every region answers; raises `EngineError` otherwise."""

    @abstractmethod
    def stop(self) -> None:
        """Ends what `start` began. May be called twice, or without `start`."""

    @abstractmethod
    def endpoint_url(self, region: str) -> str:
        """Returns where `region` listens, such as ``http://127.0.0.1:40001``."""

    def environment(self) -> Mapping[str, str]:
        """Returns the variables under which boto3 talks to an engine unasked."""
        return dict(_TEST_ENVIRONMENT)

    def dynamodb(self, region: str) -> "DynamoDBClient":
        """Returns a plain boto3 client for `region`, with test credentials.

        Parameters are not validated: dynoxide's shard ids are shorter than
        botocore's model of them allows.
        """
        client: DynamoDBClient = boto3.session.Session().client(
            "dynamodb",
            region_name=region,
            endpoint_url=self.endpoint_url(region),
            aws_access_key_id=_TEST_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_TEST_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                parameter_validation=False,
                proxies={},
                retries={"mode": "standard", "total_max_attempts": 5},
            ),
        )
        return client

    def __enter__(self) -> "Engine":  # noqa: PYI034 (Self is in typing from 3.11)
        """Starts the engine and returns it."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the engine, whatever happened."""
        self.stop()


class MotoEngine(Engine):
    """moto's server: one process with every region, independent of one another.

    Its ConsumedCapacity is always 1.0 and several limits are not the service's:
    show a copy on it, measure nothing on it.
    """

    name = "moto"

    def __init__(self) -> None:
        self._server = _Server("moto", _moto_command)

    def start(self) -> None:
        """Returns when the server answers, two seconds on an idle machine."""
        self._server.start()

    def stop(self) -> None:
        """Ends the server; its tables are gone."""
        self._server.stop()

    def endpoint_url(self, region: str) -> str:  # noqa: ARG002 (one for all)
        """Returns the one address all regions share; the signature tells them apart."""
        return self._server.url


class DynoxideEngine(Engine):
    """dynoxide: one process a region, with the service's limits and capacity."""

    name = "dynoxide"

    def __init__(self, regions: Sequence[str], program: Path | None = None) -> None:
        """Takes the regions to serve.

        Args:
            regions: At least one region; a process is started for each.
            program: The executable; looked for by `find_dynoxide` when not given.

        Raises:
            EngineError: There is no dynoxide.
        """
        found = program or find_dynoxide()
        if found is None:
            message = (
                "dynoxide was not found; install it with 'npm install "
                "@dynoxide/linux-x64' under tests/engines or 'cargo install "
                f"dynoxide-rs', or name its path in {DYNOXIDE_VARIABLE}"
            )
            raise EngineError(message)
        self._servers = {
            region: _Server(f"dynoxide for {region}", _dynoxide_command(found))
            for region in regions
        }

    def start(self) -> None:
        """Returns when every region's process answers."""
        for server in self._servers.values():
            server.start()

    def stop(self) -> None:
        """Ends every process; their tables are gone."""
        for server in self._servers.values():
            server.stop()

    def endpoint_url(self, region: str) -> str:
        """Returns where the process of `region` listens."""
        if region not in self._servers:
            message = (
                f"dynoxide serves {', '.join(self._servers)}, not {region}; "
                "name it when the engine is made"
            )
            raise EngineError(message)
        return self._servers[region].url


class DynamoDBLocalEngine(Engine):
    """DynamoDB Local, started by the user.

    Its licence asks each user for an AWS account and forbids redistribution, so
    nothing of ours downloads or starts it. It tells regions apart by signature.
    """

    name = "dynamodb-local"

    def __init__(self, endpoint: str | None = None) -> None:
        """Takes the endpoint, or the one that BEAM_DYNAMODB_LOCAL_ENDPOINT names.

        Raises:
            EngineError: Neither is given.
        """
        found = endpoint or os.environ.get(LOCAL_ENDPOINT_VARIABLE)
        if not found:
            message = (
                "no DynamoDB Local endpoint; start one of your own and set "
                f"{LOCAL_ENDPOINT_VARIABLE}=http://127.0.0.1:8000"
            )
            raise EngineError(message)
        self._endpoint = found

    def start(self) -> None:
        """Does nothing: the user has started it."""

    def stop(self) -> None:
        """Does nothing: it is the user's to stop."""

    def endpoint_url(self, region: str) -> str:  # noqa: ARG002 (one for all)
        """Returns the user's endpoint."""
        return self._endpoint


def find_dynoxide() -> Path | None:
    """Returns dynoxide's executable, or None.

    BEAM_DYNAMODB_DYNOXIDE comes first, then PATH, then what npm has put under
    tests/engines.

    Raises:
        EngineError: The variable names no executable.
    """
    if named := os.environ.get(DYNOXIDE_VARIABLE):
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            message = (
                f"{DYNOXIDE_VARIABLE} names {named}, which cannot be run; "
                "correct the path, or unset it"
            )
            raise EngineError(message)
        return Path(named)
    if on_path := shutil.which("dynoxide"):
        return Path(on_path)
    return next(iter(sorted(_ENGINES_FOLDER.glob(_NODE_BINARY))), None)


def _moto_command(port: int) -> list[str]:
    server = [sys.executable, "-m", "moto.server"]
    return [*server, "-H", _HOST, "-p", str(port)]


def _dynoxide_command(program: Path) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        return [str(program), "serve", "--host", _HOST, "--port", str(port)]

    return command


class _Server:
    """One child process that listens on a loopback port."""

    def __init__(self, title: str, command: Callable[[int], Sequence[str]]) -> None:
        self._title = title
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The server's address; `EngineError` unless it runs."""
        if self._process is None:
            message = f"{self._title} is not running; start it first"
            raise EngineError(message)
        return f"http://{_HOST}:{self._port}"

    def start(self) -> None:
        """Starts the process, on another port when it ends before it listens.

        A port is free when the kernel names it and may be taken a moment later.
        """
        for tries_left in reversed(range(_START_TRIES)):
            self._port = _free_port()
            with tempfile.TemporaryFile() as log:
                self._process = self._spawn(log)
                if self._listens():
                    return
                status = self._process.poll()
                self.stop()
                if status is None or not tries_left:
                    raise EngineError(self._failure(status, log))

    def stop(self) -> None:
        """Ends the process: politely, then not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
        return subprocess.Popen(  # noqa: S603 (our own list, no shell)
            [*tether, *self._command(self._port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C reaches us alone, and we stop it when
            # nobody needs it any more.
            start_new_session=True,
        )

    def _listens(self) -> bool:
        """Returns whether the process listens before it ends or time is up."""
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
                return False
            if _accepts(self._port):
                return True
        return False

    def _failure(self, status: int | None, log: IO[bytes]) -> str:
        end = "did not listen in time" if status is None else f"ended with {status}"
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
        tail = log.read().decode(errors="replace").strip() or "(nothing)"
        return f"{self._title} {end}; the end of its log:\n{tail}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((_HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True
