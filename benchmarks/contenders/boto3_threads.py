"""A thread pool over boto3: what people write today.

Each thread scans a segment and writes its pages by 25. With `--tuned` parameters are
not validated; with `--resource` it is the Table resource and its batch_writer.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.works import WORKS, Work, contender_parser, keeps

REGIONS = ("us-west-2", "us-east-1")


def main() -> None:
    parser = contender_parser()
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--resource", action="store_true")
    arguments = parser.parse_args()
    config = Config(
        max_pool_connections=arguments.threads,
        parameter_validation=not arguments.tuned,
    )
    copy = copy_by_resource if arguments.resource else copy_by_client
    with ThreadPoolExecutor(arguments.threads) as pool:
        counts = pool.map(
            lambda segment: copy(arguments, config, segment), range(arguments.threads)
        )
        scanned = sum(counts)
    if scanned != arguments.items:
        raise SystemExit(f"scanned {scanned} of {arguments.items} items")


def copy_by_client(arguments: Any, config: Config, segment: int) -> int:
    """Copies one segment; returns the items scanned."""
    work = WORKS[arguments.work]
    make = boto3.session.Session().client
    source = make(
        "dynamodb", "eu-west-1", endpoint_url=arguments.endpoint, config=config
    )
    targets = [
        make("dynamodb", region, endpoint_url=arguments.endpoint, config=config)
        for region in REGIONS[: work.targets]
    ]
    request = {
        "TableName": f"bench-{arguments.items}",
        "Segment": segment,
        "TotalSegments": arguments.threads,
    }
    scanned = 0
    while True:
        page = source.scan(**request)
        scanned += len(page["Items"])
        kept = _kept(page["Items"], work)
        for target in targets:
            _put(target, kept)
        if "LastEvaluatedKey" not in page:
            return scanned
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _kept(items: list[dict[str, Any]], work: Work) -> list[dict[str, Any]]:
    if not work.filtered:
        return items
    return [item for item in items if keeps(item["day"]["S"])]


def _put(target: Any, items: list[dict[str, Any]]) -> None:
    for start in range(0, len(items), 25):
        requests = [
            {"PutRequest": {"Item": item}} for item in items[start : start + 25]
        ]
        left = {"target": requests}
        while left:
            left = target.batch_write_item(RequestItems=left)["UnprocessedItems"]


def copy_by_resource(arguments: Any, config: Config, segment: int) -> int:
    """The same with the Table resource, which decodes every value."""
    work = WORKS[arguments.work]
    make = boto3.session.Session().resource
    tables = [
        make("dynamodb", region, endpoint_url=arguments.endpoint, config=config).Table(
            f"bench-{arguments.items}"
        )
        for region in ("eu-west-1", *REGIONS[: work.targets])
    ]
    request = {"Segment": segment, "TotalSegments": arguments.threads}
    scanned = 0
    while True:
        page = tables[0].scan(**request)
        scanned += len(page["Items"])
        kept = [i for i in page["Items"] if not work.filtered or keeps(i["day"])]
        for target in tables[1:]:
            with target.batch_writer() as batch:
                for item in kept:
                    batch.put_item(Item=item)
        if "LastEvaluatedKey" not in page:
            return scanned
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


if __name__ == "__main__":
    main()
