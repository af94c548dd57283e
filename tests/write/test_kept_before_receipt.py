"""What is put aside is durable before the receipt that counts it: a kill loses none."""

import pytest

from tests.support.fake_table import FakeTable
from tests.write.test_write_dofns import DescribedTable, a_batch, run_bundle
from transforms.items import Origin
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.page_book import PageFacts, page_book_for
from transforms.ledger.receipts import read_chains
from transforms.ledger.run_record import RunRecord, keep_record
from transforms.rejected_files import RejectedFiles
from transforms.routes import Route
from transforms.run_context import RunContext
from transforms.run_values import Given
from transforms.sink_options import Branches, Program, WriteOptions
from transforms.throttle.rate import Rate
from transforms.write_dofns import WriteItems

RUN = "run-1"


@pytest.fixture
def store(tmp_path):
    made = open_store(LedgerLocation(tmp_path / "ledger.sqlite"))
    made.prepare()
    keep_record(made, RunRecord(RUN, "{}", "{}"))
    return made


@pytest.fixture
def write_a_page(tmp_path, monkeypatch, store):
    """Writes a page of three items, one of them bad; returns how many were rejected."""
    location = LedgerLocation(tmp_path / "ledger.sqlite")
    run = RunContext(RUN, ledger=location, accounted=("west",))
    options = WriteOptions(
        on_reject="collect", run=run, rejected_directory=str(tmp_path / "rejected")
    )
    route = Route(name="west", target=FakeTable.table, write=Rate.unlimited())
    branches = Branches(shared=Program(), routes=(route,), options=options)
    sink = WriteItems(Given(branches), 0)
    monkeypatch.setattr(
        "transforms.write_dofns.client_for", lambda *_: DescribedTable()
    )
    sink.setup()

    def write():
        book = page_book_for(location, RUN, 1, run.accounted)
        book.begin(PageFacts(0, None, None, 3, {"scanned": 3}), begins_span=True)
        page = a_batch("a", "bad1", "b", origin=Origin(0, b""))
        return len(run_bundle(sink, [page])[1])

    yield write
    sink.teardown()


def test_rejected_items_are_in_their_file_before_the_receipt_counts_them(
    write_a_page, store, tmp_path, monkeypatch
):
    counted_when_kept = []
    keep = RejectedFiles.keep

    def watched_keep(files, origin, rejected):
        counted_when_kept.append(read_chains(store, RUN))
        keep(files, origin, rejected)

    monkeypatch.setattr(RejectedFiles, "keep", watched_keep)
    assert write_a_page() == 1
    assert counted_when_kept == [{}]
    assert list((tmp_path / "rejected" / "west").iterdir())
    counts = read_chains(store, RUN)[0].counts
    assert (counts["written/west"], counts["rejected/west"]) == (2, 1)


def test_a_page_whose_rejected_items_cannot_be_kept_has_no_receipt(
    write_a_page, store, monkeypatch
):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RejectedFiles, "keep", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_a_page()
    assert read_chains(store, RUN) == {}
