"""beam-dynamodb on Beam's FnApiRunner, by its public transforms."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.works import FILTER, WORKS, contender_parser
from transforms.dynamodb.tables import TableRef
from transforms.items import ItemBatch
from transforms.metrics import SCANNED, WRITTEN, counters_of
from transforms.routes import Route
from transforms.scan import ReadFromDynamoDB
from transforms.throttle.rate import Rate
from transforms.write import WriteToRegions

REGIONS = {"oregon": "us-west-2", "virginia": "us-east-1"}


class Discard(beam.DoFn):
    """Takes batches and does nothing: the end of a plain scan."""

    def process_batch(self, _batch: ItemBatch) -> Iterator[ItemBatch]:
        """Lets the batch go."""
        return iter(())


def main() -> None:
    parser = contender_parser()
    parser.add_argument("--segments", type=int, default=None)
    parser.add_argument("--report", type=Path, help="gets the seconds of the run")
    arguments = parser.parse_args()
    work = WORKS[arguments.work]
    name = f"bench-{arguments.items}"

    def table(region: str) -> TableRef:
        return TableRef(name, region=region, endpoint_url=arguments.endpoint)

    pipeline = beam.Pipeline(runner=FnApiRunner())
    items = pipeline | "Scan" >> ReadFromDynamoDB(
        table("eu-west-1"),
        read=Rate.unlimited(),
        segments=arguments.segments,
        splits=1,
    )
    if work.targets:
        chosen = list(REGIONS.items())[: work.targets]
        routes = [
            Route(name=name, target=table(region), write=Rate.unlimited())
            for name, region in chosen
        ]
        shared = FILTER if work.filtered else None
        items | "Copy" >> WriteToRegions(routes, filter=shared, keys_unique=True)
    else:
        items | "Discard" >> beam.ParDo(Discard())  # type: ignore[no-untyped-call]
    cpu, wall = time.process_time(), time.perf_counter()
    counters = counters_of(pipeline.run())
    if arguments.report:
        cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
        arguments.report.write_text(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s}))
    if counters[SCANNED.name] != arguments.items:
        raise SystemExit(f"scanned {counters[SCANNED.name]} of {arguments.items} items")
    for name in list(REGIONS)[: work.targets]:
        written = counters.get(WRITTEN.name_of(name), 0)
        if not work.filtered and written != arguments.items:
            raise SystemExit(f"{name}: wrote {written} of {arguments.items} items")


if __name__ == "__main__":
    main()
