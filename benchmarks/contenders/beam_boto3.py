"""Beam with plain boto3 in ordinary DoFns, or with PyPI's dynamodb-pyio as the sink.

Items are dicts and travel one by one, as in any pipeline without batched DoFns. With
`--pyio` the sink is `dynamodb_pyio.io.WriteToDynamoDB`, which wants lists of decoded
items; it runs in a virtual environment of its own (see `pyio.py`) and has no source,
so the scan is the resource's. Imports nothing of this library.
"""

import argparse
import importlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import boto3
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.works import WORKS, contender_parser, keeps

REGIONS = ("us-west-2", "us-east-1")
SEGMENTS = 16


class ScanSegment(beam.DoFn):
    """Reads one segment, by the client or decoded by the Table resource."""

    def __init__(self, endpoint: str, table: str, *, decoded: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._endpoint, self._table, self._decoded = endpoint, table, decoded

    def setup(self) -> None:
        """Makes the client."""
        where = ("dynamodb", "eu-west-1")
        if self._decoded:
            resource = boto3.resource(*where, endpoint_url=self._endpoint)
            self._scan: Any = resource.Table(self._table).scan
        else:
            self._scan = boto3.client(*where, endpoint_url=self._endpoint).scan

    def process(self, segment: int) -> Iterator[dict[str, Any]]:
        """Yields the segment's items."""
        request: dict[str, Any] = {"Segment": segment, "TotalSegments": SEGMENTS}
        if not self._decoded:
            request["TableName"] = self._table
        while True:
            page = self._scan(**request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class PutItems(beam.DoFn):
    """Writes items by 25."""

    def __init__(self, endpoint: str, region: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._endpoint, self._region = endpoint, region

    def setup(self) -> None:
        """Makes the client."""
        self._client = boto3.client(
            "dynamodb", self._region, endpoint_url=self._endpoint
        )

    def start_bundle(self) -> None:
        """Starts with nothing gathered."""
        self._gathered: list[dict[str, Any]] = []

    def process(self, item: dict[str, Any]) -> None:
        """Gathers an item, and writes 25."""
        self._gathered.append({"PutRequest": {"Item": item}})
        if len(self._gathered) == 25:  # noqa: PLR2004
            self._write()

    def finish_bundle(self) -> None:
        """Writes the rest."""
        if self._gathered:
            self._write()

    def _write(self) -> None:
        left: Any = {"target": self._gathered}
        while left:
            left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]
        self._gathered = []


def main() -> None:
    parser = contender_parser()
    parser.add_argument("--pyio", action="store_true")
    arguments = parser.parse_args()
    work = WORKS[arguments.work]
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=_options(arguments))
    scan = ScanSegment(
        arguments.endpoint, f"bench-{arguments.items}", decoded=arguments.pyio
    )
    items = pipeline | beam.Create(range(SEGMENTS)) | "Scan" >> beam.ParDo(scan)
    if work.filtered:
        items |= "Filter" >> beam.Filter(
            keeps_decoded if arguments.pyio else keeps_item
        )
    for region in REGIONS[: work.targets]:
        if arguments.pyio:
            _write_by_pyio(items, region)
        else:
            put = PutItems(arguments.endpoint, region)
            items | f"Write {region}" >> beam.ParDo(put)
    if not work.targets:
        items | "Count" >> beam.combiners.Count.Globally()
    pipeline.run().wait_until_finish()


def keeps_item(item: dict[str, Any]) -> bool:
    """The filter on an item as it is on the wire."""
    return keeps(item["day"]["S"])


def keeps_decoded(item: dict[str, Any]) -> bool:
    """The filter on a decoded item."""
    return keeps(item["day"])


def _options(arguments: argparse.Namespace) -> PipelineOptions:
    if not arguments.pyio:
        return PipelineOptions([])
    # The sink reads its client's settings from the pipeline's options.
    endpoint = f"--endpoint_url={arguments.endpoint}"
    return PipelineOptions([endpoint, f"--region_name={REGIONS[0]}"])


def _write_by_pyio(items: Any, region: str) -> None:
    # Installed in its own environment alone, so mypy could not find it.
    pyio = importlib.import_module("dynamodb_pyio.io")

    batches = beam.BatchElements(min_batch_size=500, max_batch_size=500)
    (
        items
        | f"Lists {region}" >> batches
        | f"Write {region}" >> pyio.WriteToDynamoDB("target")
    )


if __name__ == "__main__":
    main()
