"""Exports made by the service: asked for, waited for, and found on S3.

ExportTableToPointInTime reads a table's continuous backups, not the table: no read
unit is spent. An incremental export has what changed between two moments.
Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
"""

import posixpath
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from transforms.archive.files import join
from transforms.archive.sources import Backup, find_backup, find_data_files
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.throttle.clock import Clock, SystemClock

__all__ = ["Exporter"]

# An export takes minutes whatever the size; it is asked for twice at first, then less.
_FIRST_WAIT_SECONDS = 0.5
_MOST_WAIT_SECONDS = 15.0
# Of one incremental export, by the service's documentation.
_LEAST_WINDOW_SECONDS = 15 * 60
_MOST_WINDOW_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Exporter:
    """Has the service export one table to one place.

    Args:
        table: point-in-time recovery must be on.
        to: ``s3://bucket/prefix``; each export gets a prefix of its own below it.
        transport: of the requests to DynamoDB.
        clock: waits for exports.
    """

    table: TableRef
    to: str
    transport: TransportConfig
    clock: Clock

    @classmethod
    def of(cls, table: TableRef, to: str, transport: TransportConfig) -> "Exporter":
        """Returns one that waits by the system's clock.

        Raises:
            UserError: `to` is no place on S3.
        """
        where = urlsplit(to)
        if where.scheme != "s3" or not where.netloc:
            raise UserError(
                f"--export-to {to!r}: give a place on S3, as s3://bucket/prefix"
            )
        return cls(table, to, transport, SystemClock())

    def check(self) -> None:
        """Refuses a table that cannot be exported.

        Raises:
            UserError: it has no point-in-time recovery; says how to turn it on.
        """
        reply = worker_loop().run(
            self._client.ask("DescribeContinuousBackups", TableName=self._wire_name)
        )
        backups = reply["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            raise UserError(
                f"{self.table.display} has no point-in-time recovery, which an export "
                "needs; turn it on by: aws dynamodb update-continuous-backups "
                f"--region {self.table.region} --table-name {self._wire_name} "
                "--point-in-time-recovery-specification "
                "PointInTimeRecoveryEnabled=true, or copy without --via-export"
            )

    def full(self) -> tuple[Backup, float]:
        """Exports the table as it is now; returns the export, and when that was.

        Raises:
            JobStoppedError: the export failed.
        """
        asked_at = self.clock.wall()
        found, export = self._export({})
        return found, float(export.get("ExportTime", asked_at))

    def changes(self, since: float) -> list[Backup]:
        """Exports what changed from a moment until now, a day at most an export.

        Waits where that is less than the service exports.

        Args:
            since: seconds since the epoch.

        Raises:
            JobStoppedError: an export failed.
        """
        least = since + _LEAST_WINDOW_SECONDS
        if (missing := least - self.clock.wall()) > 0:
            print(
                f"changes are exported by {_LEAST_WINDOW_SECONDS // 60} minutes at "
                f"least: waiting {missing / 60:.0f} min",
                flush=True,
            )
            worker_loop().run(self.clock.sleep(missing))
        return [
            self._export(
                {
                    "ExportType": "INCREMENTAL_EXPORT",
                    "IncrementalExportSpecification": {
                        "ExportFromTime": int(begin),
                        "ExportToTime": int(end),
                        "ExportViewType": "NEW_IMAGE",
                    },
                }
            )[0]
            for begin, end in _windows(since, self.clock.wall())
        ]

    @property
    def _client(self) -> DynamoDBClient:
        return client_for(self.table, self.transport)

    @property
    def _wire_name(self) -> str:
        return self.table.wire_name

    def _export(self, what: dict[str, Any]) -> tuple[Backup, dict[str, Any]]:
        where = urlsplit(self.to)
        token = uuid.uuid4().hex
        # A prefix of its own, so that nothing else is taken for a part of it.
        prefix = posixpath.join(where.path.strip("/"), token)
        request = {
            "S3Bucket": where.netloc,
            "S3Prefix": prefix,
            "ExportFormat": "DYNAMODB_JSON",
            "ClientToken": token,
        }
        export = worker_loop().run(self._finished(request | what))
        bucket = f"s3://{where.netloc}"
        if export.get("ExportManifest"):
            directory = posixpath.dirname(export["ExportManifest"])
            return find_backup(join(bucket, directory)), export
        found = find_data_files(join(bucket, prefix))
        return replace(found, items=int(export.get("ItemCount", 0))), export

    async def _finished(self, request: dict[str, Any]) -> dict[str, Any]:
        """Returns the description of the finished export."""
        client, display = self._client, self.table.display
        table = await client.describe_table()
        reply = await client.ask(
            "ExportTableToPointInTime", TableArn=table.arn, **request
        )
        begun_at, wait_seconds = self.clock.monotonic(), _FIRST_WAIT_SECONDS
        while True:
            export: dict[str, Any] = reply["ExportDescription"]
            status = export["ExportStatus"]
            if status == "COMPLETED":
                print(f"export of {display}: completed", flush=True)
                return export
            if status != "IN_PROGRESS":
                raise JobStoppedError(
                    f"the export of {display} ended as {status}: "
                    f"{export.get('FailureCode')}: {export.get('FailureMessage')}"
                )
            minutes = (self.clock.monotonic() - begun_at) / 60
            print(f"export of {display}: in progress, {minutes:.0f} min", flush=True)
            await self.clock.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, _MOST_WAIT_SECONDS)
            reply = await client.ask("DescribeExport", ExportArn=export["ExportArn"])


def _windows(since: float, until: float) -> Iterator[tuple[float, float]]:
    """Cuts a time into parts that the service exports: none too short or too long.

    >>> list(_windows(0, 900)), list(_windows(0, 86_500))
    ([(0, 900)], [(0, 85600), (85600, 86500)])
    """
    while until - since > _MOST_WINDOW_SECONDS:
        end = min(since + _MOST_WINDOW_SECONDS, until - _LEAST_WINDOW_SECONDS)
        yield since, end
        since = end
    yield since, until
