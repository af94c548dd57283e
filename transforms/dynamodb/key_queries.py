"""Partition keys that a WHERE names: read by Query, instead of a scan of everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from transforms.dynamodb.client import DynamoDBClient, Meter
from transforms.dynamodb.expressions import ServiceExpression
from transforms.dynamodb.expressions.compilation import attributes_of
from transforms.dynamodb.expressions.rendering import render_condition
from transforms.dynamodb.expressions.syntax import (
    BeginsWith,
    Between,
    Comparison,
    In,
    Literal,
    Node,
    Path,
    conjunction,
)
from transforms.dynamodb.operations import ScanPage, parse_scan_page
from transforms.dynamodb.tables import KeySchema

__all__ = ["KeyConditions", "KeyQueryClient", "KeyRequest", "find_keys"]


@dataclass(frozen=True, slots=True)
class KeyConditions:
    """The Queries that read all that a WHERE can be true of.

    Attributes:
        queries: a KeyConditionExpression each; no item is in two of them.
        rest: the terms that are left for a FilterExpression, which must not name a
            key attribute; None if there are none.
        exact: True if no term had to be left out of both.
    """

    queries: tuple[ServiceExpression, ...]
    rest: Node | None
    exact: bool


def find_keys(terms: Sequence[Node], keys: KeySchema) -> KeyConditions | None:
    """Returns the Queries that the terms of an AND allow; None if a Scan is needed.

    >>> from transforms.dynamodb.tables import KeyAttribute
    >>> from transforms.dynamodb.expressions.syntax import literal
    >>> term = Comparison("=", Path("id"), literal({"S": "x"}))
    >>> find_keys([term], KeySchema(KeyAttribute("id", "S"), None)).queries[
    ...     0
    ... ].expression
    '#k0 = :k0'
    """
    partition = next(
        (t for t in terms if _is_equality(t, keys.partition_key.name)), None
    )
    if partition is None:
        return None
    sort_name = keys.sort_key.name if keys.sort_key else None
    sort = next((t for t in terms if _is_range(t, sort_name)), None)
    others = [term for term in terms if term not in (partition, sort)]
    free = [term for term in others if not attributes_of(term) & set(keys.names)]
    path = Path(keys.partition_key.name)
    queries = tuple(
        render_condition(
            conjunction(
                Comparison("=", path, value), *([] if sort is None else [sort])
            ),
            prefix="k",
        )
        for value in _values(partition)
    )
    return KeyConditions(
        queries, conjunction(*free) if free else None, len(free) == len(others)
    )


def _is_equality(term: Node, name: str) -> bool:
    match term:
        case Comparison("=", Path(attribute, ()), Literal()):
            return attribute == name
        case In(Path(attribute, ()), choices):
            return attribute == name and all(isinstance(c, Literal) for c in choices)
        case _:
            return False


def _values(term: Node) -> tuple[Any, ...]:
    if isinstance(term, In):
        return term.choices
    assert isinstance(term, Comparison)
    return (term.right,)


def _is_range(term: Node, name: str | None) -> bool:
    match term:
        case Comparison(comparator, Path(attribute, ()), Literal()):
            return comparator != "<>" and attribute == name
        case Between(Path(attribute, ()), Literal(), Literal()):
            return attribute == name
        case BeginsWith(Path(attribute, ()), Literal()):
            return attribute == name
        case _:
            return False


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """One page of one Query of several (API_Query); stands where a ScanRequest does.

    Attributes:
        table: the table's wire name.
        queries: the key conditions; `segment` says which.
        segment: see above.
        start_key: the last page's LastEvaluatedKey as JSON; None at the start.
        page_limit: items to evaluate at most; None for a full 1 MB.
        consistent: read strongly, at twice the cost.
        projection: the attributes to return.
        filter: what the service leaves out after having charged for it.
        counts_only: ask for the number of items alone.
    """

    table: str
    queries: tuple[ServiceExpression, ...]
    segment: int = 0
    start_key: bytes | None = None
    page_limit: int | None = None
    consistent: bool = False
    projection: ServiceExpression | None = None
    filter: ServiceExpression | None = None
    counts_only: bool = False

    def body(self) -> bytes:
        """Returns the request's body."""
        query = self.queries[self.segment]
        parts = [part for part in (query, self.filter, self.projection) if part]
        values: dict[str, msgspec.Raw] = {}
        for part in parts:
            if part.values:
                values |= msgspec.json.decode(part.values, type=dict[str, msgspec.Raw])
        fields: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": query.expression,
            "ExpressionAttributeNames": dict(pair for p in parts for pair in p.names),
            "ExpressionAttributeValues": values,
            "ReturnConsumedCapacity": "INDEXES",
        }
        if self.filter is not None:
            fields["FilterExpression"] = self.filter.expression
        if self.projection is not None:
            fields["ProjectionExpression"] = self.projection.expression
        if self.start_key is not None:
            fields["ExclusiveStartKey"] = msgspec.Raw(self.start_key)
        if self.page_limit is not None:
            fields["Limit"] = self.page_limit
        if self.consistent:
            fields["ConsistentRead"] = True
        if self.counts_only:
            fields["Select"] = "COUNT"
        return msgspec.json.encode(fields)


class KeyQueryClient:
    """Reads pages of Queries as a `SegmentReader` asks for those of a scan."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client

    async def scan_page(self, request: Any, *, meter: Meter | None = None) -> ScanPage:
        """Returns one page; raises as `DynamoDBClient.call` does."""
        body = request.body()
        reply = await self._client.call("Query", body, meter=meter)
        return parse_scan_page(reply, filtered=request.filter is not None)
