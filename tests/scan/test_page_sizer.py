"""How large a page may be, and what it will probably cost."""

import math

from hypothesis import given
from hypothesis import strategies as st

from transforms.dynamodb.capacity import ConsumedCapacity
from transforms.dynamodb.operations import ScanPage
from transforms.segment_reader import PageSizer


def a_page(scanned: int, units: float) -> ScanPage:
    return ScanPage([], scanned, scanned, None, ConsumedCapacity(units))


def test_an_unlimited_scan_reads_pages_of_1_mb():
    sizer = PageSizer(None, math.inf, consistent=False)
    assert (sizer.limit, sizer.estimate) == (None, 128.0)
    assert PageSizer(None, math.inf, consistent=True).estimate == 256.0


def test_the_users_limit_holds():
    assert PageSizer(25, math.inf, consistent=False).limit == 25
    assert PageSizer(1, 100.0, consistent=False).limit == 1


def test_under_a_low_rate_the_first_page_is_safe_for_items_of_any_size():
    sizer = PageSizer(None, 100.0, consistent=False)
    assert sizer.limit == 2


def test_under_a_low_rate_a_page_costs_at_most_a_second():
    sizer = PageSizer(None, 100.0, consistent=False)
    sizer.learn(a_page(scanned=2, units=1.0))
    assert sizer.limit == 200
    sizer.learn(a_page(scanned=200, units=40.0))
    assert (sizer.limit, sizer.estimate) == (500, 40.0)


def test_a_rate_below_one_item_reads_items_one_by_one():
    sizer = PageSizer(None, 0.5, consistent=True)
    assert (sizer.limit, sizer.estimate) == (1, 100.0)  # it may cost that
    sizer.learn(a_page(scanned=1, units=2.0))
    assert sizer.estimate == 2.0


def test_a_page_without_items_teaches_nothing():
    sizer = PageSizer(None, 100.0, consistent=False)
    sizer.learn(a_page(scanned=0, units=0.5))
    assert (sizer.limit, sizer.estimate) == (2, 100.0)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 600))))
def test_limit_and_estimate_stay_within_their_bounds(pages):
    sizer = PageSizer(None, 60.0, consistent=False)
    one_item = 50.0  # the largest there is, until a page says what they cost
    for scanned, half_units in pages:
        sizer.learn(a_page(scanned=scanned, units=half_units / 2))
        if scanned and half_units:
            one_item = half_units / 2 / scanned
        assert sizer.limit is not None
        assert sizer.limit >= 1
        assert 0 < sizer.estimate <= max(60.0, one_item)


def test_an_empty_page_after_a_large_item_changes_no_estimate():
    sizer = PageSizer(None, 60.0, consistent=False)
    sizer.learn(a_page(scanned=1, units=60.5))
    sizer.learn(a_page(scanned=0, units=0.5))
    assert (sizer.limit, sizer.estimate) == (1, 60.5)
