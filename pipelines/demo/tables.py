"""The demonstration's tables, made and filled with plain boto3."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pipelines.demo.flights import KEY, Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["create_table", "put_all"]

# A table's default maximum in most regions, and what the copies' percents are of:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
_CAPACITY_UNITS = 40_000
_BATCH_ITEMS = 25  # BatchWriteItem takes no more


def create_table(client: "DynamoDBClient", name: str) -> None:
    """Creates an empty table whose key is the flights'; engines do so at once."""
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        ProvisionedThroughput={
            "ReadCapacityUnits": _CAPACITY_UNITS,
            "WriteCapacityUnits": _CAPACITY_UNITS,
        },
    )


def put_all(
    client: "DynamoDBClient",
    table: str,
    items: Iterable[Wire],
    watch: Callable[[int], None],
) -> int:
    """Puts every item and returns how many there were.

    Args:
        client: Of the table's region.
        table: The table's name.
        items: With keys that differ.
        watch: Called after each batch with the items put so far.
    """
    done = 0
    for batch in _batches(items):
        _put_batch(client, table, batch)
        done += len(batch)
        watch(done)
    return done


def _put_batch(client: "DynamoDBClient", table: str, batch: list[Wire]) -> None:
    unprocessed: Any = {table: [{"PutRequest": {"Item": item}} for item in batch]}
    while unprocessed:
        reply = client.batch_write_item(RequestItems=unprocessed)
        unprocessed = reply["UnprocessedItems"]


def _batches(items: Iterable[Wire]) -> Iterator[list[Wire]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, _BATCH_ITEMS)):
        yield batch
