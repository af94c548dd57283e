"""Opens a route's target for writing, in the process that writes."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transforms.batch_writer import BatchWriter
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.keys import KeyDecoder
from transforms.dynamodb.transport import TransportConfig
from transforms.routes import Route
from transforms.single_writer import SingleWriter
from transforms.throttle.clock import SystemClock
from transforms.throttle.limiter import Limiter
from transforms.writer_lanes import LaneWriter

__all__ = ["Target"]

MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024
"""Per route and worker; above it the scan waits."""


@dataclass(frozen=True, slots=True)
class Target:
    """A route's table, as this process has opened it. Does not travel.

    Attributes:
        route: the route; its mode decides how items are written.
        client: of the table.
        keys: reads the table's keys.
        limiter: of the table's writes.
        transport: how long requests are tried.
    """

    route: Route
    client: DynamoDBClient
    keys: KeyDecoder
    limiter: Limiter
    transport: TransportConfig

    def make_writer(
        self,
        *,
        keys_unique: bool,
        keeps_superseded: bool = False,
        on_finished: Callable[[], object] | None = None,
    ) -> LaneWriter:
        """Returns a writer with nothing in flight.

        Args:
            keys_unique: no two items that it is given have one key.
            keeps_superseded: its outcomes hold the items that gave way.
            on_finished: called, on any thread, when one of them is complete.
        """
        lanes = (self.client, self.limiter, worker_loop().loop)
        options: dict[str, Any] = {
            "clock": SystemClock(),
            "rng": random.Random(),  # noqa: S311  # jitter, no secret
            "keys": self.keys,
            "keys_unique": keys_unique,
            "keeps_superseded": keeps_superseded,
            "on_finished": on_finished,
            "max_bytes_in_flight": MAX_BYTES_IN_FLIGHT,
            "deadline_seconds": self.transport.deadline_seconds,
        }
        match self.route.mode:
            case "overwrite" | "delete" as mode:
                return BatchWriter(*lanes, deletes=mode == "delete", **options)
            case mode:
                newer_by = self.route.newer_by or ""
                return SingleWriter(*lanes, mode=mode, newer_by=newer_by, **options)
