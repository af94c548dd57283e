"""Versions: numbers and ISO times have one order, whatever their spelling."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.versions import VersionReader

READER = VersionReader("at")


def seconds(text):
    version = READER.read(msgspec.json.encode({"at": {"S": text}}))
    assert version is not None
    return version.value


@given(
    st.datetimes(
        min_value=datetime(1970, 1, 3),  # noqa: DTZ001  # Hypothesis adds the zones
        timezones=st.integers(-14 * 60, 14 * 60).map(
            lambda minutes: timezone(timedelta(minutes=minutes))
        ),
    )
)
def test_a_time_is_the_same_moment_with_any_offset(moment):
    elsewhere = moment.astimezone(timezone.utc)
    assert seconds(moment.isoformat()) == seconds(elsewhere.isoformat())
    text = elsewhere.isoformat(sep=" ").replace("+00:00", "Z")
    assert seconds(text) == seconds(moment.isoformat())


@given(st.datetimes(), st.datetimes())
def test_times_are_ordered_as_times(one, other):
    assert (one < other) == (seconds(one.isoformat()) < seconds(other.isoformat()))


def test_fractions_are_kept_to_the_last_digit():
    nanoseconds = seconds("2013-06-01T00:00:00.123456789Z")
    assert nanoseconds - seconds("2013-06-01") == Decimal("0.123456789")


@pytest.mark.parametrize("text", ["", "yesterday", "2013", "2013-13-01", "12:00"])
def test_what_is_no_time_is_refused_without_quoting_it(text):
    with pytest.raises(ValueError, match="neither a number nor an ISO time") as refused:
        seconds(text)
    assert not text or text not in str(refused.value)
