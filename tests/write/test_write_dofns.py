"""The sink's DoFn, called as a runner calls it: bundles that fail are tried again."""

import asyncio
import contextlib
from collections import Counter
from decimal import Decimal

import apache_beam as beam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_table import SCHEMA, FakeTable, item
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableDescription
from transforms.items import ItemBatch, Origin
from transforms.ledger.leased_limiter import KEEPER
from transforms.receipts import Receipt, RejectedItem
from transforms.routes import Route
from transforms.run_values import Given
from transforms.sink_options import Branches, Program, WriteOptions
from transforms.spool import Isolation
from transforms.throttle.rate import Rate
from transforms.write_dofns import WriteItems

ORIGINS = [None, Origin(1, b""), Origin(1, b"pagepage"), Origin(2, b"")]
DESCRIPTION = TableDescription(
    name="tbl",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/tbl",
    table_id="1",
    status="ACTIVE",
    keys=SCHEMA,
    item_count=0,
    size_bytes=0,
    billing_mode="PAY_PER_REQUEST",
    read_units=0,
    write_units=0,
    max_read_units=None,
    max_write_units=None,
    warm_read_units=None,
    warm_write_units=None,
    indexes=(),
)


class DescribedTable(FakeTable):
    async def describe_table(self):
        return DESCRIPTION


