"""The last step fails a job whose accounts do not balance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.collect import collect
from transforms.account_check import CheckAccounts, unaccounted
from transforms.items import Origin
from transforms.ledger.location import LedgerLocation
from transforms.ledger.receipts import ReceiptWriter, Span, keep_segments
from transforms.ledger.run_record import RunRecord, keep_record
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.receipts import Receipt
from transforms.run_context import RunContext
from transforms.run_values import Given


def receipt(route="oregon", items=10, **fates):
    counts = {"written": 0, "filtered": 0, "superseded": 0, "rejected": 0, **fates}
    return Receipt(
        route=route, origin=Origin(0, b""), items=items, write_units=1.0, **counts
    )


def check(receipts, run=None):
    return collect(CheckAccounts(Given(run or RunContext("run-1"))), receipts)


def test_routes_that_balance_pass():
    receipts = [
        receipt(written=10),
        receipt(written=4, filtered=5, rejected=1),
        receipt("virginia", written=7, superseded=3),
    ]
    assert sorted(check(receipts)) == ["oregon", "virginia"]


@pytest.mark.parametrize("written", [9, 11])
def test_an_item_lost_or_counted_twice_fails_the_job(written):
    with pytest.raises(Exception, match="10 items came, and"):
        check([receipt(written=written)])


def ledger_of(tmp_path, *spans, segments=2):
    location = LedgerLocation(tmp_path / "ledger.sqlite")
    store = SQLiteStore(tmp_path / "ledger.sqlite")
    store.prepare()
    keep_record(store, RunRecord("run-1", "{}", "{}"))
    keep_segments(store, "run-1", segments)
    ReceiptWriter(store, "run-1", 1).write(spans)
    return RunContext("run-1", ledger=location, accounted=("oregon",))


def whole(segment, scanned, written):
    counts = {"scanned": scanned, "written/oregon": written}
    return Span(segment, b"", None, counts)


def test_a_ledger_that_is_complete_passes(tmp_path):
    run = ledger_of(tmp_path, whole(0, 6, 6), whole(1, 4, 4))
    assert check([receipt(written=10)], run) == ["oregon"]


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([whole(0, 6, 6)], id="a segment without receipts"),
        pytest.param([whole(0, 6, 6), whole(1, 5, 4)], id="a page without an item"),
        pytest.param(
            [whole(0, 6, 6), Span(1, b"", b"key", {"scanned": 4})], id="not to its end"
        ),
    ],
)
def test_a_ledger_that_lacks_something_fails_the_job(tmp_path, spans):
    with pytest.raises(Exception, match="go on with --resume run-1"):
        check([receipt(written=10)], ledger_of(tmp_path, *spans))


def test_a_route_of_which_no_receipt_came_is_checked_as_well(tmp_path):
    run = ledger_of(tmp_path, Span(0, b"", None, {"scanned": 6}), segments=1)
    with pytest.raises(Exception, match=r"route oregon: .* 6 items are not accounted"):
        check([], run)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.integers(-3, 3))
def test_what_is_unaccounted_for_is_what_was_lost(fates, lost):
    names = ("written", "filtered", "skipped", "superseded", "rejected")
    counts = {f"{name}/a": n for name, n in zip(names, fates, strict=True)}
    counts["scanned"] = sum(fates) + lost
    assert unaccounted(counts, "a") == lost
