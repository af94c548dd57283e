"""`make bench`: CPU per item of every contender, side by side in one run.

Rounds are interleaved: in each round every contender runs once in two sizes, so a
machine that slows down slows all of them. The cost per item is the difference of the
two sizes; the figure shown is the median of the rounds.
"""

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.measure import ContenderFailedError, Cost, environment, run
from benchmarks.stub_server import ROOT, StubServer
from benchmarks.works import WORKS

KINDS = ("small", "big", "mixed")
REFERENCE = "boto3-threads"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; the names are those of build/bench.json."""

    work: str
    items: str
    contender: str
    cpu_us_per_item: float
    wall_s: float
    rss_mb: float
    ratio_to_boto3_threads: float | None


def main() -> None:
    """Runs the bench; exits 1 when a contender of ours failed."""
    arguments = _parse()
    rows: list[Row] = []
    failures: list[str] = []
    for kind in arguments.kinds:
        with StubServer(
            kind=kind, service_time=arguments.service_time, tls=arguments.tls
        ) as stub:
            for work in arguments.works:
                rows += _compare(stub, work, kind, arguments, failures)
                _print(rows[-len(arguments.contenders) :])
    _save(arguments.out, rows, arguments, failures)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    if any(name.startswith("ours") for name in (f.split()[0] for f in failures)):
        raise SystemExit(1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS)
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--service-time", default="5ms")
    parser.add_argument("--tls", action="store_true", help="HTTPS for all contenders")
    parser.add_argument("--scale", type=float, default=1.0, help="of the item counts")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json")
    return parser.parse_args()


def _compare(
    stub: StubServer,
    work: str,
    kind: str,
    arguments: argparse.Namespace,
    failures: list[str],
) -> list[Row]:
    """Runs all contenders in turn, some rounds of it."""
    contenders = [CONTENDERS[name] for name in arguments.contenders]
    contenders = [each for each in contenders if each.does(work, kind)]
    costs: dict[str, list[tuple[float, Cost]]] = {each.name: [] for each in contenders}
    for _ in range(arguments.rounds):
        for contender in contenders:
            try:
                cost = _cost(stub, contender, work, kind, arguments.scale)
            except ContenderFailedError as error:  # noqa: PERF203  # runs take seconds
                failures.append(f"{contender.name} {work} {kind}: {error}")
            else:
                costs[contender.name].append(cost)
    return list(_rows(work, kind, costs))


def _cost(
    stub: StubServer, contender: Contender, work: str, kind: str, scale: float
) -> tuple[float, Cost]:
    """Returns CPU µs per item, and the cost of the larger run."""
    sizes = contender.sizes(kind, scale)
    variables = environment(stub.ca_file)
    small, large = (
        run(contender.command(work, stub.endpoint, size), variables) for size in sizes
    )
    seconds = large.cpu_seconds - small.cpu_seconds
    return 1e6 * seconds / (sizes[1] - sizes[0]), large


def _rows(
    work: str, kind: str, costs: dict[str, list[tuple[float, Cost]]]
) -> Iterable[Row]:
    medians = {
        name: statistics.median(cpu for cpu, _ in each)
        for name, each in costs.items()
        if each
    }
    reference = medians.get(REFERENCE)
    for name, median in medians.items():
        runs = [cost for _, cost in costs[name]]
        yield Row(
            work=work,
            items=kind,
            contender=name,
            cpu_us_per_item=round(median, 2),
            wall_s=round(statistics.median(each.wall_seconds for each in runs), 2),
            rss_mb=round(max(each.rss_mb for each in runs)),
            ratio_to_boto3_threads=reference and round(reference / median, 1),
        )


def _print(rows: Sequence[Row]) -> None:
    print(f"\n{'work':12} {'items':6} {'contender':16} {'µs/item':>9} ", end="")
    print(f"{'ratio':>7} {'wall s':>7} {'RSS MB':>7}")
    for row in rows:
        ratio = row.ratio_to_boto3_threads
        print(
            f"{row.work:12} {row.items:6} {row.contender:16} "
            f"{row.cpu_us_per_item:9.2f} {ratio or float('nan'):6.1f}x "
            f"{row.wall_s:7.2f} {row.rss_mb:7.0f}",
            flush=True,
        )


def _save(
    path: Path, rows: list[Row], arguments: argparse.Namespace, failures: list[str]
) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    facts = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {_cpu_name()}",
        "service_time": arguments.service_time,
        "scheme": "https" if arguments.tls else "http",
        "rounds": arguments.rounds,
        "failures": failures,
    }
    path.with_suffix(".facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
