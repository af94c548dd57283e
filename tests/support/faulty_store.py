"""An S3 that refuses: moto's behind a proxy which answers some requests itself."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.support.http_server import QuietHandler, serving

__all__ = ["FaultyStore", "faulty_store", "is_list", "is_read", "is_write"]

_ERROR = (
    "<?xml version='1.0'?><Error><Code>{}</Code><Message>by the test</Message></Error>"
)
_KEPT_HEADERS = ("content-type", "etag", "last-modified", "content-range")


# S3 says where the bucket is when it is not here.
_REGION = {"x-amz-bucket-region": "ap-south-1"}

Kind = Callable[[str, str], bool]
"""Tells by method and path whether a request is one of those to be refused."""


def is_write(method: str, _: str) -> bool:
    """Uploads and moves."""
    return method in ("POST", "PUT")


def is_list(method: str, path: str) -> bool:
    """What is in a bucket."""
    return method == "GET" and "list-type=" in path


def is_read(method: str, path: str) -> bool:
    """An object, or whether there is one."""
    return method in ("GET", "HEAD") and not is_list(method, path)


class FaultyStore:
    """Answers requests of one kind with an error, so many times.

    Attributes:
        url: where it listens.
        refusals: how many are still refused; the others reach the store.
        refused: how many were.
    """

    def __init__(self, status: int, code: str, refusals: int, kind: Kind) -> None:
        self.url = ""
        self.status, self.code, self.refusals = status, code, refusals
        self.kind = kind
        self.refused = 0
        self.lock = threading.Lock()

    def refuses(self, method: str, path: str) -> bool:
        with self.lock:
            if not self.refusals or not self.kind(method, path):
                return False
            self.refusals -= 1
            self.refused += 1
            return True


@contextmanager
def faulty_store(
    behind: str, status: int, code: str, refusals: int, kind: Kind = is_write
) -> Iterator[FaultyStore]:
    """Runs the proxy in threads of this process.

    Args:
        behind: URL of the store that works.
        status, code: what is answered.
        refusals: how many requests are refused.
        kind: of which kind they are.
    """
    store = FaultyStore(status, code, refusals, kind)
    target = urlsplit(behind)
    assert target.hostname is not None
    host, port = target.hostname, target.port

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if store.refuses(self.command, self.path):
                text = _ERROR.format(store.code).encode()
                told = _REGION if store.status in (301, 400) else {}
                self.reply(store.status, told, b"" if self.command == "HEAD" else text)
                return
            upstream = http.client.HTTPConnection(host, port, timeout=30)
            upstream.request(self.command, self.path, body, dict(self.headers))
            reply = upstream.getresponse()
            kept = {
                name: value
                for name, value in reply.getheaders()
                if name.lower() in _KEPT_HEADERS
            }
            size = reply.getheader("Content-Length")
            data = reply.read()
            self.reply(reply.status, kept, data, size)
            upstream.close()

        def reply(
            self,
            status: int,
            headers: dict[str, str],
            data: bytes,
            size: str | None = None,
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header(
                "Content-Length", (size if not data else None) or str(len(data))
            )
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    with serving(Handler) as place:
        store.url = f"http://{place}"
        yield store
