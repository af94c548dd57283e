"""One worker process of `make bench-throttle`: writes as fast as its rate lets it.

    python -m benchmarks.throttle_worker ENDPOINT TABLE PERCENT LEDGER NUMBER

Prints "ready" when everything is open, begins with the first line on stdin, and ends
when stdin does. The real writer, limiter and lease; only Beam is left out.
"""

import os
import random
import sys
import threading
from pathlib import Path

from transforms.batch_writer import BatchWriter
from transforms.dynamodb.client import client_for
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.keys import KeyDecoder
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.location import LedgerLocation
from transforms.limits import limiter_for
from transforms.run_context import RunContext
from transforms.throttle.clock import SystemClock
from transforms.throttle.rate import Rate

REGION = "us-west-2"
_ITEMS = 50  # a submission
_MAX_BYTES = 20_000  # in flight: enough to be held up by the rate alone


def main(endpoint: str, name: str, percent: str, ledger: str, number: str) -> None:
    """Writes until stdin ends."""
    table = TableRef(name, REGION, endpoint_url=endpoint)
    transport = TransportConfig()
    client = client_for(table, transport)
    description = worker_loop().run(client.describe_table())
    run = RunContext("bench", LedgerLocation(Path(ledger)))
    limiter = limiter_for(
        table,
        "write",
        Rate.percent(float(percent)),
        description,
        run=run,
        transport=transport,
    )
    writer = BatchWriter(
        client,
        limiter,
        worker_loop().loop,
        clock=SystemClock(),
        rng=random.Random(),
        keys=KeyDecoder(description.keys),
        keys_unique=True,
        max_bytes_in_flight=_MAX_BYTES,
    )
    print("ready", flush=True)
    sys.stdin.readline()
    ended = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    submission = 0
    while not ended.is_set():
        items = [
            b'{"id":{"S":"%s-%d-%d"},"text":{"S":"%s"}}'
            % (number.encode(), submission, place, b"x" * 150)
            for place in range(_ITEMS)
        ]
        writer.submit(items, submission)
        writer.take_finished()
        submission += 1
    sys.stdout.flush()
    os._exit(0)  # as a worker that is gone: nothing is given back


def _wait_for_the_end(ended: threading.Event) -> None:
    while sys.stdin.readline():
        pass
    ended.set()


if __name__ == "__main__":
    main(*sys.argv[1:])
