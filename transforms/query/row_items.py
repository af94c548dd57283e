"""Rows of a result as items, to be written to a table."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import apache_beam as beam

from transforms import metrics
from transforms.dynamodb.attribute_values import AttributeValueError, encode_item
from transforms.dynamodb.errors import JobStoppedError
from transforms.items import Item
from transforms.query.rows import Rows

__all__ = ["RowsToItems", "item_of_row"]


class RowsToItems(beam.DoFn):
    """Makes an item of each row: a column is an attribute, NULL is none."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = list(names)

    def process(self, rows: Rows) -> Iterator[Item]:
        """Yields the items.

        Raises:
            JobStoppedError: a value that DynamoDB cannot hold: NaN, infinity, a number
                of over 38 digits; names the column.
        """
        metrics.ROWS_MADE.counter().inc(rows.batch.num_rows)
        columns = [column.to_pylist() for column in rows.batch.columns]
        for values in zip(*columns, strict=True):
            yield Item(item_of_row(self._names, values))


def item_of_row(names: Sequence[str], values: Sequence[Any]) -> bytes:
    """Returns a row as an item's wire bytes.

    A DOUBLE becomes the shortest decimal that reads back as it; dates and times are
    texts.

    >>> item_of_row(["id", "n", "gone"], ["x", 0.1, None])
    b'{"id":{"S":"x"},"n":{"N":"0.1"}}'

    Raises:
        JobStoppedError: as `RowsToItems.process` says.
    """
    pairs = zip(names, values, strict=True)
    try:
        return encode_item({n: _value(v, n) for n, v in pairs if v is not None})
    except AttributeValueError as error:
        raise JobStoppedError(
            f"a row cannot be an item: {error}; cast or round it in the query"
        ) from error


def _value(value: Any, name: str) -> Any:
    match value:
        case bool():
            return value
        case float() if not math.isfinite(value):
            raise AttributeValueError(f"attribute {name!r}: DynamoDB has no {value}")
        case float():
            return Decimal(repr(value))
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            return [_value(each, name) for each in value]
        case dict():
            return {key: _value(each, name) for key, each in value.items()}
        case _:
            return value