@contextlib.contextmanager
def sink_to(
    table,
    *,
    on_reject="collect",
    keys_unique=False,
    item_filter=None,
    isolation=None,
):
    """A WriteItems that was set up; torn down in the end."""
    route = Route(
        name="west", target=FakeTable.table, filter=item_filter, write=Rate.unlimited()
    )
    options = WriteOptions(
        on_reject=on_reject, keys_unique=keys_unique, isolation=isolation
    )
    branches = Branches(shared=Program(), routes=(route,), options=options)
    sink = WriteItems(Given(branches), 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transforms.write_dofns.client_for", lambda *_: table)
        sink.setup()
    yield sink
    sink.teardown()


def run_bundle(sink, batches):
    """A whole bundle's receipts and rejected items."""
    sink.start_bundle()
    values = [value for batch in batches for value in sink.process_batch(batch)]
    values += [unwindowed(value) for value in sink.finish_bundle()]
    receipts = [value for value in values if isinstance(value, Receipt)]
    tagged = [value for value in values if isinstance(value, beam.pvalue.TaggedOutput)]
    return receipts, [value.value for value in tagged]


def unwindowed(value):
    if isinstance(value, beam.pvalue.TaggedOutput):
        return beam.pvalue.TaggedOutput(value.tag, value.value.value)
    return value.value


def a_batch(*keys, origin=None, value=0):
    return ItemBatch.of_page([item(key, value) for key in keys], origin)


def tasks_on_the_loop():
    async def count():
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        return sum(task.get_name() != KEEPER for task in tasks)

    return worker_loop().run(count())


# --- conservation ---------------------------------------------------------------------

keys = st.sampled_from(["a", "b", "c", "bad1", "bad2", "d", "e"])
pages = st.lists(
    st.tuples(st.sampled_from(ORIGINS), st.lists(keys, max_size=30)), max_size=5
)


@settings(max_examples=60)
@given(pages, st.floats(0, 0.3), st.booleans(), st.sampled_from([None, Isolation()]))
def test_every_item_is_written_filtered_superseded_or_rejected(
    pages, share, split, isolation
):
    table = DescribedTable(unprocessed_share=share)
    version, batches, latest = 0, [], {}
    for origin, chosen in pages:
        wires = []
        for key in chosen:
            version += 1
            wires.append(item(key, version))
            if version % 3 and "bad" not in key:
                latest[key] = str(version)
        batches.append(ItemBatch.of_page(wires, origin))
    if not split:  # pages of several origins in one batch, as after a user's Map
        batches = [ItemBatch.concatenate(batches)]

    def is_kept(read):
        number = read["v"]
        assert isinstance(number, Decimal)
        return number % 3 != 0

    with sink_to(table, item_filter=is_kept, isolation=isolation) as sink:
        receipts, rejected = run_bundle(sink, batches)
    assert all(receipt.balances for receipt in receipts)
    assert all(isinstance(each, RejectedItem) for each in rejected)
    arrived: Counter[Origin | None] = Counter()
    for receipt in receipts:
        arrived[receipt.origin] += receipt.items
    sent: Counter[Origin | None] = Counter()
    for batch in batches:
        origins = [origin for origin, _ in batch.runs]
        sent[origins[0] if len(origins) == 1 else None] += len(batch)
    assert +arrived == +sent
    assert sum(receipt.rejected for receipt in receipts) == len(rejected)
    assert sum(receipt.filtered for receipt in receipts) == version // 3
    assert table.items == latest


def test_items_that_a_shuffle_has_mixed_share_requests():
    """Page by page each request would hold one item, at 25 times the cost."""
    table = DescribedTable()
    mixed = ItemBatch(
        [item(f"{number}") for number in range(100)],
        tuple((ORIGINS[1 + number % 2], 1) for number in range(100)),
    )
    with sink_to(table) as sink:
        receipts, _ = run_bundle(sink, [mixed])
    assert table.requests == 4
    assert [(each.origin, each.written) for each in receipts] == [(None, 100)]


# --- bundles that fail ----------------------------------------------------------------


def test_a_bundle_that_failed_is_written_again_by_the_same_dofn():
    """A runner may keep the instance: nothing of the failed bundle may linger."""
    table = DescribedTable()
    with sink_to(table, keys_unique=True) as sink:
        table.stop_with = JobStoppedError("the service had enough")
        sink.start_bundle()
        list(sink.process_batch(a_batch("a", "b")))
        with pytest.raises(JobStoppedError, match="had enough"):
            list(sink.finish_bundle())
        table.stop_with = None
        receipts, _ = run_bundle(sink, [a_batch("a", "b")])
    assert [(receipt.items, receipt.written) for receipt in receipts] == [(2, 2)]
    assert set(table.items) == {"a", "b"}
    assert tasks_on_the_loop() == 0


def test_requests_of_a_bundle_that_was_dropped_are_cancelled():
    table = DescribedTable()
    table.gate = asyncio.Event()
    with sink_to(table) as sink:
        sink.start_bundle()
        list(sink.process_batch(a_batch(*"abc")))
        # Another step failed: no finish_bundle, and the bundle comes again.
        sink.start_bundle()
        worker_loop().loop.call_soon_threadsafe(table.gate.set)
        list(sink.process_batch(a_batch("a", value=2)))
        results = [unwindowed(value) for value in sink.finish_bundle()]
    assert [receipt.items for receipt in results] == [1]
    assert table.items == {"a": "2"}
    assert tasks_on_the_loop() == 0


def test_a_rejected_item_fails_the_bundle_where_nobody_collects_it():
    table = DescribedTable()
    with sink_to(table, on_reject="fail") as sink:
        sink.start_bundle()
        list(sink.process_batch(a_batch("a", "bad")))
        with pytest.raises(JobStoppedError, match=r'west.*on_reject="collect"'):
            list(sink.finish_bundle())


def test_tearing_down_in_mid_bundle_leaves_nothing_on_the_loop():
    table = DescribedTable()
    table.gate = asyncio.Event()
    with sink_to(table) as sink:
        sink.start_bundle()
        list(sink.process_batch(a_batch(*"abc")))
    assert tasks_on_the_loop() == 0
    assert table.in_flight == 0
    sink.teardown()  # twice is no error


def test_what_waited_on_disk_is_told_as_it_is_written(monkeypatch):
    """Else hours of work have no receipt, and a killed run does them again."""
    monkeypatch.setattr("transforms.writers.MAX_BYTES_IN_FLIGHT", 100)
    table = DescribedTable()
    table.gates = {"late": asyncio.Event()}
    with sink_to(table, keys_unique=True, isolation=Isolation()) as sink:
        sink.start_bundle()
        early = []
        for number in range(60):
            early += sink.process_batch(a_batch(f"{number}"))
        early += sink.process_batch(a_batch("late"))
        for number in range(60, 120):
            early += sink.process_batch(a_batch(f"{number}"))
        rest = sink.finish_bundle()
        first = [unwindowed(next(rest)) for _ in range(60 - len(early))]
        assert "late" not in table.items
        worker_loop().loop.call_soon_threadsafe(table.gates["late"].set)
        told = [*early, *first, *map(unwindowed, rest)]
    assert sum(receipt.written for receipt in told) == 121


def test_results_are_told_as_they_come_not_only_at_the_end():
    """Else the account of a bundle of a million pages waits for its end."""
    table = DescribedTable()
    with sink_to(table, keys_unique=True) as sink:
        sink.start_bundle()
        early = []
        for number in range(2000):
            early += list(sink.process_batch(a_batch(f"{number}")))
            if early:
                break
        rest = list(sink.finish_bundle())
    assert early
    told = [receipt.items for receipt in early]
    told += [unwindowed(value).items for value in rest]
    assert sum(told) == number + 1
    assert set(table.items) == {f"{each}" for each in range(number + 1)}
