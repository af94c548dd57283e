"""What the bench found, as a table for people and as JSON for programs."""

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apache_beam

__all__ = ["Row", "facts", "fill_page", "merge", "read_rows", "save", "show"]

_START, _END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, by the names that it has in build/bench.json.

    Attributes:
        work: scan, copy-1-1, copy-1-2 or copy-filter.
        items: small (200 B), big (2 KB) or mixed (40 attributes of all types).
        contender: who did it.
        scheme: http or https.
        cpu_us_per_item: user and system time of all its processes, without start-up.
        wall_s: of the larger run, start-up included.
        rss_mb: the most memory that its processes held together.
        ratio_to_boto3_threads: how many times less CPU than that contender took in
            the same run; None where it did not run.
    """

    work: str
    items: str
    contender: str
    scheme: str
    cpu_us_per_item: float
    wall_s: float
    rss_mb: float
    ratio_to_boto3_threads: float | None

    @property
    def place(self) -> tuple[str, ...]:
        """What tells a row from another."""
        return self.scheme, self.items, self.work, self.contender


def fill_page(page: Path, lines: Iterable[str]) -> None:
    """Replaces what is between a page's markers, such as by the last run's figures."""
    before, _, rest = page.read_text().partition(_START)
    after = rest.partition(_END)[2]
    measured = "\n".join(lines).rstrip("\n")
    page.write_text(f"{before}{_START}\n{measured}\n\n{_END}{after}")


def show(rows: Sequence[Row]) -> None:
    """Prints rows of one table."""
    print(f"\n{'scheme':6} {'work':12} {'items':6} {'contender':15} ", end="")
    print(f"{'µs/item':>9} {'ratio':>7} {'wall s':>7} {'RSS MB':>7}")
    for row in rows:
        ratio = row.ratio_to_boto3_threads
        print(
            f"{row.scheme:6} {row.work:12} {row.items:6} {row.contender:15} "
            f"{row.cpu_us_per_item:9.2f} {f'{ratio:.1f}x' if ratio else '-':>7} "
            f"{row.wall_s:7.2f} {row.rss_mb:7.0f}",
            flush=True,
        )


def read_rows(path: Path) -> list[Row]:
    """Returns the rows of an earlier run; none where there was none."""
    if not path.exists():
        return []
    return [Row(**row) for row in json.loads(path.read_text())]


def merge(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Returns the old rows, those measured anew replaced, in the tables' order."""
    rows = {row.place: row for row in (*old, *new)}
    order = list(rows)
    return [rows[place] for place in sorted(order, key=lambda each: each[:3])]


def save(path: Path, rows: Sequence[Any], about: dict[str, Any]) -> None:
    """Writes the rows, and beside them what they were measured on."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    facts_path = path.with_suffix(".facts.json")
    facts_path.write_text(json.dumps(about, indent=1) + "\n")


def facts(**more: Any) -> dict[str, Any]:
    """Returns the machine, the versions and the date."""
    names = ("boto3", "botocore", "msgspec", "uvloop", "httptools")
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {_cpu_name()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "apache-beam": apache_beam.__version__,
        **{name: version(name) for name in names},
        **more,
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
