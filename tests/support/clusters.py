"""Small standalone clusters of Flink and Spark, of jars that deploy/job-servers builds.

    with FlinkCluster(folder) as flink:   # a job manager and two task managers
        flink.master                      # HOST:PORT, for --flink_master
        flink.workers[0].kill()

Everything listens on the loopback, on ports that the kernel picked, logs below its own
folder, and ends with the process that started it.
"""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pipelines.demo import tether
from pipelines.demo.engines import MotoEngine
from tests.support.processes import becomes_true, children_of

C = TypeVar("C", bound="Cluster")

HOST = "127.0.0.1"
WORKERS = 2
_STOP_SECONDS = 20.0

# What Flink's own config.yaml asks of Java 17.
_EXPORTS = [
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
]
_OPENS = [
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
]
JAVA_OPTIONS = [
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS),
    # Two processors are shared by every process of a test.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
]


def build_folder() -> Path:
    """Where deploy/job-servers/build leaves what it made."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "beam-dynamodb" / "job-servers"


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        port: int = one.getsockname()[1]
        return port


class Member:
    """One process of a cluster."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: dict[str, str],
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        tied = [sys.executable, "-I", str(Path(tether.__file__)), str(os.getpid())]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*tied, *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """Ends it as a lost host would: at once, with all that it started."""
        doomed = [self.process.pid, *descendants_of(self.process.pid)]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(_STOP_SECONDS)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.kill()


def descendants_of(pid: int) -> list[int]:
    children = children_of(pid)
    return [*children, *(far for near in children for far in descendants_of(near))]


def java_environment() -> dict[str, str]:
    """Of a process of Java: little of our own, and credentials of emulators alone."""
    wanted = ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME")
    own = {name: os.environ[name] for name in wanted if name in os.environ}
    return own | dict(MotoEngine().environment())


class Cluster(ABC):
    """Processes that are started together, waited for, and stopped together."""

    name: str

    def __init__(self, folder: Path, *, workers: int = WORKERS) -> None:
        self.folder = folder
        self.wanted = workers
        self.members: list[Member] = []
        self.workers: list[Member] = []
        self._started = 0

    def __enter__(self: C) -> C:  # noqa: PYI019 (Self is in typing from 3.11)
        try:
            self.start_master()
            self.replace_workers()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        for member in [*self.workers, *self.members]:
            member.stop()

    def replace_workers(self) -> None:
        """Starts workers until there are as many as there should be."""
        self.workers = [one for one in self.workers if one.process.poll() is None]
        while len(self.workers) < self.wanted:
            self._started += 1
            self.workers.append(self.start_worker(f"worker-{self._started}"))
        self._await(lambda: self.count_workers() == self.wanted, "workers")

    def _await(self, condition, what: str) -> None:
        def holds() -> bool:
            with contextlib.suppress(OSError, ValueError):
                return bool(condition())
            return False

        if not becomes_true(holds) and not becomes_true(holds):
            logs = "\n".join(one.log.read_text()[-1500:] for one in self.members)
            raise AssertionError(f"no {what} in {self.folder}:\n{logs}")

    def environment(self) -> dict[str, str]:
        """Of the cluster's processes, and so of the Python workers that they start."""
        return java_environment()

    @property
    @abstractmethod
    def master(self) -> str:
        """Where jobs are submitted to."""

    @property
    @abstractmethod
    def flag(self) -> str:
        """The flag of Beam that names it."""

    @abstractmethod
    def submit_words(self) -> list[str]:
        """What its own client program is told, after `--`."""

    def client_environment(self) -> dict[str, str]:
        """Variables under which its client program is found."""
        name, command = self.client()
        program = self.folder / "client" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        words = " ".join(map(shlex.quote, command))
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o755)
        return self.client_variables(self.folder / "client")

    @abstractmethod
    def client(self) -> tuple[str, list[str]]:
        """The name of the client program, and what its script comes down to."""

    @abstractmethod
    def client_variables(self, home: Path) -> dict[str, str]: ...

    @abstractmethod
    def start_master(self) -> None: ...

    @abstractmethod
    def start_worker(self, name: str) -> Member: ...

    @abstractmethod
    def count_workers(self) -> int: ...


