"""An export made by the service: asked for, waited for, and found on S3."""

import posixpath
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from transforms.archive.files import join
from transforms.archive.sources import Backup, find_backup, find_data_files
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import BeamDynamoDBError, JobStoppedError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.throttle.clock import SystemClock

__all__ = ["export_table"]

# An export takes minutes whatever the size; it is asked for twice at first, then less.
_FIRST_WAIT_SECONDS = 0.5
_MOST_WAIT_SECONDS = 15.0


def export_table(table: TableRef, to: str, transport: TransportConfig) -> Backup:
    """Has the service export a table as it is now, and returns the export.

    Args:
        table: point-in-time recovery must be on.
        to: ``s3://bucket/prefix``.
        transport: of the requests to DynamoDB.

    Raises:
        UserError: `to` is no such path, or there is no point-in-time recovery.
        JobStoppedError: the export failed.
    """
    where = urlsplit(to)
    if where.scheme != "s3" or not where.netloc:
        raise UserError(
            f"--export-to {to!r}: give a place on S3, as s3://bucket/prefix"
        )
    client = client_for(table, transport)
    # A prefix of its own, so that nothing else is taken for a part of it.
    token = uuid.uuid4().hex
    prefix = posixpath.join(where.path.strip("/"), token)
    export = worker_loop().run(_export(client, where.netloc, prefix, token))
    if export.get("ExportManifest"):
        directory = posixpath.dirname(export["ExportManifest"])
        return find_backup(join(f"s3://{where.netloc}", directory))
    found = find_data_files(join(f"s3://{where.netloc}", prefix))
    return replace(found, items=int(export.get("ItemCount", 0)))


async def _export(
    client: DynamoDBClient, bucket: str, prefix: str, token: str
) -> dict[str, Any]:
    """Returns the description of the finished export."""
    table = await client.describe_table()
    try:
        reply = await client.ask(
            "ExportTableToPointInTime",
            TableArn=table.arn,
            S3Bucket=bucket,
            S3Prefix=prefix,
            ExportFormat="DYNAMODB_JSON",
            ClientToken=token,
        )
    except BeamDynamoDBError as error:
        if "PointInTimeRecovery" not in str(error):
            raise
        raise UserError(
            f"{client.table.display} has no point-in-time recovery, which an export "
            "needs; turn it on, or copy the table without --via-export"
        ) from error
    wait_seconds = _FIRST_WAIT_SECONDS
    while True:
        export: dict[str, Any] = reply["ExportDescription"]
        status = export["ExportStatus"]
        if status == "COMPLETED":
            print(f"export of {client.table.display}: completed", flush=True)
            return export
        if status != "IN_PROGRESS":
            raise JobStoppedError(
                f"the export of {client.table.display} ended as {status}: "
                f"{export.get('FailureCode')}: {export.get('FailureMessage')}"
            )
        print(f"export of {client.table.display}: in progress", flush=True)
        await SystemClock().sleep(wait_seconds)
        wait_seconds = min(2 * wait_seconds, _MOST_WAIT_SECONDS)
        reply = await client.ask("DescribeExport", ExportArn=export["ExportArn"])
