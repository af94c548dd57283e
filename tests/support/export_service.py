"""moto's DynamoDB behind a proxy that makes incremental exports, which moto does not.

ExportTableToPointInTime of that type writes the changes that a test has given, in the
layout that AWS documents, to moto's S3; all other requests go to moto.
"""

import gzip
import hashlib
import http.client
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from tests.support.http_server import QuietHandler, serving

__all__ = ["ExportService", "export_service"]

_TARGET = "x-amz-target"
_DOCUMENTED = "2023-08-01"


class ExportService:
    """What the proxy was asked, and what it exports.

    Attributes:
        url: of DynamoDB, with incremental exports.
        changes: lines of the next incremental export.
        asked: the requests for exports, in their order.
    """

    def __init__(self, store: Any, changes: Callable[[], Sequence[bytes]]) -> None:
        self.url = ""
        self.changes = changes
        self.asked: list[dict[str, Any]] = []
        self._store = store
        self._described: dict[str, dict[str, Any]] = {}

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the reply to what moto does not know; None for all else."""
        if operation == "DescribeExport" and request["ExportArn"] in self._described:
            return self._described[request["ExportArn"]]
        if operation != "ExportTableToPointInTime":
            return None
        self.asked.append(request)
        if request.get("ExportType") != "INCREMENTAL_EXPORT":
            return None
        arn = f"{request['TableArn']}/export/01-{len(self.asked)}"
        manifest = self._write(arn, request, list(self.changes()))
        begun = {"ExportArn": arn, "ExportStatus": "IN_PROGRESS"}
        done = begun | {"ExportStatus": "COMPLETED", "ExportManifest": manifest}
        self._described[arn] = {"ExportDescription": done}
        return {"ExportDescription": begun}

    def _write(self, arn: str, request: dict[str, Any], lines: list[bytes]) -> str:
        root = f"{request['S3Prefix']}/AWSDynamoDB"
        directory, data = f"{root}/{arn.rpartition('/')[2]}", f"{root}/data/a.json.gz"
        packed = gzip.compress(b"".join(line + b"\n" for line in lines))
        window = request["IncrementalExportSpecification"]
        entry = {
            "itemCount": len(lines),
            "md5Checksum": _md5(packed),
            "etag": "af83d6f217c19b8b0fff8023d8ca4716-1",
            "dataFileS3Key": data,
        }
        summary = {
            "version": _DOCUMENTED,
            "exportArn": arn,
            "tableArn": request["TableArn"],
            "itemCount": len(lines),
            "outputFormat": request["ExportFormat"],
            "exportType": "INCREMENTAL_EXPORT",
            "exportFromTime": _iso(window["ExportFromTime"]),
            "exportToTime": _iso(window["ExportToTime"]),
            "outputView": window["ExportViewType"],
        }
        files = {data: packed, f"{directory}/_started": b""}
        for name, said in (("manifest-files", entry), ("manifest-summary", summary)):
            text = (json.dumps(said) + "\n").encode()
            files[f"{directory}/{name}.json"] = text
            files[f"{directory}/{name}.md5"] = _md5(text).encode()
        for key, body in files.items():
            self._store.put_object(Bucket=request["S3Bucket"], Key=key, Body=body)
        return f"{directory}/manifest-summary.json"


def _md5(data: bytes) -> str:
    return b64encode(hashlib.md5(data).digest()).decode()


def _iso(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


@contextmanager
def export_service(
    behind: str, store: Any, changes: Callable[[], Sequence[bytes]]
) -> Iterator[ExportService]:
    """Runs the proxy in threads of this process.

    Args:
        behind: URL of moto.
        store: a boto3 client of its S3.
        changes: makes the lines of an incremental export, when it is asked for.
    """
    service = ExportService(store, changes)
    target = urlsplit(behind)
    assert target.hostname is not None
    host, port = target.hostname, target.port

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # noqa: N802 (the name that http.server calls)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            operation = self.headers.get(_TARGET, "").rpartition(".")[2]
            own = service.answer(operation, json.loads(body))
            if own is not None:
                self.reply(200, {}, json.dumps(own).encode())
                return
            upstream = http.client.HTTPConnection(host, port, timeout=30)
            upstream.request("POST", self.path, body, dict(self.headers))
            reply = upstream.getresponse()
            headers = {
                name: value
                for name, value in reply.getheaders()
                if name.lower().startswith("x-amz")
            }
            self.reply(reply.status, headers, reply.read())
            upstream.close()

        def reply(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with serving(Handler) as place:
        service.url = f"http://{place}"
        yield service
