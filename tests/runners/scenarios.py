"""What is asked of every cluster: a copy 1 -> 2 with a filter, and its faults."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pipelines.demo.engines import Engine
from pipelines.emr.artefacts import LaunchedJob, step
from pipelines.emr.placement import Placement
from tests.support.clusters import HOST, Cluster, descendants_of
from tests.support.engines import make_table, unique_name
from tests.support.processes import becomes_true
from transforms.dynamodb.tables import TableRef
from transforms.ledger.errors import LedgerError
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.receipts import read_chains, total_of
from transforms.ledger.store import RUNS, LedgerStore

SOURCE, WEST, EAST = "eu-west-1", "us-west-2", "us-east-1"
ITEMS = 600
JOB_SECONDS = 240.0
ACCOUNT = (
    "items: scanned 600; us-west-2: written 200, filtered 400; us-east-1: written 600"
)

TEMPLATE = """\
template: 1
pipeline: copy
summary: built once, launched many times
parameters:
  source: {type: table, required: true, help: what to read}
  west: {type: table, required: true, help: what gets some}
  east: {type: table, required: true, help: what gets all}
  source_at: {type: text, required: true, help: its service}
  west_at: {type: text, required: true, help: its service}
  east_at: {type: text, required: true, help: its service}
  filter: {type: text, help: what the west gets}
job:
  source: ${source}
  source_endpoint: ${source_at}
  read_units: unlimited
  segments: 16
  to:
    - {to: "${west}", endpoint: "${west_at}", filter: "${filter}"}
    - {to: "${east}", endpoint: "${east_at}"}
