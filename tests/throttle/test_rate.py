"""Rates as people write them."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.throttle.rate import Rate, RateError

rates = st.one_of(
    st.floats(0, 150, exclude_min=True).map(Rate.percent),
    st.floats(0, exclude_min=True, allow_infinity=False).map(Rate.units),
    st.just(Rate.unlimited()),
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10%", Rate.percent(10)),
        (" 10 % ", Rate.percent(10)),
        ("0.5%", Rate.percent(0.5)),
        (".5%", Rate.percent(0.5)),
        ("150%", Rate.percent(150)),
        ("500/s", Rate.units(500)),
        ("500 / s", Rate.units(500)),
        ("500 units/s", Rate.units(500)),
        ("0.5/s", Rate.units(0.5)),
        ("unlimited", Rate.unlimited()),
        ("Unlimited", Rate.unlimited()),
    ],
)
def test_a_rate_is_read_as_people_write_it(text, rate):
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10", "'10' has no unit; write 10% or 10/s"),
        ("0%", "above 0 and at most 150, got 0"),
        ("150.5%", "above 0 and at most 150, got 150.5"),
        ("-5%", "cannot read the rate '-5%'"),
        ("0/s", "above 0, got 0"),
        ("1e999/s", "finite number of units/s above 0, got inf"),
        ("fast", "cannot read the rate 'fast'; write 10%, 500/s or unlimited"),
        ("nan%", "cannot read the rate"),
        ("", "cannot read the rate ''"),
        ("10%/s", "cannot read the rate"),
    ],
)
def test_what_is_no_rate_is_refused_with_a_remedy(text, complaint):
    with pytest.raises(RateError) as caught:
        Rate.parse(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "percent"),
    [("10", 10), ("10%", 10), ("1", 1), ("150", 150), ("0.5%", 0.5), (" 7.5 ", 7.5)],
)
def test_where_only_a_percentage_is_possible_the_sign_may_be_left_out(text, percent):
    assert Rate.parse_percent(text) == Rate.percent(percent)


@pytest.mark.parametrize(
    ("text", "meant"), [(".1000", "10"), ("0.5", "50"), ("0.07", "7"), (".999", "99.9")]
)
def test_a_fraction_without_a_sign_is_taken_for_hives_and_refused(text, meant):
    with pytest.raises(RateError) as caught:
        Rate.parse_percent(text)
    assert f"{text!r} is below 1: did you mean {meant} %?" in str(caught.value)
    assert f"{text}%" in str(caught.value)


@pytest.mark.parametrize("text", ["0", "151", "-1", "500/s", "unlimited", "ten", ""])
def test_what_is_no_percentage_is_refused_where_one_is_asked_for(text):
    with pytest.raises(RateError, match="percentage"):
        Rate.parse_percent(text)


@pytest.mark.parametrize("value", [0, -1, 150.01, math.nan, math.inf])
def test_a_percentage_out_of_bounds_is_refused(value):
    with pytest.raises(RateError, match="above 0 and at most 150"):
        Rate.percent(value)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_an_absolute_rate_out_of_bounds_is_refused(value):
    with pytest.raises(RateError, match="finite number of units/s above 0"):
        Rate.units(value)


@pytest.mark.parametrize(
    ("rate", "capacity", "expected"),
    [
        (Rate.percent(10), 5000, 500),
        (Rate.percent(150), 10, 15),
        (Rate.units(500), None, 500),
        (Rate.units(500), 5, 500),
        (Rate.unlimited(), None, math.inf),
    ],
    ids=str,
)
def test_a_rate_becomes_units_per_second(rate, capacity, expected):
    assert rate.units_per_second(capacity) == pytest.approx(expected)


@pytest.mark.parametrize("capacity", [None, 0])
def test_a_percentage_of_nothing_known_says_how_to_give_an_absolute_rate(capacity):
    with pytest.raises(RateError, match=r"10% needs a capacity.*500/s"):
        Rate.percent(10).units_per_second(capacity)


@given(rates)
def test_the_text_of_a_rate_reads_back_to_the_same_rate(rate):
    assert Rate.parse(str(rate)) == rate
    assert pickle.loads(pickle.dumps(rate)) == rate


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate.percent(10), "10%"),
        (Rate.percent(0.5), "0.5%"),
        (Rate.units(500), "500 units/s"),
        (Rate.unlimited(), "unlimited"),
    ],
)
def test_a_rate_is_shown_without_noise(rate, text):
    assert str(rate) == text
