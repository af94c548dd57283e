"""The command `beam-dynamodb copy` itself: checks, throttle, ledger and accounts on.

The rates are finite, so that every request asks a token bucket, and too high to wait.
"""

import tempfile

from benchmarks.works import FILTER, WORKS, contender_parser
from pipelines.commands import run

REGIONS = ("us-west-2", "us-east-1")
RATE = "100000000"


def main() -> None:
    arguments = contender_parser().parse_args()
    work = WORKS[arguments.work]
    source = f"bench-{arguments.items}"
    with tempfile.TemporaryDirectory() as run_directory:
        words = ["copy", "--source", f"eu-west-1/{source}", "--read-units", RATE]
        words += ["--endpoint", arguments.endpoint, "--run-dir", f"{run_directory}/run"]
        if work.filtered:
            words += ["--filter", FILTER]
        for region in REGIONS[: work.targets]:
            # One endpoint serves all regions, so a name tells the targets apart.
            target = f"{region}/{region}-{arguments.items}"
            words += ["--to", target, "--write-units", RATE]
        raise SystemExit(run(words))


if __name__ == "__main__":
    main()