def _get(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        found: dict[str, object] = json.load(reply)
    return found


class FlinkCluster(Cluster):
    """A job manager, and task managers of one slot each."""

    name = "flink"

    def __init__(self, folder: Path, slots: int = 1, *, workers: int = WORKERS) -> None:
        super().__init__(folder, workers=workers)
        self._slots = slots
        self._rest, self._rpc = free_port(), free_port()
        self._jars = build_folder() / "flink-cluster"

    @property
    def master(self) -> str:
        return f"{HOST}:{self._rest}"

    @property
    def flag(self) -> str:
        return f"--flink_master={self.master}"

    def start_master(self) -> None:
        self._configure()
        entry = "runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        self.members.append(self._start("job-manager", entry, "-Xmx384m"))
        self._await(lambda: _get(f"http://{self.master}/overview"), "job manager")

    def start_worker(self, name: str) -> Member:
        entry = "runtime.taskexecutor.TaskManagerRunner"
        return self._start(
            name, entry, "-Xmx384m", "-D", f"taskmanager.resource-id={name}"
        )

    def count_workers(self) -> int:
        overview = _get(f"http://{self.master}/overview")
        return int(str(overview["taskmanagers"]))

    def running_jobs(self) -> int:
        return int(str(_get(f"http://{self.master}/overview")["jobs-running"]))

    def submit_words(self) -> list[str]:
        return ["-m", self.master, "-p", str(self.wanted)]

    def client(self) -> tuple[str, list[str]]:
        entry = "org.apache.flink.client.cli.CliFrontend"
        return "flink", ["java", *JAVA_OPTIONS, "-cp", f"{self._jars}/*", entry]

    def client_variables(self, home: Path) -> dict[str, str]:
        return {"FLINK_HOME": str(home), "FLINK_CONF_DIR": str(self.folder)}

    def _start(self, name: str, entry: str, memory: str, *words: str) -> Member:
        command = ["java", memory, *JAVA_OPTIONS, "-cp", f"{self._jars}/*"]
        command += [f"org.apache.flink.{entry}", "--configDir", str(self.folder)]
        return Member(name, [*command, *words], self.folder, self.environment())

    def _configure(self) -> None:
        settings = {
            "jobmanager.rpc.address": HOST,
            "jobmanager.rpc.port": self._rpc,
            "jobmanager.bind-host": HOST,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 3,
            "restart-strategy.fixed-delay.delay": "3 s",
            "rest.address": HOST,
            "rest.bind-address": HOST,
            "rest.port": self._rest,
            "taskmanager.host": HOST,
            "taskmanager.bind-host": HOST,
            "taskmanager.numberOfTaskSlots": self._slots,
            "taskmanager.load-balance.mode": "SLOTS",
            # A lost task manager is noticed by its silence.
            "heartbeat.interval": 1000,
            "heartbeat.timeout": 8000,
            # What the scripts of the distribution work out.
            "taskmanager.cpu.cores": 1.0,
            "taskmanager.memory.framework.heap.size": "96m",
            "taskmanager.memory.framework.off-heap.size": "64m",
            "taskmanager.memory.task.heap.size": "192m",
            "taskmanager.memory.task.off-heap.size": "64m",
            "taskmanager.memory.managed.size": "64m",
            "taskmanager.memory.network.min": "128m",
            "taskmanager.memory.network.max": "128m",
            "taskmanager.network.sort-shuffle.min-buffers": 64,
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": "64m",
            "taskmanager.memory.jvm-overhead.max": "64m",
            "io.tmp.dirs": str(self.folder / "tmp"),
        }
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        lines = [f"{name}: {value}\n" for name, value in settings.items()]
        (self.folder / "flink-conf.yaml").write_text("".join(lines))


class SparkCluster(Cluster):
    """A master, and workers of one core each."""

    name = "spark"

    def __init__(self, folder: Path, *, workers: int = WORKERS) -> None:
        super().__init__(folder, workers=workers)
        self._port, self._ui = free_port(), free_port()
        self._home = folder / "home"

    @property
    def master(self) -> str:
        return f"spark://{HOST}:{self._port}"

    @property
    def flag(self) -> str:
        return f"--spark_master_url={self.master}"

    def start_master(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        (self._home / "jars").symlink_to(build_folder() / "spark-cluster")
        words = ["--host", HOST, "--port", str(self._port)]
        words += ["--webui-port", str(self._ui)]
        self.members.append(self._start("master", "master.Master", *words))
        self._await(lambda: _get(f"http://{HOST}:{self._ui}/json/"), "master")

    def start_worker(self, name: str) -> Member:
        words = ["--host", HOST, "--cores", "1", "--memory", "1g", "--webui-port", "0"]
        words += ["--work-dir", str(self.folder / f"{name}-work"), self.master]
        return self._start(name, "worker.Worker", *words)

    def count_workers(self) -> int:
        state = _get(f"http://{HOST}:{self._ui}/json/")
        return int(str(state["aliveworkers"]))

    def executors(self) -> list[int]:
        """The processes in which tasks run."""
        return [pid for one in self.workers for pid in children_of(one.process.pid)]

    def submit_words(self) -> list[str]:
        return ["--master", self.master]

    def client(self) -> tuple[str, list[str]]:
        return "spark-submit", self._java("SparkSubmit")

    def client_variables(self, home: Path) -> dict[str, str]:
        (home / "jars").unlink(missing_ok=True)
        (home / "jars").symlink_to(build_folder() / "spark-cluster")
        return {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": "2.12"}

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "SPARK_HOME": str(self._home),
            "SPARK_LOCAL_IP": HOST,
            "SPARK_SCALA_VERSION": "2.12",  # load-spark-env.sh says so
        }

    def _java(self, entry: str) -> list[str]:
        command = ["java", "-Xmx512m", *JAVA_OPTIONS, "-cp", f"{self._home}/jars/*"]
        return [*command, f"org.apache.spark.deploy.{entry}"]

    def _start(self, name: str, entry: str, *words: str) -> Member:
        command = [*self._java(entry), *words]
        return Member(name, command, self.folder, self.environment())
