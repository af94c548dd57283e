"""What a backup costs: the command, boto3 with pyarrow, and PyPI's dynamodump.

    python -m benchmarks.bench_backup [--works …]       writes build/bench-backup.json
    python -m benchmarks.bench_backup --write-page      puts it into docs/backup.md

All of them back up the stub's table of small items to a local directory, each in a
process of its own, in two sizes; the difference of both is the cost of an item.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import boto3

from benchmarks.contenders.setups import (
    DYNAMODUMP_VERSION,
    SetupError,
    dynamodump_command,
)
from benchmarks.measure import ContenderFailedError, Cost, environment, run
from benchmarks.results import facts, fill_page, save
from benchmarks.stub_server import ROOT, StubServer

REPORT = ROOT / "build" / "bench-backup.json"
PAGE = ROOT / "docs" / "backup.md"
OURS, SCRIPT, PEER = "ours-command", "boto3-script", "dynamodump"
WORKS = {
    "backup-json": "DynamoDB JSON",
    "backup-parquet": "Parquet",
    "backup-lossless": "Parquet with `_item`",
}
ROUNDS = 2

Command = Callable[[str, str, int, str], Sequence[str]]
"""Of a work, an endpoint, how many items, and a directory that is made for it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of build/bench-backup.json.

    Attributes:
        work: one of `WORKS`.
        items: small: 210 B of DynamoDB JSON.
        contender: who did it.
        cpu_us_per_item: user and system time of all its processes, without start-up.
        mb_per_s_per_core: megabytes of DynamoDB JSON that one core backs up a second.
        wall_s: of the larger run, start-up included.
        rss_mb: the most memory that its processes held together.
        ratio_to_dynamodump: how many times less CPU than that takes for its one
            format; None where it did not run.
    """

    work: str
    items: str
    contender: str
    cpu_us_per_item: float
    mb_per_s_per_core: float
    wall_s: float
    rss_mb: float
    ratio_to_dynamodump: float | None


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to make a backup: its works, and the items of both runs."""

    command: Command
    works: tuple[str, ...]
    sizes: tuple[int, int]


def _python(module: str) -> Command:
    def command(work: str, endpoint: str, items: int, _: str) -> Sequence[str]:
        where = ("--work", work, "--endpoint", endpoint, "--items", str(items))
        return sys.executable, "-m", f"benchmarks.contenders.{module}", *where

    return command


def _dynamodump(_: str, endpoint: str, items: int, folder: str) -> Sequence[str]:
    place = urlsplit(endpoint)
    assert place.hostname is not None
    where = ("--host", place.hostname, "--port", str(place.port), "-r", "eu-west-1")
    keys = ("--accessKey", "stub", "--secretKey", "stub")
    what = ("-m", "backup", "-s", f"bench-{items}", "--dumpPath", folder)
    return *dynamodump_command(), *what, *where, *keys


CONTENDERS = {
    OURS: Contender(_python("ours_backup"), tuple(WORKS), (100_000, 600_000)),
    SCRIPT: Contender(
        _python("boto3_files"), ("backup-json", "backup-parquet"), (10_000, 60_000)
    ),
    PEER: Contender(_dynamodump, ("backup-json",), (10_000, 60_000)),
}


# --- measuring ------------------------------------------------------------------------


def measure(works: Sequence[str], rounds: int) -> int:
    """Runs everybody in turn, some rounds of it; returns the exit code."""
    costs: dict[tuple[str, str], list[tuple[float, Cost]]] = {}
    failures: dict[str, str] = {}
    with StubServer(kind="small") as stub:
        for work in list(works) * rounds:
            for name, contender in CONTENDERS.items():
                if work not in contender.works or name in failures:
                    continue
                try:
                    found = cost(stub.endpoint, contender, work)
                except (ContenderFailedError, SetupError) as error:
                    failures[name] = str(error)
                    print(f"failed: {name} {work}: {error}", file=sys.stderr)
                    continue
                costs.setdefault((work, name), []).append(found)
                print(f"{work:16} {name:14} {found[0]:8.2f} µs/item", flush=True)
        item_bytes = bytes_per_item(stub.endpoint)
    versions = {"pyarrow": version("pyarrow"), PEER: DYNAMODUMP_VERSION}
    about = facts(service_time="5ms", rounds=rounds, not_measured=failures, **versions)
    save(REPORT, list(rows(costs, item_bytes)), about | {"item_bytes": item_bytes})
    return 1 if failures else 0


