"""Copies through the failing proxy, and what an independent look finds afterwards.

    source table --> copy --> proxy (faults) --> engine: two targets
                                                   |
                       boto3, past the proxy <-----'  equal to what the route says?

The items are made by rule, so what the targets must hold is known without any of the
library's code.
"""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipelines import commands
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_proxy import FaultyProxy
from transforms.ledger.receipts import read_chains
from transforms.ledger.sqlite_store import SQLiteStore

ROOT = Path(__file__).resolve().parents[2]
ITEMS = int(os.environ.get("BEAM_DYNAMODB_FAULT_ITEMS", "10000"))
KILLS = int(os.environ.get("BEAM_DYNAMODB_FAULT_KILLS", "3"))
OUTAGE_SECONDS = float(os.environ.get("BEAM_DYNAMODB_FAULT_OUTAGE", "2"))
THROTTLED = float(os.environ.get("BEAM_DYNAMODB_FAULT_THROTTLED", "0.6"))
REPORT = os.environ.get("BEAM_DYNAMODB_FAULT_REPORT")

SEGMENTS, PAGE_ITEMS = 8, 100
SOURCE, EAST, WEST = "eu-west-1", "us-east-1", "us-west-2"

# As the command, but a resumption does not wait for leases that nobody holds.
_COMMAND = (
    "import sys; from pipelines import launch; launch.LEASE_SECONDS = 0.1; "
    "{}; from pipelines.cli import main; sys.exit(main())"
)
SMALL_WRITERS = "from transforms import writers; writers.MAX_BYTES_IN_FLIGHT = 20_000"
"""Said before the command: what a route has not taken soon waits elsewhere."""


@dataclass(frozen=True)
class Row:
    """A line of build/faults.json."""

    fault: str
    items: int
    repeats: int
    lost: int
    duplicated_effects: int
    seconds: float


def make_item(number: int) -> dict[str, Any]:
    return {
        "id": {"S": f"item-{number}"},
        "n": {"N": str(number)},
        "at": {"N": "1"},
        "tags": {"SS": ["x", f"y{number % 7}"]},
    }


def fill(engine: Engine, items: int) -> str:
    """Makes the source."""
    name = make_table(engine, SOURCE, unique_name("source"), "id")
    client = engine.dynamodb(SOURCE)
    for start in range(0, items, 25):
        requests: list[Any] = [
            {"PutRequest": {"Item": make_item(number)}}
            for number in range(start, min(start + 25, items))
        ]
        client.batch_write_item(RequestItems={name: requests})
    return name


def all_items(engine: Engine, region: str, name: str) -> dict[str, dict[str, Any]]:
    pages = engine.dynamodb(region).get_paginator("scan").paginate(TableName=name)
    found = [item for page in pages for item in page["Items"]]
    for item in found:
        if "tags" in item:
            item["tags"] = {"SS": sorted(item["tags"]["SS"])}
    return {item["id"]["S"]: item for item in found}