"""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Copy:
    """A source of `ITEMS` items, a third of them red, and two empty targets."""

    engine: Engine
    cluster: Cluster
    folder: Path
    source: str
    west: str
    east: str
    processes: "list[subprocess.Popen[str]]" = field(default_factory=list)

    @classmethod
    def prepare(cls, engine: Engine, cluster: Cluster, folder: Path) -> "Copy":
        source = make_table(engine, SOURCE, unique_name(), "id")
        client = engine.dynamodb(SOURCE)
        for start in range(0, ITEMS, 25):
            requests: list[Any] = [
                {"PutRequest": {"Item": make_item(number)}}
                for number in range(start, start + 25)
            ]
            client.batch_write_item(RequestItems={source: requests})
        west = make_table(engine, WEST, unique_name(), "id")
        east = make_table(engine, EAST, unique_name(), "id")
        return cls(engine, cluster, folder, source, west, east)

    @property
    def ledger(self) -> LedgerStore:
        """A table beside the source, which every worker of a cluster finds."""
        endpoint = self.engine.endpoint_url(SOURCE)
        source = TableRef(self.source, SOURCE, endpoint_url=endpoint)
        return open_store(LedgerLocation.parse(f"dynamodb:{self.source}.runs", source))

    def words(self, *said: str, flags: tuple[str, ...] = ()) -> list[str]:
        """The command line; `said` goes before the first target."""
        endpoint = self.engine.endpoint_url
        return [
            *("copy", "--source", f"{SOURCE}/{self.source}"),
            *("--source-endpoint", endpoint(SOURCE)),
            *("--read-units", "unlimited", "--segments", "16", "--page-limit", "10"),
            *("--runner-profile", self.cluster.name, "--workers", "2"),
            *("--ledger", f"dynamodb:{self.source}.runs"),
            *("--run-dir", str(self.folder / "run"), *said),
            *("--to", f"{WEST}/{self.west}", "--endpoint", endpoint(WEST)),
            *("--write-units", "unlimited", "--filter", "colour = 'red'"),
            *("--to", f"{EAST}/{self.east}", "--endpoint", endpoint(EAST)),
            *("--write-units", "unlimited"),
            *("--", self.cluster.flag, *flags),
        ]

    def start(self, words: list[str]) -> "subprocess.Popen[str]":
        return self.start_program([sys.executable, "-m", "pipelines", *words])

    def start_program(self, command: list[str]) -> "subprocess.Popen[str]":
        environment = {**os.environ, **self.engine.environment(), "PYTHONPATH": ""}
        programs = f"{self.folder / 'programs'}:{os.environ['PATH']}"
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment
            | {"SPARK_LOCAL_IP": HOST, "PATH": programs}
            | self.cluster.client_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def build(self, jar: Path) -> tuple[int, str]:
        """Builds the job of `TEMPLATE`."""
        template = jar.with_suffix(".yaml")
        template.write_text(TEMPLATE)
        words = ["template", "build", str(template), "--output", str(jar)]
        return finish(self.start([*words, "--runner-profile", self.cluster.name]))

    def launch(
        self, jar: Path, item_filter: str, *said: str
    ) -> "subprocess.Popen[str]":
        """Launches a built job, for the west with a filter, for the east without."""
        parameters = self.parameters(item_filter)
        given = [f"--param={name}={value}" for name, value in parameters.items()]
        words = ["template", "launch", str(jar), *given, *self.run_words, *said]
        return self.start([*words, "--", *self.cluster.submit_words()])

    def launch_as_step(self, jar: Path, item_filter: str) -> "subprocess.Popen[str]":
        """Runs the step that `template launch --on emr` prints, as EMR's nodes do.

        Its `aws s3 cp` alone is a stand-in, which takes the jar from this disk.
        """
        aws = self.folder / "programs" / "aws"
        aws.parent.mkdir()
        aws.write_text(f'#!/bin/sh\nfor last; do :; done\ncp {jar} "$last"\n')
        aws.chmod(0o755)
        place = Placement(
            on="emr",
            release="emr-7.8.0",
            code="s3://ours/code",
            engine="spark",
            flink_version=None,
        )
        job = LaunchedJob(
            path=jar,
            params=self.parameters(item_filter),
            words=tuple(self.run_words),
            submit_words=tuple(self.cluster.submit_words()),
            workers=2,
        )
        arguments: list[str] = step(place, job, prefix=sys.prefix)["Args"]
        return self.start_program(arguments)

    def parameters(self, item_filter: str) -> dict[str, str]:
        """Those of `TEMPLATE`."""
        return {
            "source": f"{SOURCE}/{self.source}",
            "west": f"{WEST}/{self.west}",
            "east": f"{EAST}/{self.east}",
            "source_at": self.engine.endpoint_url(SOURCE),
            "west_at": self.engine.endpoint_url(WEST),
            "east_at": self.engine.endpoint_url(EAST),
            "filter": item_filter,
        }

    @property
    def run_words(self) -> list[str]:
        """What a launch is told of its run."""
        words = ["--workers", "2", "--ledger", f"dynamodb:{self.source}.runs"]
        return [*words, "--run-dir", str(self.folder / "run")]

    def close(self) -> None:
        """Ends what a failed test left, with the job server that it started."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def begins(self) -> bool:
        """Waits until the first items are scanned, which is long on a busy machine."""
        return any(becomes_true(lambda: self.scanned() > 0) for _ in range(6))

    def run(self, *said: str, flags: tuple[str, ...] = ()) -> tuple[int, str]:
        """Runs the copy; returns its exit code and what it printed."""
        return finish(self.start(self.words(*said, flags=flags)))

    def resume(self) -> "subprocess.Popen[str]":
        """Goes on with the run."""
        words = ["copy", "--resume", str(self.folder / "run"), "--workers", "2"]
        words += ["--runner-profile", self.cluster.name, "--", self.cluster.flag]
        return self.start(words)

    @property
    def epoch(self) -> int:
        """How often the run was begun or taken up."""
        return max(run.version for run in self.ledger.rows(RUNS))

    def settled(self) -> int:
        """The items that have receipts so far."""
        with suppress(LedgerError):  # there is none until the run begins
            ledger = self.ledger
            chains = [read_chains(ledger, run.sort) for run in ledger.rows(RUNS)]
            counts = total_of(each for run in chains for each in run.values())
            return counts.get("scanned", 0)
        return 0

    def scanned(self) -> int:
        """The items scanned so far, by all workers."""
        return sum(self.scanned_by_worker().values())

    def scanned_by_worker(self) -> dict[str, int]:
        """The items that each worker process scanned."""
        with suppress(LedgerError):  # there is none until the run begins
            return {
                row.sort: msgspec.msgpack.decode(row.data).get("scanned", 0)
                for run in self.ledger.rows(RUNS)
                for row in self.ledger.rows(f"progress/{run.sort}")
            }
        return {}

    def targets_are_right(self) -> bool:
        """An independent look: all items in the east, the red ones in the west."""
        everything = {f"item-{n}": make_item(n) for n in range(ITEMS)}
        red = {key: one for key, one in everything.items() if is_red(one)}
        return (
            self.found(EAST, self.east) == everything
            and self.found(WEST, self.west) == red
        )

    def found(self, region: str, table: str) -> dict[str, Mapping[str, Any]]:
        return {item["id"]["S"]: item for item in self._scan(region, table)}

    def _scan(self, region: str, table: str) -> Iterator[Mapping[str, Any]]:
        pages = self.engine.dynamodb(region).get_paginator("scan")
        for page in pages.paginate(TableName=table):
            yield from page["Items"]


