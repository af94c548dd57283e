"""The restriction of a scan: places, claims, splits and the coder."""

import pickle
from itertools import pairwise
from typing import Any, cast

import pytest
from apache_beam.runners.sdf_utils import ThreadsafeRestrictionTracker
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.scan_restriction import (
    OpenSegment,
    PageClaim,
    PlaceClaim,
    ScanRestriction,
    ScanRestrictionCoder,
    ScanRestrictionTracker,
    choose_segments,
    segment_at,
)

totals = st.one_of(st.integers(1, 200), st.integers(1, 1_000_000))


@st.composite
def restrictions(draw) -> ScanRestriction:
    total = draw(st.integers(1, 1_000_000))
    first, stop = sorted([draw(st.integers(0, total)), draw(st.integers(0, total))])
    keys = st.none() | st.binary(min_size=1, max_size=80)
    segments = st.dictionaries(st.integers(0, total - 1), keys, max_size=9)
    begun = tuple(OpenSegment(*entry) for entry in draw(segments).items())
    return ScanRestriction(begun, first, stop, total)


def tracker_of(first: int, stop: int, total: int = 200) -> ScanRestrictionTracker:
    return ScanRestrictionTracker(ScanRestriction((), first, stop, total))


def read_segment(tracker: ScanRestrictionTracker, place: int) -> None:
    """Claims a place and the only page of its segment."""
    assert tracker.try_claim(PlaceClaim(place))
    total = tracker.current_restriction().total_segments
    assert tracker.try_claim(PageClaim(segment_at(place, total), None))


def split(
    tracker: ScanRestrictionTracker, fraction: float
) -> tuple[ScanRestriction, ScanRestriction]:
    parts = tracker.try_split(fraction)
    assert parts is not None
    return parts


class TestPlaces:
    @given(st.integers(1, 2_000))
    @settings(max_examples=50)
    def test_every_segment_has_one_place(self, total):
        assert {segment_at(place, total) for place in range(total)} == set(range(total))

    @pytest.mark.parametrize("total", [64, 100, 997, 10_000, 1_000_000])
    def test_neighbours_in_work_are_far_apart_in_the_table(self, total):
        for place in range(min(total, 500) - 1):
            apart = abs(segment_at(place, total) - segment_at(place + 1, total))
            assert min(apart, total - apart) > total * 0.3

    @pytest.mark.parametrize("total", [64, 997, 10_000, 1_000_000])
    def test_the_first_places_are_spread_over_the_whole_table(self, total):
        first = sorted(segment_at(place, total) for place in range(16))
        gaps = [b - a for a, b in pairwise([*first, first[0] + total])]
        assert max(gaps) < total / 16 * 3

    def test_a_single_segment_is_its_own_place(self):
        assert segment_at(0, 1) == 0


class TestChoosingSegments:
    def test_a_table_of_unknown_size_has_one_segment_for_each_split(self):
        assert choose_segments(0, splits=16, segments_in_flight=8) == 16

    def test_a_small_table_is_not_cut_finer_than_its_pages(self):
        assert choose_segments(20 * 2**20, splits=16, segments_in_flight=8) == 20

    def test_a_middling_table_keeps_all_readers_busy(self):
        assert choose_segments(2**30, splits=16, segments_in_flight=8) == 128

    def test_a_large_table_has_a_segment_for_each_64_mib(self):
        assert choose_segments(2**40, splits=16, segments_in_flight=8) == 16_384

    def test_a_huge_table_has_as_many_as_the_service_allows(self):
        assert choose_segments(2**50, splits=16, segments_in_flight=8) == 1_000_000


class TestRestriction:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            (((), 0, 0, 0), "between 1 and 1,000,000, got 0"),
            (((), 0, 1, 1_000_001), "got 1000001"),
            (((), 5, 4, 9), r"places \[5, 4\)"),
            (((), -1, 4, 9), r"places \[-1, 4\)"),
            (((), 0, 10, 9), r"within \[0, 9\)"),
            (((OpenSegment(9),), 0, 9, 9), "not below 9"),
        ],
    )
    def test_what_a_scan_cannot_have_is_refused(self, fields, message):
        with pytest.raises(ValueError, match=message):
            ScanRestriction(*fields)

    @given(restrictions(), st.integers(1, 300))
    def test_the_parts_of_a_split_are_even_and_make_up_the_whole(self, whole, parts):
        ranges = list(whole.split(parts))
        places = [(part.next, part.stop) for part in ranges]
        assert places[0][0] == whole.next
        assert places[-1][1] == whole.stop
        assert all(a[1] == b[0] for a, b in pairwise(places))
        assert ranges[0].open == whole.open
        assert all(part.open == () for part in ranges[1:])
        assert len(ranges) == max(1, min(parts, whole.stop - whole.next))
        sizes = [stop - start for start, stop in places]
        assert max(sizes) - min(sizes) <= 1

    def test_its_size_counts_open_segments_and_unclaimed_places(self):
        assert ScanRestriction((OpenSegment(1), OpenSegment(2)), 4, 9, 10).size == 7


