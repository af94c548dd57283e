"""Our conditions against dynoxide's: the same items kept?

    python -m tests.dynamodb.expressions.differential --cases 20000

Each round fills a table with generated items and scans it once for each generated
condition, sent as the FilterExpression that `to_service` gives. One case is one
condition over all the items of its table. Ends with 1 if a case disagrees, and writes
build/expressions.json.
"""

import argparse
import contextlib
import http.client
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import hypothesis
import msgspec
from hypothesis import strategies as st

from pipelines.demo.engines import DynoxideEngine
from tests.dynamodb.expressions import strategies
from transforms.dynamodb.expressions import Condition, ServiceExpression
from transforms.dynamodb.expressions.syntax import Node

REGION = "eu-west-1"
ITEMS_A_TABLE = 40
CONDITIONS_A_TABLE = 500
KEY = "key"

_Item = Mapping[str, Mapping[str, Any]]
_Drawn = TypeVar("_Drawn")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A condition of which the service keeps other items than we do."""

    expression: ServiceExpression
    only_ours: list[_Item]
    only_theirs: list[_Item]
    refusal: str = ""


class Service:
    """Just enough of a client: no signature, no retries, loopback only."""

    def __init__(self, endpoint_url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(endpoint_url).netloc)

    def close(self) -> None:
        self._connection.close()

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/"
            f"{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        }
        self._connection.request("POST", "/", msgspec.json.encode(body), headers)
        reply = json.loads(self._connection.getresponse().read())
        if "__type" in reply:
            raise RefusedError(reply.get("message") or reply.get("Message"))
        return dict(reply)

    def fill(self, table: str, items: Sequence[_Item]) -> None:
        """Makes a table of the items; an item's key is its place in the list."""
        self.call(
            "CreateTable",
            {
                "TableName": table,
                "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "N"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        for place, item in enumerate(items):
            keyed = {**item, KEY: {"N": str(place)}}
            self.call("PutItem", {"TableName": table, "Item": keyed})

    def kept(self, table: str, expression: ServiceExpression) -> set[int]:
        """Scans with the filter; gives the places of the items it keeps."""
        request = {
            "TableName": table,
            "FilterExpression": expression.expression,
            "ExpressionAttributeNames": dict(expression.names),
            "ExpressionAttributeValues": json.loads(expression.values or "{}"),
        }
        sent = {name: part for name, part in request.items() if part}
        reply = self.call("Scan", sent)
        return {int(item[KEY]["N"]) for item in reply["Items"]}


class RefusedError(Exception):
    """The service takes the request for invalid."""


@contextlib.contextmanager
def connected() -> Iterator[Service]:
    """Runs a dynoxide of its own."""
    with (
        DynoxideEngine([REGION]) as engine,
        contextlib.closing(Service(engine.endpoint_url(REGION))) as service,
    ):
        yield service


def compare(service: Service, cases: int, seed: int) -> Iterator[Disagreement | None]:
    """Yields the outcome of each case, None where we agree."""
    done = 0
    while done < cases:
        table = f"differential-{seed}"
        items = draw(strategies.items, ITEMS_A_TABLE, seed)
        service.fill(table, items)
        nodes = draw(strategies.nodes, min(CONDITIONS_A_TABLE, cases - done), seed)
        for node in nodes:
            yield compare_one(service, table, items, node)
        service.call("DeleteTable", {"TableName": table})
        done += len(nodes)
        seed += 1


def compare_one(
    service: Service, table: str, items: Sequence[_Item], node: Node
) -> Disagreement | None:
    condition = Condition("", node)
    expression = condition.to_service()
    matches = condition.compile()
    ours = {
        place
        for place, item in enumerate(items)
        if matches(msgspec.json.encode({**item, KEY: {"N": str(place)}}))
    }
    try:
        theirs = service.kept(table, expression)
    except RefusedError as error:
        return Disagreement(expression, [], [], str(error))
    if ours == theirs:
        return None
    return Disagreement(
        expression,
        [items[place] for place in sorted(ours - theirs)],
        [items[place] for place in sorted(theirs - ours)],
    )


def draw(strategy: st.SearchStrategy[_Drawn], count: int, seed: int) -> list[_Drawn]:
    """Gives examples as Hypothesis makes them for tests, the same for one seed."""
    drawn: list[_Drawn] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        phases=[hypothesis.Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(example: _Drawn) -> None:
        drawn.append(example)

    collect()
    return drawn


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("build/expressions.json"))
    options = parser.parse_args(arguments)
    with connected() as service:
        outcomes = list(compare(service, options.cases, options.seed))
    disagreements = [outcome for outcome in outcomes if outcome is not None]
    for disagreement in disagreements[:20]:
        print(disagreement)  # noqa: T201
    report = {
        "cases": len(outcomes),
        "agreeing": len(outcomes) - len(disagreements),
        "disagreeing": len(disagreements),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report) + "\n")
    print(json.dumps(report))  # noqa: T201
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
