"""What was said, as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import conversions
from transforms.dynamodb.errors import UserError
from transforms.throttle.rate import Rate, RateError

names = st.text(
    st.characters(exclude_characters=",:*", categories=["L", "N"]), min_size=1
)


@pytest.mark.parametrize(
    ("said", "columns"),
    [
        ("a,b", {"a": "a", "b": "b"}),
        ("a:x, b", {"a": "x", "b": "b"}),
        (["a", "b:y"], {"a": "a", "b": "y"}),
        ({"a,b": "c:d"}, {"a,b": "c:d"}),
        ("*", None),
        (["*"], None),
    ],
)
def test_columns_are_source_to_target(said, columns):
    assert conversions.columns(said) == columns


@given(st.dictionaries(names, names, min_size=1))
def test_every_one_to_one_mapping_can_be_said_in_words(columns):
    if len(set(columns.values())) < len(columns):
        return
    words = ",".join(f"{source}:{target}" for source, target in columns.items())
    assert conversions.columns(words) == columns


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("a:x,b:x", "'x' is said 2 times as a target name"),
        ("a,a:x", "'a' is said 2 times as a source name"),
        ("a,,b", "hold an empty name"),
        ("a:,b", "hold an empty name"),
        ("a,*", "or a * among others"),
        ("", "give names as A,B:C, or *"),
        ([], "give names as A,B:C, or *"),
        (3, "not 3"),
    ],
)
def test_columns_that_are_ambiguous_are_refused(said, message):
    with pytest.raises(UserError, match=message.replace("*", r"\*")):
        conversions.columns(said)


@pytest.mark.parametrize("said", ["500", 5e2, "500/s", "500 units/s"])
def test_units_need_no_unit_where_nothing_else_is_possible(said):
    assert conversions.units(said) == Rate.units(500)


def test_units_may_be_unlimited():
    assert conversions.units("unlimited") == Rate.unlimited()


@pytest.mark.parametrize("said", ["10%x", "fast", "-3", "nan", "1.2.3"])
def test_units_that_are_no_number_are_refused(said):
    with pytest.raises((RateError, UserError)):
        conversions.units(said)


@pytest.mark.parametrize("said", [7, "1,000", "1_000"])
def test_whole_numbers_may_be_grouped(said):
    assert conversions.whole_number(1, 1000, "things")(said) in (7, 1000)


@pytest.mark.parametrize("said", ["0", "1001", "x", "1.5", True, "-1"])
def test_whole_numbers_out_of_bounds_are_refused(said):
    with pytest.raises(UserError, match="from 1 to 1,000"):
        conversions.whole_number(1, 1000, "things")(said)