def cost(endpoint: str, contender: Contender, work: str) -> tuple[float, Cost]:
    """CPU µs per item, and the cost of the larger run."""
    found = []
    for items in contender.sizes:
        with tempfile.TemporaryDirectory() as folder:
            words = contender.command(work, endpoint, items, folder)
            found.append(run(words, environment()))
    seconds = found[1].cpu_seconds - found[0].cpu_seconds
    return 1e6 * seconds / (contender.sizes[1] - contender.sizes[0]), found[1]


def bytes_per_item(endpoint: str) -> float:
    """DynamoDB JSON, as the stub's table says of itself."""
    client = boto3.client(
        "dynamodb",
        "eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="stub",
        aws_secret_access_key="stub",
    )
    table = client.describe_table(TableName="bench-1000000")["Table"]
    return float(table["TableSizeBytes"] / table["ItemCount"])


def rows(
    costs: dict[tuple[str, str], list[tuple[float, Cost]]], item_bytes: float
) -> Iterator[Row]:
    """The medians of the rounds, in the order of the works."""
    medians = {
        place: statistics.median(per_item for per_item, _ in found)
        for place, found in costs.items()
    }
    peer = medians.get(("backup-json", PEER))
    for (work, contender), median in sorted(
        medians.items(), key=lambda each: list(WORKS).index(each[0][0])
    ):
        runs = [cost for _, cost in costs[work, contender]]
        yield Row(
            work=work,
            items="small",
            contender=contender,
            cpu_us_per_item=round(median, 3),
            mb_per_s_per_core=round(item_bytes / median, 1),
            wall_s=round(statistics.median(each.wall_seconds for each in runs), 2),
            rss_mb=round(max(each.rss_mb for each in runs)),
            ratio_to_dynamodump=peer and round(peer / median, 1),
        )


# --- the page -------------------------------------------------------------------------


def write_page() -> None:
    """Replaces what is between the page's markers by the last run's figures."""
    found = [Row(**row) for row in json.loads(REPORT.read_text())]
    about = json.loads(REPORT.with_suffix(".facts.json").read_text())
    fill_page(PAGE, lines(found, about))


def lines(found: Sequence[Row], about: dict[str, Any]) -> Iterator[str]:
    """The table, where and when it was measured, and a sentence."""
    names = ("python", "apache-beam", "boto3", "pyarrow", PEER)
    versions = ", ".join(f"{name} {about[name]}" for name in names)
    yield (
        f"{about['date']}, on {about['machine']}, {about['system']}; {versions}; items "
        f"of {about['item_bytes']:.0f} B, to a local disk, start-up not counted, "
        f"median of {about['rounds']} rounds by `make bench-backup`:"
    )
    yield ""
    yield "| | CPU µs an item | MB/s a core | less CPU than dynamodump | memory |"
    yield "|---|---:|---:|---:|---:|"
    for row in found:
        ratio = row.ratio_to_dynamodump
        yield (
            f"| {row.contender}, {WORKS[row.work]} | {row.cpu_us_per_item:.2f} | "
            f"{row.mb_per_s_per_core:.1f} | {f'{ratio:.1f}x' if ratio else '-'} | "
            f"{row.rss_mb:,.0f} MB |"
        )
    yield from sentence({(row.work, row.contender): row for row in found})
    for name, reason in about["not_measured"].items():
        yield ""
        yield f"Not measured: {name}: {reason.splitlines()[0]}"


def sentence(found: dict[tuple[str, str], Row]) -> Iterator[str]:
    """What a million items take, of ours and of the script's Parquet."""
    ours = found.get(("backup-parquet", OURS))
    theirs = found.get(("backup-parquet", SCRIPT))
    if ours and theirs:
        yield ""
        yield (
            "A million items into Parquet take "
            f"{ours.cpu_us_per_item:.1f} s of a core, and "
            f"{theirs.cpu_us_per_item:.1f} s with boto3 and pyarrow, which keeps them "
            "all in memory and makes no digest."
        )


def main() -> None:
    """Measures, or writes the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_backup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write-page", action="store_true")
    said = parser.parse_args()
    if said.write_page:
        write_page()
    else:
        raise SystemExit(measure(said.works, said.rounds))


if __name__ == "__main__":
    main()