def job_servers(process: "subprocess.Popen[str]") -> list[int]:
    """The Java processes that a launcher started."""
    return [pid for pid in descendants_of(process.pid) if is_java(pid)]


def is_java(pid: int) -> bool:
    with suppress(FileNotFoundError):  # it has ended meanwhile
        return b"java" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    return False


def make_item(number: int) -> dict[str, Any]:
    return {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "colour": {"S": "red" if number % 3 == 0 else "blue"},
        # A slow rate must be felt beyond the 100 units that may be spent at once.
        "payload": {"S": "x" * 4000},
    }


def is_red(item: Mapping[str, Any]) -> bool:
    return bool(item["colour"] == {"S": "red"})


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    try:
        printed, _ = process.communicate(timeout=JOB_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, _ = process.communicate()
        raise AssertionError(f"it did not end in time:\n{printed}") from None
    return process.returncode, printed


def submit(cluster: Cluster, jar: Path) -> tuple[int, str]:
    """Runs a jar as it is, by the cluster's own client and nothing else."""
    _, client = cluster.client()
    done = subprocess.run(
        [*client, "run", *cluster.submit_words(), str(jar)],
        env=os.environ | cluster.client_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=JOB_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def account(printed: str) -> str:
    """The last line, which is the account of the items."""
    return printed.strip().splitlines()[-1]


# A name so long that an item which just fits in the source is too large in a target.
_LONGER = "id,n,colour,payload,odd:" + "y" * 20_000


def assert_a_failed_copy_is_finished_by_resume(copy: Copy) -> None:
    """An item that no target takes fails the job; its user learns why and where.

    When the item is gone, what the failed job left is done, and the accounts balance.
    """
    client = copy.engine.dynamodb(SOURCE)
    odd = {"id": {"S": "odd"}, "odd": {"S": "x" * 400_000}}
    client.put_item(TableName=copy.source, Item=odd)
    code, printed = copy.run("--on-reject", "fail", "--columns", _LONGER)
    assert code == 3, printed
    assert "ItemTooLarge" in account(printed)
    assert "job-server.log" in account(printed)
    assert "logs of the cluster" in account(printed)
    assert f"--resume {copy.folder / 'run'}" in account(printed)
    client.delete_item(TableName=copy.source, Key={"id": {"S": "odd"}})
    code, printed = finish(copy.resume())
    assert code == 0, printed
    assert account(printed) == ACCOUNT
    assert copy.targets_are_right()


def assert_one_jar_does_two_jobs(
    engine: Engine,
    cluster: Cluster,
    folder: Path,
    launches: tuple[Callable[..., "subprocess.Popen[str]"], ...] = (
        Copy.launch,
        Copy.launch,
    ),
) -> Path:
    """Builds a jar and launches it twice, with other tables and filters; returns it."""
    jar = folder / "job.jar"
    jobs = [("n < 50", 50), ("n < 7", 7)]
    for number, (launch, (item_filter, expected)) in enumerate(
        zip(launches, jobs, strict=True)
    ):
        own = folder / str(number)
        own.mkdir()
        copy = Copy.prepare(engine, cluster, own)
        if not jar.exists():
            code, printed = copy.build(jar)
            assert code == 0, printed
        code, printed = finish(launch(copy, jar, item_filter))
        assert code == 0, printed
        assert f"us-west-2: written {expected}" in account(printed)
        assert len(copy.found(WEST, copy.west)) == expected
        assert len(copy.found(EAST, copy.east)) == 600
        copy.close()
    return jar
