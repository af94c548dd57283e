"""Conservation under any schedule of faults: a state machine over the real writers.

Pages are begun, written through faults of any kind and order, and dropped half-way by
crashes; then they are read again. At the end the table holds each good item, and the
receipts count each page once: written or rejected, nothing lost, nothing twice.
"""

import random
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.fake_table import DECODER, FakeTable, item
from transforms.batch_writer import BatchWriter
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import ChecksumError, ConnectionLostError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.transport import Response
from transforms.ledger.page_book import PageBook, PageFacts
from transforms.ledger.receipts import (
    ReceiptWriter,
    page_digest,
    read_chains,
    total_of,
)
from transforms.ledger.run_record import RunRecord, keep_record
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.spool import Isolation, Spool
from transforms.spooled_writer import ItemWriter, SpooledWriter
from transforms.throttle.clock import HeldClock
from transforms.throttle.limiter import UnlimitedLimiter

RUN, ROUTE = "run-1", "oregon"
THROTTLED = b'{"__type":"x#ProvisionedThroughputExceededException","message":""}'
KINDS = ("throttled", "broken", "lost before", "lost after", "damaged")


class FaultyTransport:
    """The fake table, reached over a line on which anything may happen."""

    def __init__(self, table, rng):
        self.table, self.rng = table, rng
        self.share, self.kinds = 0.0, KINDS

    async def send(self, operation, body):
        fault = None
        if self.rng.random() < self.share:
            fault = self.rng.choice(self.kinds)
        if fault == "throttled":
            return Response(400, THROTTLED, {})
        if fault == "lost before":
            raise ConnectionLostError("closed before a reply")
        reply = await self.table.call(operation, body)
        if fault == "broken":
            return Response(500, b"{}", {})
        if fault == "lost after":
            raise ConnectionLostError("closed before a reply")
        if fault == "damaged":
            raise ChecksumError("does not fit its x-amz-crc32")
        return Response(200, reply, {})

    async def aclose(self):
        pass


class Conservation(RuleBasedStateMachine):
    isolation: Isolation | None = None

    def __init__(self):
        super().__init__()
        self.rng = random.Random(7)
        self.table = FakeTable(self.rng)
        self.transport = FaultyTransport(self.table, self.rng)
        self.directory = tempfile.TemporaryDirectory()
        self.store = SQLiteStore(Path(self.directory.name, "ledger.sqlite"))
        self.store.prepare()
        keep_record(self.store, RunRecord(RUN, "{}", "{}"))
        self.pages: list[list[bytes]] = []
        self.on_their_way: dict[int, list[bytes]] = {}
        self.expected: dict[str, str] = {}
        self.bad = 0
        self.begin_process()

    def begin_process(self):
        """What a worker has when it begins; nothing of an earlier one's."""
        clock = HeldClock(auto_advance=True)
        client = DynamoDBClient(
            FakeTable.table, self.transport, clock=clock, rng=random.Random(2)
        )
        lanes = BatchWriter(
            client,
            UnlimitedLimiter(),
            worker_loop().loop,
            clock=clock,
            rng=random.Random(3),
            keys=DECODER,
            keys_unique=True,
            max_bytes_in_flight=1_000,
        )
        self.writer: ItemWriter = lanes
        if self.isolation is not None:
            spool = Spool(self.isolation)
            self.writer = SpooledWriter(lanes, spool, lambda: False)
        receipts = ReceiptWriter(self.store, RUN, 1)
        self.book = PageBook(receipts, [ROUTE], clock=HeldClock())

    @rule(share=st.floats(0, 0.8), unprocessed=st.floats(0, 0.7))
    def change_the_weather(self, share, unprocessed):
        self.transport.share = share
        self.table.unprocessed_share = unprocessed

    @rule(good=st.integers(0, 60), bad=st.integers(0, 3))
    def read_a_page(self, good, bad):
        number = len(self.pages)
        names = [f"{number}-{n}" for n in range(good)]
        self.expected |= dict.fromkeys(names, str(number))
        names += [f"{number}-bad-{n}" for n in range(bad)]
        self.bad += bad
        self.rng.shuffle(names)
        self.pages.append([item(name, number) for name in names])
        self.submit(number)

    @rule()
    def settle_what_has_finished(self):
        self.settle(self.writer.take_finished())

    @rule()
    def crash(self):
        """The process is gone; its pages without a receipt are read again."""
        self.writer.close()
        self.begin_process()
        for number in sorted(self.on_their_way):
            self.submit(number)

    @invariant()
    def nothing_is_counted_that_is_not_there(self):
        counts = total_of(read_chains(self.store, RUN).values())
        assert counts.get(f"written/{ROUTE}", 0) <= len(self.table.items)

    def teardown(self):
        self.transport.share = self.table.unprocessed_share = 0.0
        self.settle(self.writer.drain())
        self.writer.close()
        assert not self.on_their_way
        assert self.table.items == self.expected
        counts = total_of(read_chains(self.store, RUN).values())
        assert counts.get("scanned", 0) == sum(map(len, self.pages))
        assert counts.get(f"written/{ROUTE}", 0) == len(self.expected)
        assert counts.get(f"rejected/{ROUTE}", 0) == self.bad
        self.store.close()
        self.directory.cleanup()

    def submit(self, number):
        wires = self.pages[number]
        self.on_their_way[number] = wires
        # Each page is a segment of its own: what is read again starts anew.
        facts = PageFacts(number, None, None, len(wires), {"scanned": len(wires)})
        self.book.begin(facts, begins_span=True)
        if wires:
            self.writer.submit(wires, number)
        else:
            del self.on_their_way[number]
        self.book.flush(at_once=True)

    def settle(self, outcomes):
        for outcome in outcomes:
            counts = {
                f"written/{ROUTE}": outcome.written,
                f"rejected/{ROUTE}": len(outcome.refused),
            }
            assert sum(counts.values()) == outcome.items
            first = page_digest(None)
            self.book.settle(outcome.token, first, ROUTE, outcome.items, counts)
            del self.on_their_way[outcome.token]
        self.book.flush(at_once=True)


class IsolatedConservation(Conservation):
    """The same through a spool, which is full at times."""

    isolation = Isolation(spool_bytes=3_000)


TestIsolatedConservation = IsolatedConservation.TestCase
TestIsolatedConservation.settings = settings(max_examples=25, stateful_step_count=25)
TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=40, stateful_step_count=25)
