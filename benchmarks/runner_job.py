"""A copy 1 -> 1 on any runner, by the public transforms; started by bench_runners.

Everything that the workers import is the package's own: they do not have this file.
"""

import argparse
from pathlib import Path

import apache_beam as beam

from pipelines.beam_flags import check_beam_flags
from pipelines.job_server import running_job_server
from pipelines.runner_profiles import read_profile, with_local_parts
from transforms.dynamodb.tables import TableRef
from transforms.metrics import SCANNED, WRITTEN, counters_of
from transforms.routes import Route
from transforms.scan import ReadFromDynamoDB
from transforms.throttle.rate import Rate
from transforms.write import WriteToRegions

SPLITS = 8


def main() -> None:
    arguments, flags = _parse()
    name = f"bench-{arguments.items}"

    def table(region: str) -> TableRef:
        return TableRef(name, region=region, endpoint_url=arguments.endpoint)

    words = with_local_parts([*read_profile(arguments.profile), *flags])
    pipeline = beam.Pipeline(options=check_beam_flags(words, frozenset()))
    route = Route(name="east", target=table("us-east-1"), write=Rate.unlimited())
    _ = (
        pipeline
        | "Scan"
        >> ReadFromDynamoDB(
            table("eu-west-1"), read=Rate.unlimited(), segments=64, splits=SPLITS
        )
        | "Copy" >> WriteToRegions([route], keys_unique=True)
    )
    with running_job_server(pipeline.options, arguments.log):
        result = pipeline.run()
        result.wait_until_finish()
        counters = counters_of(result)
    for counter in (SCANNED.name, WRITTEN.name_of("east")):
        if counters.get(counter) != arguments.items:
            raise SystemExit(f"{counter}: {counters.get(counter)} items")


def _parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
