"""Threads over boto3 that write files: what people write to keep a table.

Each thread scans a segment, into gzipped lines of DynamoDB JSON, or into Parquet by
pyarrow, whose columns come from the values that boto3's deserializer makes.
"""

import gzip
import json
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

from benchmarks.works import contender_parser

Page = list[dict[str, Any]]


def main() -> None:
    parser = contender_parser(WRITERS)
    parser.add_argument("--threads", type=int, default=16)
    arguments = parser.parse_args()
    write = WRITERS[arguments.work]
    with tempfile.TemporaryDirectory() as folder:

        def keep(segment: int) -> int:
            return write(Path(folder, f"{segment}"), pages(arguments, segment))

        with ThreadPoolExecutor(arguments.threads) as pool:
            kept = sum(pool.map(keep, range(arguments.threads)))
    if kept != arguments.items:
        raise SystemExit(f"kept {kept} of {arguments.items} items")


def pages(arguments: Any, segment: int) -> Iterator[Page]:
    client = boto3.session.Session().client(
        "dynamodb",
        "eu-west-1",
        endpoint_url=arguments.endpoint,
        config=Config(max_pool_connections=arguments.threads),
    )
    found = client.get_paginator("scan").paginate(
        TableName=f"bench-{arguments.items}",
        Segment=segment,
        TotalSegments=arguments.threads,
    )
    for page in found:
        yield page["Items"]


def write_lines(path: Path, found: Iterator[Page]) -> int:
    """Gzipped lines, as the service's exports have them."""
    count = 0
    with gzip.open(path, "wt", compresslevel=1) as file:
        for page in found:
            for item in page:
                file.write(json.dumps({"Item": item}, default=encode) + "\n")
            count += len(page)
    return count


def encode(value: bytes) -> str:
    """DynamoDB JSON has binary values in base64."""
    return b64encode(value).decode()


def write_parquet(path: Path, found: Iterator[Page]) -> int:
    """One Parquet file a segment, a row group of its pages."""
    deserialize = TypeDeserializer().deserialize
    rows = [
        {name: deserialize(value) for name, value in item.items()}
        for page in found
        for item in page
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    return len(rows)


WRITERS = {"backup-json": write_lines, "backup-parquet": write_parquet}


if __name__ == "__main__":
    main()