class TestCoder:
    @given(restrictions())
    def test_a_restriction_survives_its_coder(self, restriction):
        coder = ScanRestrictionCoder()
        assert coder.decode(coder.encode(restriction)) == restriction

    @given(restrictions(), restrictions())
    def test_bytes_are_equal_exactly_if_restrictions_are(self, one, other):
        coder = ScanRestrictionCoder()
        assert coder.is_deterministic()
        assert (coder.encode(one) == coder.encode(other)) == (one == other)

    def test_it_is_compact(self):
        coder = ScanRestrictionCoder()
        assert len(coder.encode(ScanRestriction.whole(1_000_000))) <= 16
        begun = tuple(OpenSegment(n, b"k" * 30) for n in range(8))
        assert len(coder.encode(ScanRestriction(begun, 8, 64, 64))) <= 8 * 35 + 10

    def test_the_format_of_version_1_stays_readable(self):
        encoded = bytes.fromhex("0194080205929203c4017b9204c0")
        expected = ScanRestriction((OpenSegment(3, b"{"), OpenSegment(4)), 2, 5, 8)
        assert ScanRestrictionCoder().decode(encoded) == expected
        assert ScanRestrictionCoder().encode(expected) == encoded

    @pytest.mark.parametrize("encoded", [b"", b"\x02\x94"])
    def test_another_version_is_refused_with_the_remedy(self, encoded):
        with pytest.raises(ValueError, match="run all workers on one version"):
            ScanRestrictionCoder().decode(encoded)

    def test_it_pickles_as_beam_ships_coders(self):
        coder = pickle.loads(pickle.dumps(ScanRestrictionCoder()))
        whole = ScanRestriction.whole(7)
        assert coder.decode(coder.encode(whole)) == whole


