"""`make bench`, `make bench-quick` and `make bench-scale`.

python -m benchmarks                every contender: tables, build/bench.json;
                                    no table begins after 50 minutes (--minutes)
python -m benchmarks --quick        small items, ours and boto3 threads
python -m benchmarks --scale        10^5 to 10^7 items: build/bench-scale.json
python -m benchmarks --kinds big --works scan --keep    a part; other rows stay
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from benchmarks import bench, scale
from benchmarks.contenders import CONTENDERS
from benchmarks.results import facts, merge, read_rows, save
from benchmarks.stub_server import ROOT
from benchmarks.works import WORKS

KINDS = ("small", "big", "mixed")
SCHEMES = ("http", "https")
OUT = ROOT / "build" / "bench.json"


def main() -> None:
    """Runs what the words ask for; exits 1 if a contender of ours failed."""
    arguments = _parse()
    if arguments.scale:
        raise SystemExit(scale.main(keep=arguments.keep))
    kept = read_rows(arguments.out) if arguments.keep else []
    findings = bench.Findings()
    end = time.monotonic() + 60 * arguments.minutes
    for plan in _plans(arguments):
        if time.monotonic() > end:
            table = f"{plan.work}, {plan.kind} items, {plan.scheme}"
            findings.failures[table] = f"{arguments.minutes} minutes had passed"
            continue
        found = bench.compare(plan)
        findings.rows += found.rows
        findings.failures |= found.failures
        about = facts(service_time="5ms", not_measured=findings.failures)
        save(arguments.out, merge(kept, findings.rows), about)
    for place, reason in findings.failures.items():
        print(f"not measured: {place}: {reason}", file=sys.stderr)
    if any(place.startswith("ours") for place in findings.failures):
        raise SystemExit(1)


def _plans(arguments: argparse.Namespace) -> Iterator[bench.Plan]:
    """The whole bench: HTTP for all kinds of items, HTTPS for small ones.

    What the aims speak of comes first.
    """
    schemes, kinds = arguments.schemes, arguments.kinds
    contenders, rounds = arguments.contenders, arguments.rounds
    if arguments.quick:
        schemes, kinds = ["http"], ["small"]
        contenders, rounds = ["ours-direct", "boto3-threads"], rounds or 1
    for kind, scheme, work in product(kinds, schemes, arguments.works):
        if scheme == "https" and kind != "small":
            continue
        yield bench.Plan(
            scheme=scheme,
            kind=kind,
            work=work,
            contenders=contenders,
            rounds=rounds or (2 if kind == "small" else 1),
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quick", action="store_true")
    what.add_argument("--scale", action="store_true")
    names = list(CONTENDERS)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=SCHEMES)
    parser.add_argument("--contenders", nargs="+", choices=names, default=names)
    parser.add_argument(
        "--rounds", type=int, help="2 for small items, 1 for others; slow ones 1"
    )
    parser.add_argument(
        "--minutes", type=float, default=50, help="begin no table later"
    )
    parser.add_argument("--keep", action="store_true", help="rows not measured now")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
