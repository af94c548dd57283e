"""The account balances, or says that it does not."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.account import make_account

COUNTERS = {
    "scanned": 5000,
    "shared_filtered": 1000,
    "written/oregon": 2500,
    "filtered/oregon": 1498,
    "rejected/oregon": 2,
    "written/virginia": 4000,
    "scan_filtered": 0,
}


def test_items_left_out_for_all_routes_are_filtered_on_each():
    account = make_account(COUNTERS, ["oregon", "virginia"])
    assert [route.filtered for route in account.routes] == [2498, 1000]
    assert account.balances
    assert account.rejected == 2


def test_the_account_is_read_as_a_table_and_in_one_line():
    account = make_account(COUNTERS, ["oregon", "virginia"])
    assert account.table() == [
        "route     scanned  written  filtered  skipped  superseded  rejected",
        "oregon      5,000    2,500     2,498        0           0         2",
        "virginia    5,000    4,000     1,000        0           0         0",
    ]
    assert account.line() == (
        "items: scanned 5,000; oregon: written 2,500, filtered 2,498, rejected 2; "
        "virginia: written 4,000, filtered 1,000"
    )


def test_an_empty_table_balances():
    account = make_account({}, ["oregon"])
    assert account.balances
    assert account.line() == "items: scanned 0; oregon: nothing to write"


@given(
    st.dictionaries(
        st.sampled_from(["written", "filtered", "skipped", "superseded", "rejected"]),
        st.integers(0, 100),
    ),
    st.integers(-3, 3),
)
def test_an_account_balances_exactly_when_every_item_has_one_fate(fates, off):
    scanned = max(0, sum(fates.values()) + off)
    counters = {f"{fate}/a": count for fate, count in fates.items()}
    account = make_account(counters | {"scanned": scanned}, ["a"])
    assert account.balances == (scanned == sum(fates.values()))
