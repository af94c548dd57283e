"""Empties a table: every key scanned, every key deleted, at the route's rate."""

import apache_beam as beam

from pipelines.beam_flags import check_beam_flags
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.transport import TransportConfig
from transforms.routes import Route
from transforms.scan import ReadFromDynamoDB
from transforms.write import WriteToDynamoDB

__all__ = ["truncate"]


def truncate(route: Route, transport: TransportConfig) -> None:
    """Deletes every item of a route's table, in this process. Blocking.

    Raises:
        JobStoppedError: a key could not be deleted; those before it are.
    """
    table = worker_loop().run(client_for(route.target, transport).describe_table())
    options = check_beam_flags([], frozenset())
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Scan the keys"
            >> ReadFromDynamoDB(
                route.target, projection=list(table.keys.names), transport=transport
            )
            | "Delete them"
            >> WriteToDynamoDB(
                route.target,
                write=route.write,
                mode="delete",
                keys_unique=True,
                transport=transport,
            )
        )
