"""ReadFromDynamoDB without a service: what it refuses, and how it claims pages."""

import pickle
from collections import deque
from dataclasses import replace

import apache_beam as beam
import msgspec
import pytest
from apache_beam.runners.sdf_utils import (
    RestrictionTrackerView,
    ThreadsafeRestrictionTracker,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.claimed_pages import claimed_pages
from transforms.dynamodb.capacity import ConsumedCapacity
from transforms.dynamodb.errors import ExpressionError, UserError
from transforms.dynamodb.expressions import parse_condition
from transforms.dynamodb.operations import ScanPage
from transforms.dynamodb.tables import (
    IndexDescription,
    KeyAttribute,
    KeySchema,
    TableDescription,
    TableRef,
)
from transforms.items import Item
from transforms.run_context import RunContext
from transforms.scan import ReadFromDynamoDB
from transforms.scan_restriction import (
    OpenSegment,
    ScanRestriction,
    ScanRestrictionTracker,
)
from transforms.scan_spec import PlannedScan, ScanSpec, plan_scan
from transforms.segment_reader import ReadPage
from transforms.throttle.rate import Rate, RateError

BIRDS = TableRef("birds", "eu-west-1")
KEYS = KeySchema(KeyAttribute("id", "S"))
TABLE = TableDescription(
    name="birds",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/birds",
    table_id="",
    status="ACTIVE",
    keys=KEYS,
    item_count=1_000,
    size_bytes=2**30,
    billing_mode="PROVISIONED",
    read_units=100,
    write_units=50,
    max_read_units=None,
    max_write_units=None,
    warm_read_units=None,
    warm_write_units=None,
    indexes=(
        IndexDescription("by_day", "GSI", KEYS, "ALL", 40, 5),
        IndexDescription("by_name", "LSI", KEYS, "ALL", 0, 0),
    ),
)


def spec_of(**options) -> ScanSpec:
    return ReadFromDynamoDB(BIRDS, **options).spec


def planned(**options) -> PlannedScan:
    return plan_scan(spec_of(**options), TABLE)


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"segments": 0}, "segments must be between 1 and 1,000,000, got 0"),
            ({"segments": 1_000_001}, "got 1000001"),
            ({"page_limit": 0}, "page_limit must be between 1 and"),
            ({"segments_in_flight": 0}, "segments_in_flight must be between 1 and"),
            ({"splits": 0}, "splits must be between 1 and"),
            ({"projection": "day"}, "projection must be a list of paths, got the text"),
            ({"projection": []}, "a projection needs one path or more"),
            ({"values": {":day": 1}}, "belong to a filter given as text"),
            (
                {"filter": parse_condition("day > 1"), "names": {"#d": "day"}},
                "belong to a filter given as text",
            ),
        ],
    )
    def test_what_is_out_of_bounds_is_refused_at_construction(self, options, message):
        with pytest.raises(UserError, match=message):
            ReadFromDynamoDB(BIRDS, **options)

    def test_a_filter_that_does_not_parse_is_refused_at_construction(self):
        with pytest.raises(ExpressionError):
            ReadFromDynamoDB(BIRDS, filter="day >")

    def test_half_of_the_capacity_is_the_default_rate(self):
        assert spec_of().read == Rate.percent(50)

    def test_a_filter_is_text_with_names_and_values_or_a_condition(self):
        text = spec_of(
            filter="#d > :day", names={"#d": "day"}, values={":day": "2013-06-01"}
        )
        condition = spec_of(filter=parse_condition("day > '2013-06-01'"))
        assert text.filter == condition.filter is not None

    def test_everything_a_worker_needs_survives_pickling(self):
        spec = spec_of(
            filter="day > 1", projection=["day", "name"], run=RunContext("r", workers=3)
        )
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert pickle.loads(pickle.dumps(plan_scan(spec, TABLE))).spec == spec


class TestConstruction:
    """In which no service is asked: this table's region has no such endpoint."""

    def test_the_output_is_a_bounded_collection_of_items(self):
        items = beam.Pipeline() | ReadFromDynamoDB(BIRDS)
        assert items.element_type is Item
        assert items.is_bounded

    def test_two_scans_can_be_in_one_pipeline(self):
        pipeline = beam.Pipeline()
        birds = pipeline | "Birds" >> ReadFromDynamoDB(BIRDS)
        bees = pipeline | "Bees" >> ReadFromDynamoDB(TableRef("bees", "us-west-2"))
        assert (birds, bees) | beam.Flatten()


