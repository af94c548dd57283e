"""The command `beam-dynamodb backup` itself: checks, throttle, ledger, digests.

The rate is finite, so that every request asks a token bucket, and too high to wait.
"""

import tempfile

from benchmarks.works import contender_parser
from pipelines.commands import run

RATE = "100000000"
WORDS = {
    "backup-json": ("--format", "dynamodb-json"),
    "backup-parquet": ("--format", "parquet"),
    "backup-lossless": ("--format", "parquet", "--lossless"),
}


def main() -> None:
    arguments = contender_parser(WORDS).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = ["backup", "--source", f"eu-west-1/bench-{arguments.items}"]
        words += ["--read-units", RATE, "--endpoint", arguments.endpoint]
        words += ["--to", f"{folder}/backups", "--run-dir", f"{folder}/run"]
        raise SystemExit(run([*words, *WORDS[arguments.work]]))


if __name__ == "__main__":
    main()