class Copy:
    """One copy of the source to two fresh targets, behind the proxy."""

    def __init__(
        self,
        engine: Engine,
        proxy: FaultyProxy,
        source: str,
        directory: Path,
        *options: str,
        mode: str = "overwrite",
        east_units: str = "unlimited",
        items: int = ITEMS,
    ) -> None:
        self.items = items
        self.engine, self.proxy, self.directory = engine, proxy, directory
        self._source = source
        self.east = make_table(engine, EAST, unique_name("east"), "id")
        self.west = make_table(engine, WEST, unique_name("west"), "id")
        modes = ["--mode", mode]
        if mode == "newer":
            modes += ["--newer-by", "at"]
        self.words = ["copy", "--source", f"{SOURCE}/{source}"]
        self.words += ["--endpoint", proxy.url, "--run-dir", str(directory)]
        self.words += ["--segments", str(SEGMENTS), "--page-limit", str(PAGE_ITEMS)]
        self.words += ["--read-units", "unlimited", *options]
        self.words += ["--to", f"{EAST}/{self.east}", "--write-units", east_units]
        self.words += ["--name", "east", *modes]
        self.words += ["--to", f"{WEST}/{self.west}", "--write-units", "unlimited"]
        self.words += ["--name", "west", "--filter", f"n < {items // 2}", *modes]
        self.started = time.monotonic()

    def again(self, *options: str, **more: Any) -> "Copy":
        """The same from the start, with other options."""
        return Copy(
            self.engine, self.proxy, self._source, self.directory, *options, **more
        )

    def start(
        self, *words: str, before: str = "pass", **popen: Any
    ) -> subprocess.Popen[str]:
        """Starts the command as a process of its own, after a line of Python."""
        command = _COMMAND.format(before)
        return subprocess.Popen(
            [sys.executable, "-c", command, *(words or self.words)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **popen,
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Runs the command in this process; returns its exit code and output."""
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            code = commands.run(words or self.words)
        return code, output.getvalue()

    def resume(self) -> tuple[int, str]:
        return self.run("copy", "--resume", str(self.directory))

    def settled_pages(self) -> int:
        """Pages that have receipts; 0 before there is a ledger."""
        spec, ledger = self.directory / "run.json", self.directory / "ledger.sqlite"
        if not spec.exists() or not ledger.exists():
            return 0
        run_id = json.loads(spec.read_text())["run"]["run_id"]
        chains = read_chains(SQLiteStore(ledger), run_id).values()
        return sum(chain.counts.get("pages", 0) for chain in chains)

    def pages_in_vain(self) -> dict[int, int]:
        """Pages, by segment, of which something is written and that have no receipt.

        They are what a resumption writes again. The pages are those of a scan by
        boto3, which are the command's as long as the table stays as it is.
        """
        run_id = json.loads((self.directory / "run.json").read_text())["run"]["run_id"]
        chains = read_chains(SQLiteStore(self.directory / "ledger.sqlite"), run_id)
        there = self._written_keys()
        in_vain = {}
        for segment in range(SEGMENTS):
            pages = self._pages_of(segment)
            chain = chains.get(segment)
            settled = chain.counts.get("pages", 0) if chain else 0
            in_vain[segment] = sum(not there.isdisjoint(p) for p in pages[settled:])
        return in_vain

    def _written_keys(self) -> set[str]:
        targets = ((EAST, self.east), (WEST, self.west))
        return {key for target in targets for key in all_items(self.engine, *target)}

    @cache  # noqa: B019  # one copy's, and the source stays as it is
    def _pages_of(self, segment: int) -> list[set[str]]:
        scan = self.engine.dynamodb(SOURCE).get_paginator("scan")
        pages = scan.paginate(
            TableName=self._source,
            Segment=segment,
            TotalSegments=SEGMENTS,
            PaginationConfig={"PageSize": PAGE_ITEMS},
        )
        return [{item["id"]["S"] for item in page["Items"]} for page in pages]

    def wait_for_pages(self, pages: int, process: subprocess.Popen[str]) -> None:
        """Returns when so many are settled, or the process has ended."""
        deadline = time.monotonic() + 120
        while self.settled_pages() < pages and process.poll() is None:
            assert time.monotonic() < deadline, "the copy does not get on"
            time.sleep(0.01)  # noqa: TID251  # watches a process of its own

    def written(self, region: str, name: str, since: float = 0.0) -> float:
        """Units that the proxy has let through to a table; an item costs one."""
        charges = self.proxy.recording.units(region, name, "write")
        return sum(units for at, units in charges if at >= since)

    def check(self, fault: str, output: str) -> Row:
        """Looks at both targets by boto3, past the proxy, and at the account."""
        seconds = time.monotonic() - self.started
        lost = extra = 0
        items, half = self.items, self.items // 2
        expected = {EAST: range(items), WEST: range(half)}
        for region, name in ((EAST, self.east), (WEST, self.west)):
            found = all_items(self.engine, region, name)
            wanted = {f"item-{n}": make_item(n) for n in expected[region]}
            lost += sum(found.get(key) != item for key, item in wanted.items())
            extra += len(found.keys() - wanted.keys())
        account = (
            f"items: scanned {items:,}; east: written {items:,}; "
            f"west: written {half:,}, filtered {items - half:,}"
        )
        wrong_account = output.splitlines()[-1] != account
        units = self.written(EAST, self.east) + self.written(WEST, self.west)
        return Row(
            fault,
            items=items + half,
            repeats=round(units) - items - half,
            lost=lost,
            duplicated_effects=extra + wrong_account,
            seconds=round(seconds, 1),
        )


def report(rows: list[Row]) -> None:
    """Writes the rows where the make target wants them."""
    if REPORT:
        path = Path(REPORT)
        path.parent.mkdir(parents=True, exist_ok=True)
        named = [_by_name(row) for row in rows]
        path.write_text(json.dumps(named, indent=1) + "\n")
        path.with_suffix(".md").write_text(table(rows))


def _by_name(row: Row) -> dict[str, Any]:
    """The row, its parts named as people say them."""
    return {name.replace("_", " "): value for name, value in asdict(row).items()}


def table(rows: list[Row]) -> str:
    """The rows as a table to read."""
    names = list(_by_name(rows[0]))
    lines = [names, ["---"] * len(names)]
    lines += [[str(value) for value in asdict(row).values()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
