"""A table that keeps state, and fails on demand: BatchWriteItem over a dict.

Faults must come at an exact place, which no engine offers. What it does without them
is held to what the engines do by tests/write/test_batch_write_contract.py.
"""

import asyncio
import json
import random

from transforms.batch_requests import MAX_ITEMS_PER_REQUEST
from transforms.dynamodb.errors import (
    DuplicateKeysError,
    ItemRejectedError,
    JobStoppedError,
)
from transforms.dynamodb.keys import KeyDecoder
from transforms.dynamodb.tables import KeyAttribute, KeySchema, TableRef

__all__ = ["DECODER", "SCHEMA", "FakeTable", "item"]

SCHEMA = KeySchema(KeyAttribute("id", "S"), None)
DECODER = KeyDecoder(SCHEMA)


def item(key, value=0):
    return json.dumps({"id": {"S": key}, "v": {"N": str(value)}}).encode()


class FakeTable:
    """BatchWriteItem over a dict; refuses bad items, leaves some unprocessed."""

    table = TableRef("tbl", region="eu-west-1")

    def __init__(self, rng=None, unprocessed_share=0.0):
        self.items = {}
        self.rng = rng or random.Random(1)
        self.unprocessed_share = unprocessed_share
        self.requests = 0
        self.in_flight = self.peak_in_flight = 0
        self.stop_with = None
        self.stop_after = None
        self.gate = None
        self.gates = {}
        self.yields = True
        self.key_of_keyless = None

    async def call(self, operation, body, *, meter=None):
        assert operation == "BatchWriteItem"
        self.requests += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.yields:
                await asyncio.sleep(0)
            if self.stop_with is not None:
                raise self.stop_with
            if self.stop_after is not None and self.requests > self.stop_after:
                raise JobStoppedError(f"stopped after {self.stop_after} requests")
            requests = json.loads(body)["RequestItems"]["tbl"]
            for request in requests:
                if self._key(request) in self.gates:
                    await self.gates[self._key(request)].wait()
            return self._write(requests)
        finally:
            self.in_flight -= 1

    def _write(self, requests):
        assert 1 <= len(requests) <= MAX_ITEMS_PER_REQUEST
        keys = [self._key(request) for request in requests]
        if len(set(keys)) < len(keys):
            raise DuplicateKeysError("contains duplicates", "ValidationException")
        if any("bad" in key or key == self.key_of_keyless for key in keys):
            raise ItemRejectedError("a value is bad", "ValidationException")
        left = []
        for key, request in zip(keys, requests, strict=True):
            if self.rng.random() < self.unprocessed_share:
                left.append(request)
            elif "PutRequest" in request:
                self.items[key] = request["PutRequest"]["Item"]["v"]["N"]
            else:
                self.items.pop(key, None)
        reply = {
            "UnprocessedItems": {"tbl": left} if left else {},
            "ConsumedCapacity": [{"CapacityUnits": float(len(requests) - len(left))}],
        }
        return json.dumps(reply).encode()

    def _key(self, request):
        put = request.get("PutRequest", {}).get("Item")
        key = request["DeleteRequest"]["Key"] if put is None else put
        return key["id"]["S"] if "id" in key else self.key_of_keyless