class TestPlanning:
    def test_segments_are_chosen_by_size_unless_given(self):
        assert planned().total_segments == 512
        assert planned(segments=7).total_segments == 7

    def test_the_request_carries_all_options(self):
        request = planned(
            segments=7,
            consistent=True,
            page_limit=25,
            index="by_name",
            projection=["day"],
            filter="day > 1",
        ).request()
        body = msgspec.json.decode(request.body())
        assert body == {
            "TableName": "birds",
            "Segment": 0,
            "TotalSegments": 7,
            "ReturnConsumedCapacity": "INDEXES",
            "Limit": 25,
            "ConsistentRead": True,
            "IndexName": "by_name",
            "FilterExpression": "#f0 > :f0",
            "ProjectionExpression": "#p0",
            "ExpressionAttributeNames": {"#f0": "day", "#p0": "day"},
            "ExpressionAttributeValues": {":f0": {"N": "1"}},
        }

    def test_a_table_spends_its_own_capacity(self):
        scan = planned(read=Rate.percent(50), run=RunContext("r", workers=2))
        assert scan.capacity_units == 100
        assert scan.budget_index is None

    def test_a_global_index_spends_its_own_capacity(self):
        scan = planned(index="by_day")
        assert (scan.capacity_units, scan.budget_index) == (40, "by_day")

    def test_a_local_index_spends_the_tables(self):
        scan = planned(index="by_name")
        assert (scan.capacity_units, scan.budget_index) == (100, None)

    def test_an_index_that_is_not_there_is_refused_with_those_that_are(self):
        with pytest.raises(UserError, match="no index 'by_dya'; it has: by_day, by_n"):
            planned(index="by_dya")

    def test_a_global_index_cannot_be_read_consistently(self):
        with pytest.raises(UserError, match="leave out consistent=True"):
            planned(index="by_day", consistent=True)

    def test_a_percentage_of_no_capacity_is_refused(self):
        unknown = replace(TABLE, read_units=0)
        with pytest.raises(RateError, match="give an absolute rate"):
            plan_scan(spec_of(), unknown)


class PaperReader:
    """Reads segments of `pages_each` pages from memory, one of each in turn."""

    def __init__(self, pages_each: int) -> None:
        self._pages_each = pages_each
        self._waiting: deque[tuple[int, int]] = deque()
        self.most_active = 0

    @property
    def active(self) -> int:
        return len(self._waiting)

    def open(self, segment: int, start_key: bytes | None) -> None:
        self._waiting.append((segment, int(start_key or b"0")))
        self.most_active = max(self.most_active, self.active)

    def take(self) -> ReadPage:
        segment, number = self._waiting.popleft()
        last_key = None
        if number + 1 < self._pages_each:
            last_key = str(number + 1).encode()
            self._waiting.append((segment, number + 1))
        page = ScanPage([], 0, 0, last_key, ConsumedCapacity())
        return ReadPage(segment, str(number).encode() if number else None, page)


def a_tracker(restriction: ScanRestriction) -> ThreadsafeRestrictionTracker:
    return ThreadsafeRestrictionTracker(ScanRestrictionTracker(restriction))


class TestClaiming:
    @given(
        total=st.integers(1, 30),
        pages_each=st.integers(1, 4),
        in_flight=st.integers(1, 9),
        stops=st.lists(st.integers(1, 25), max_size=6),
    )
    @settings(max_examples=60)
    def test_checkpoints_anywhere_repeat_nothing_and_lose_nothing(
        self, total, pages_each, in_flight, stops
    ):
        scan = planned(segments=total, segments_in_flight=in_flight)
        left: ScanRestriction | None = ScanRestriction.whole(total)
        emitted = []
        checkpoints = iter(stops)
        while left is not None:
            tracker, reader = a_tracker(left), PaperReader(pages_each)
            until, left = next(checkpoints, None), None
            pages = claimed_pages(scan, RestrictionTrackerView(tracker), reader)
            for taken, read in enumerate(pages, 1):
                emitted.append((read.segment, read.start_key))
                if taken == until and (parts := tracker.try_split(0)):
                    left = parts[1]
            assert tracker.check_done()
            assert reader.most_active <= in_flight
        assert len(emitted) == len(set(emitted)) == total * pages_each

    def test_a_checkpoint_before_the_first_page_emits_nothing(self):
        scan = planned(segments=4)
        tracker = a_tracker(ScanRestriction.whole(4))
        _, residual = tracker.try_split(0)
        assert residual == ScanRestriction.whole(4)
        pages = claimed_pages(scan, RestrictionTrackerView(tracker), PaperReader(2))
        assert list(pages) == []

    def test_segments_begun_elsewhere_are_read_on_from_their_keys(self):
        scan = planned(segments=4)
        begun = ScanRestriction((OpenSegment(2, b"1"), OpenSegment(3)), 4, 4, 4)
        view = RestrictionTrackerView(a_tracker(begun))
        pages = claimed_pages(scan, view, PaperReader(3))
        assert sorted((read.segment, read.start_key or b"") for read in pages) == [
            *[(2, b"1"), (2, b"2")],
            *[(3, b""), (3, b"1"), (3, b"2")],
        ]

    def test_places_given_away_while_reading_are_left_alone(self):
        scan = planned(segments=10, segments_in_flight=2)
        tracker = a_tracker(ScanRestriction.whole(10))
        view = RestrictionTrackerView(tracker)
        pages = claimed_pages(scan, view, PaperReader(1))
        seen = [next(pages).segment]
        _, residual = tracker.try_split(0.5)
        seen += [read.segment for read in pages]
        assert tracker.check_done()
        heir = RestrictionTrackerView(a_tracker(residual))
        seen += [read.segment for read in claimed_pages(scan, heir, PaperReader(1))]
        assert sorted(seen) == list(range(10))