class TestTracker:
    """The cases of Beam's restriction_trackers_test, in segments and pages."""

    def test_places_are_claimed_up_to_the_stop(self):
        tracker = tracker_of(100, 103)
        assert [tracker.try_claim(PlaceClaim(n)) for n in (100, 101, 102)] == [True] * 3
        assert not tracker.try_claim(PlaceClaim(103))

    def test_a_refused_place_leaves_open_segments_to_be_read(self):
        tracker = tracker_of(100, 101)
        assert tracker.try_claim(PlaceClaim(100))
        assert not tracker.try_claim(PlaceClaim(101))
        assert tracker.try_claim(PageClaim(segment_at(100, 200), None))
        assert tracker.check_done()

    def test_a_checkpoint_of_unstarted_work_hands_over_everything(self):
        begun = (OpenSegment(7, b"key"),)
        whole = ScanRestriction(begun, 100, 200, 200)
        tracker = ScanRestrictionTracker(whole)
        primary, residual = split(tracker, 0)
        assert residual == whole
        assert primary == ScanRestriction((), 100, 100, 200)
        assert tracker.current_restriction() == primary
        assert tracker.check_done()

    def test_a_checkpoint_hands_over_open_segments_and_the_range(self):
        tracker = tracker_of(0, 8, 8)
        read_segment(tracker, 0)
        assert tracker.try_claim(PlaceClaim(1))
        assert tracker.try_claim(PlaceClaim(2))
        assert tracker.try_claim(PageClaim(segment_at(1, 8), b"after page 1"))
        primary, residual = split(tracker, 0)
        assert residual == ScanRestriction(
            (OpenSegment(5, b"after page 1"), OpenSegment(2, None)), 3, 8, 8
        )
        assert primary == ScanRestriction((), 0, 3, 8)
        assert tracker.check_done()

    def test_after_a_checkpoint_every_claim_is_refused(self):
        tracker = tracker_of(0, 8, 8)
        assert tracker.try_claim(PlaceClaim(0))
        tracker.try_split(0)
        assert not tracker.try_claim(PageClaim(0, None))
        assert not tracker.try_claim(PlaceClaim(1))
        assert tracker.try_split(0) is None
        assert tracker.try_split(0.5) is None

    def test_a_checkpoint_of_finished_work_has_nothing_to_give(self):
        tracker = tracker_of(0, 1, 8)
        read_segment(tracker, 0)
        assert tracker.try_split(0) is None
        assert tracker.current_restriction() == ScanRestriction((), 0, 1, 8)

    def test_the_primary_of_a_checkpoint_names_the_segments_that_were_read_on(self):
        begun = (OpenSegment(1, b"a"), OpenSegment(2, b"b"), OpenSegment(3, b"c"))
        tracker = ScanRestrictionTracker(ScanRestriction(begun, 8, 8, 8))
        assert tracker.try_claim(PageClaim(1, b"aa"))
        assert tracker.try_claim(PageClaim(2, None))
        primary, residual = split(tracker, 0)
        assert primary.open == (OpenSegment(1, b"a"), OpenSegment(2, b"b"))
        assert residual.open == (OpenSegment(1, b"aa"), OpenSegment(3, b"c"))

    def test_places_are_claimed_in_their_order(self):
        tracker = tracker_of(100, 200)
        assert tracker.try_claim(PlaceClaim(100))
        for place in (99, 100, 102):
            with pytest.raises(ValueError, match="claim place 101 next"):
                tracker.try_claim(PlaceClaim(place))

    def test_a_page_of_a_segment_not_open_is_an_error(self):
        tracker = tracker_of(0, 8, 8)
        with pytest.raises(ValueError, match="segment 3 is not open"):
            tracker.try_claim(PageClaim(3, None))
        read_segment(tracker, 0)
        with pytest.raises(ValueError, match="segment 0 is not open"):
            tracker.try_claim(PageClaim(0, None))

    def test_work_is_done_when_all_segments_are(self):
        tracker = tracker_of(100, 102)
        read_segment(tracker, 100)
        with pytest.raises(ValueError, match=r"0 segments are open and 1 places"):
            tracker.check_done()
        assert tracker.try_claim(PlaceClaim(101))
        with pytest.raises(ValueError, match=r"1 segments are open and 0 places"):
            tracker.check_done()
        assert tracker.try_claim(PageClaim(segment_at(101, 200), None))
        assert tracker.check_done()

    def test_unclaimed_work_is_not_done(self):
        with pytest.raises(ValueError, match=r"100 places of \[100, 200\) unclaimed"):
            tracker_of(100, 200).check_done()

    def test_an_empty_range_is_done_and_grants_nothing(self):
        tracker = tracker_of(0, 0)
        assert tracker.check_done()
        assert not tracker.try_claim(PlaceClaim(0))
        assert tracker.try_split(0) is None

    def test_a_split_shares_out_unclaimed_places(self):
        tracker = tracker_of(100, 200)
        primary, residual = split(tracker, 0.25)
        assert primary == ScanRestriction((), 100, 125, 200)
        assert residual == ScanRestriction((), 125, 200, 200)
        assert tracker.current_restriction() == primary
        assert not tracker.try_claim(PlaceClaim(125))

    def test_a_split_counts_open_segments_as_the_primarys_part(self):
        tracker = tracker_of(0, 16, 16)
        for place in range(4):
            assert tracker.try_claim(PlaceClaim(place))
        primary, residual = split(tracker, 0.5)
        assert (residual.next, residual.stop) == (8, 16)
        assert residual.open == ()
        assert primary == ScanRestriction((), 0, 8, 16)

    def test_a_split_leaves_open_segments_alone(self):
        tracker = tracker_of(0, 1, 8)
        assert tracker.try_claim(PlaceClaim(0))
        assert tracker.try_split(0.5) is None
        assert tracker.try_claim(PageClaim(0, None))

    def test_all_of_the_remainder_is_nothing_to_give(self):
        assert tracker_of(100, 200).try_split(1) is None

    def test_a_split_keeps_what_was_read_in_the_primary(self):
        begun = (OpenSegment(0, b"start"),)
        tracker = ScanRestrictionTracker(ScanRestriction(begun, 1, 9, 9))
        assert tracker.try_claim(PageClaim(0, None))
        read_segment(tracker, 1)
        primary, _ = split(tracker, 0.5)
        assert primary.open == begun
        assert primary.next == 1

    def test_progress_counts_segments(self):
        tracker = tracker_of(0, 4, 8)
        assert tracker.current_progress().fraction_completed == 0
        read_segment(tracker, 0)
        assert tracker.try_claim(PlaceClaim(1))
        progress = tracker.current_progress()
        assert (progress.completed_work, progress.remaining_work) == (1, 3)
        assert tracker.is_bounded()

    def test_beams_wrapper_defers_the_remainder(self):
        wrapped = ThreadsafeRestrictionTracker(tracker_of(0, 8, 8))
        assert wrapped.try_claim(PlaceClaim(0))
        wrapped.defer_remainder()
        residual, _ = cast("tuple[ScanRestriction, Any]", wrapped.deferred_status())
        assert residual == ScanRestriction((OpenSegment(0),), 1, 8, 8)
        assert wrapped.check_done()
