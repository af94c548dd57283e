"""Reads DynamoDB tables once and writes them to several regions, on Apache Beam.

This is the public API; what other modules hold may change without notice. Nothing is
asked of AWS before the pipeline runs.

>>> import apache_beam as beam
>>> from transforms import Rate, ReadFromDynamoDB, Route, TableRef, WriteToRegions
>>> pipeline = beam.Pipeline()
>>> items = pipeline | "Scan Ireland" >> ReadFromDynamoDB(
...     TableRef("testtable", region="eu-west-1"), read=Rate.percent(10)
... )
>>> late = items | "Late" >> beam.Filter(lambda item: item["value"] > 60)
>>> results = late | "Copy to the US" >> WriteToRegions(
...     [
...         Route(
...             name="oregon",
...             target=TableRef("kgpai.uswest.test", region="us-west-2"),
...             filter="day >= '2013-06-01'",
...             columns={"uuid_hash": "uuid_hash", "day": "day", "value": "minutes"},
...             write=Rate.percent(40),
...         ),
...         Route(
...             name="virginia",
...             target=TableRef("kgpai.useast.test", region="us-east-1"),
...             write=Rate.units(500),
...         ),
...     ],
...     on_reject="collect",
... )
>>> sorted(results)
['oregon', 'virginia']
>>> rejected, receipts = results["oregon"].rejected, results["oregon"].written

What flows is an `Item`: the bytes that came over the wire, read as a Mapping.

>>> from transforms import Item
>>> item = Item(b'{"day": {"S": "2013-06-01"}, "value": {"N": "1.50"}}')
>>> item["value"], dict(item) == {"day": "2013-06-01", "value": item["value"]}
(Decimal('1.50'), True)

Mistakes are told when a transform is made:

>>> Route(name="oregon", target=TableRef("birds", "us-west-2"), filter="day >> 1")
Traceback (most recent call last):
  ...
transforms.dynamodb.errors.ExpressionError: ...
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors; at run time see __getattr__
    from transforms.archive.exports import (
        ReadFromDynamoDBExport as ReadFromDynamoDBExport,
    )
    from transforms.archive.exports import (
        WriteToDynamoDBExport as WriteToDynamoDBExport,
    )
    from transforms.archive.write_backup import BackupResult as BackupResult
    from transforms.dynamodb.attribute_values import (
        AttributeValueError as AttributeValueError,
    )
    from transforms.dynamodb.attribute_values import Value as Value
    from transforms.dynamodb.errors import BeamDynamoDBError as BeamDynamoDBError
    from transforms.dynamodb.errors import ExpressionError as ExpressionError
    from transforms.dynamodb.errors import ItemRejectedError as ItemRejectedError
    from transforms.dynamodb.errors import JobStoppedError as JobStoppedError
    from transforms.dynamodb.errors import UserError as UserError
    from transforms.dynamodb.expressions import Condition as Condition
    from transforms.dynamodb.expressions import parse_condition as parse_condition
    from transforms.dynamodb.tables import KeyAttribute as KeyAttribute
    from transforms.dynamodb.tables import KeySchema as KeySchema
    from transforms.dynamodb.tables import TableRef as TableRef
    from transforms.dynamodb.transport import TransportConfig as TransportConfig
    from transforms.items import Item as Item
    from transforms.items import ItemBatch as ItemBatch
    from transforms.items import Origin as Origin
    from transforms.mapping import ItemMapping as ItemMapping
    from transforms.mapping import parse_mapping as parse_mapping
    from transforms.push_down import demand_of as demand_of
    from transforms.query.query_items import QueryItems as QueryItems
    from transforms.receipts import Receipt as Receipt
    from transforms.receipts import RejectedItem as RejectedItem
    from transforms.routes import Route as Route
    from transforms.run_context import RunContext as RunContext
    from transforms.scan import ReadFromDynamoDB as ReadFromDynamoDB
    from transforms.selection import Selection as Selection
    from transforms.spool import Isolation as Isolation
    from transforms.throttle.rate import Rate as Rate
    from transforms.throttle.rate import RateError as RateError
    from transforms.write import FilterAndMapItems as FilterAndMapItems
    from transforms.write import WriteRejected as WriteRejected
    from transforms.write import WriteResult as WriteResult
    from transforms.write import WriteToDynamoDB as WriteToDynamoDB
    from transforms.write import WriteToRegions as WriteToRegions

__all__ = [
    "AttributeValueError",
    "BackupResult",
    "BeamDynamoDBError",
    "Condition",
    "ExpressionError",
    "FilterAndMapItems",
    "Isolation",
    "Item",
    "ItemBatch",
    "ItemMapping",
    "ItemRejectedError",
    "JobStoppedError",
    "KeyAttribute",
    "KeySchema",
    "Origin",
    "QueryItems",
    "Rate",
    "RateError",
    "ReadFromDynamoDB",
    "ReadFromDynamoDBExport",
    "Receipt",
    "RejectedItem",
    "Route",
    "RunContext",
    "Selection",
    "TableRef",
    "TransportConfig",
    "UserError",
    "Value",
    "WriteRejected",
    "WriteResult",
    "WriteToDynamoDB",
    "WriteToDynamoDBExport",
    "WriteToRegions",
    "demand_of",
    "parse_condition",
    "parse_mapping",
]

# This file runs before any module of the package does, those without Beam included,
# and Beam takes seconds to import: each name is looked up when somebody asks for it.
_MODULES = {
    "transforms.archive.exports": ("ReadFromDynamoDBExport", "WriteToDynamoDBExport"),
    "transforms.archive.write_backup": ("BackupResult",),
    "transforms.dynamodb.attribute_values": ("AttributeValueError", "Value"),
    "transforms.dynamodb.errors": (
        "BeamDynamoDBError",
        "ExpressionError",
        "ItemRejectedError",
        "JobStoppedError",
        "UserError",
    ),
    "transforms.dynamodb.expressions": ("Condition", "parse_condition"),
    "transforms.dynamodb.tables": ("KeyAttribute", "KeySchema", "TableRef"),
    "transforms.dynamodb.transport": ("TransportConfig",),
    "transforms.items": ("Item", "ItemBatch", "Origin"),
    "transforms.mapping": ("ItemMapping", "parse_mapping"),
    "transforms.push_down": ("demand_of",),
    "transforms.query.query_items": ("QueryItems",),
    "transforms.receipts": ("Receipt", "RejectedItem"),
    "transforms.routes": ("Route",),
    "transforms.run_context": ("RunContext",),
    "transforms.scan": ("ReadFromDynamoDB",),
    "transforms.selection": ("Selection",),
    "transforms.spool": ("Isolation",),
    "transforms.throttle.rate": ("Rate", "RateError"),
    "transforms.write": (
        "FilterAndMapItems",
        "WriteRejected",
        "WriteResult",
        "WriteToDynamoDB",
        "WriteToRegions",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
