"""`python -m benchmarks.floor`: what an item costs at least, on this machine.

A copy has to receive a page, find its items, hash each request's body (a signature
does) and send it. Each part alone, over blocking sockets and one connection, with no
checksum, no signature but the hash, no headers parsed, no retries and no Beam.
"""

import hashlib
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.results import facts
from benchmarks.stub_server import ROOT, StubServer
from transforms.dynamodb.operations import batch_put_body

OUT = ROOT / "build" / "bench-floor.json"
PAGES, REQUESTS = 60, 4_000
TABLE_ITEMS = 10_000_000

_PAGE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


class _Connection:
    """One request and its reply after the other."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(2 << 20)

    def exchange(self, operation: str, body: bytes) -> memoryview:
        """Returns the reply's body: what follows the headers."""
        self._socket.sendall(
            f"POST / HTTP/1.1\r\nHost: stub\r\nX-Amz-Target: D.{operation}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        view = memoryview(self._buffer)
        received = self._socket.recv_into(view)
        start = self._buffer.index(b"\r\n\r\n", 0, received) + 4
        head = bytes(view[:start]).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while received < start + length:
            received += self._socket.recv_into(view[received:])
        return view[start : start + length]


def main() -> None:
    """Measures, prints and writes build/bench-floor.json."""
    with StubServer(service_time="0s") as stub:
        connection = _Connection(stub.facts["port"])
        scan = json.dumps({"TableName": f"bench-{TABLE_ITEMS}"}).encode()
        page = bytes(connection.exchange("Scan", scan))
        items = _ITEMS.decode(_PAGE.decode(page)["Items"])
        body = batch_put_body("target", items[:25])
        parts = {
            "receive a page": _cost(
                lambda: connection.exchange("Scan", scan), PAGES, len(items)
            ),
            "find its items": _cost(
                lambda: _ITEMS.decode(_PAGE.decode(page)["Items"]), PAGES, len(items)
            ),
            "join 25 to a body": _cost(
                lambda: batch_put_body("target", items[:25]), REQUESTS, 25
            ),
            "hash it": _cost(lambda: hashlib.sha256(body).digest(), REQUESTS, 25),
            "send it, read the reply": _cost(
                lambda: connection.exchange("BatchWriteItem", body), REQUESTS, 25
            ),
        }
    parts["in all"] = round(sum(parts.values()), 3)
    for name, cost in parts.items():
        print(f"{name:24} {cost:6.2f} µs an item")
    Path(OUT).parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({**facts(), "us_per_item": parts}, indent=1) + "\n")


def _cost(work: Callable[[], object], times: int, items: int) -> float:
    """Returns CPU µs per item: the best of five goes, as others use the machine."""
    goes = []
    for _ in range(5):
        before = time.process_time()
        for _ in range(times):
            work()
        goes.append(time.process_time() - before)
    return round(1e6 * min(goes) / times / items, 3)


if __name__ == "__main__":
    main()
