"""Any sequence of claims, pages, splits and checkpoints reads every page once."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from transforms.scan_restriction import (
    PageClaim,
    PlaceClaim,
    ScanRestriction,
    ScanRestrictionCoder,
    ScanRestrictionTracker,
    segment_at,
)


class ScanMachine(RuleBasedStateMachine):
    """A table of segments with known pages, read by restrictions that split.

    Whatever the runner does, each page is emitted once. Beside that, a runner that
    loses the bundle reads a primary and its residual again: together they must hold
    every page that the restriction had before the split.
    """

    TOTAL = 12
    PAGES = tuple(1 + segment * 7 % 4 for segment in range(TOTAL))

    def __init__(self) -> None:
        super().__init__()
        whole = ScanRestriction.whole(self.TOTAL)
        self.waiting = list(whole.split(3))
        self.emitted: list[tuple[int, int]] = []
        self.begin()

    def begin(self) -> None:
        coder = ScanRestrictionCoder()
        self.start = coder.decode(coder.encode(self.waiting.pop()))
        self.tracker = ScanRestrictionTracker(self.start)
        self.place = self.start.next
        self.at = {s.segment: self.page_number(s.start_key) for s in self.start.open}

    @staticmethod
    def page_number(start_key: bytes | None) -> int:
        return int(start_key or b"0")

    def pages_of(self, restriction: ScanRestriction) -> set[tuple[int, int]]:
        starts = {s.segment: self.page_number(s.start_key) for s in restriction.open}
        places = range(restriction.next, restriction.stop)
        starts |= {segment_at(place, self.TOTAL): 0 for place in places}
        return {
            (segment, page)
            for segment, first in starts.items()
            for page in range(first, self.PAGES[segment])
        }

    @rule()
    def claim_the_next_place(self):
        granted = self.tracker.try_claim(PlaceClaim(self.place))
        assert granted == (self.place < self.tracker.current_restriction().stop)
        if granted:
            self.at[segment_at(self.place, self.TOTAL)] = 0
            self.place += 1

    @precondition(lambda self: self.at)
    @rule(data=st.data())
    def complete_a_page(self, data):
        segment = data.draw(st.sampled_from(sorted(self.at)))
        page = self.at.pop(segment)
        last = page + 1 == self.PAGES[segment]
        next_key = None if last else str(page + 1).encode()
        assert self.tracker.try_claim(PageClaim(segment, next_key))
        self.emitted.append((segment, page))
        if not last:
            self.at[segment] = page + 1

    @rule(fraction=st.floats(0.001, 1))
    def split(self, fraction):
        before = self.pages_of(self.tracker.current_restriction())
        parts = self.tracker.try_split(fraction)
        if parts:
            primary, residual = parts
            assert self.pages_of(primary) | self.pages_of(residual) == before
            assert not self.pages_of(primary) & self.pages_of(residual)
            assert residual.open == ()
            self.waiting.append(residual)

    @rule()
    def checkpoint_and_begin_another(self):
        before = self.pages_of(self.tracker.current_restriction())
        parts = self.tracker.try_split(0)
        if parts:
            primary, residual = parts
            assert self.pages_of(primary) | self.pages_of(residual) == before
            assert not self.pages_of(residual) & set(self.emitted)
            for segment, page in self.at.items():
                key = str(page + 1).encode()
                assert not self.tracker.try_claim(PageClaim(segment, key))
            self.waiting.insert(0, residual)
        assert self.tracker.check_done()
        if self.waiting:
            self.begin()
        else:
            self.at = {}

    @invariant()
    def no_page_is_emitted_twice(self):
        assert len(self.emitted) == len(set(self.emitted))

    @invariant()
    def progress_is_a_fraction(self):
        fraction = self.tracker.current_progress().fraction_completed
        assert 0 <= fraction <= 1
        assert not math.isnan(fraction)

    def teardown(self):
        """Reads all that is left: then every page was emitted, once."""
        while True:
            while self.tracker.try_claim(PlaceClaim(self.place)):
                self.at[segment_at(self.place, self.TOTAL)] = 0
                self.place += 1
            for segment, first in self.at.items():
                for page in range(first, self.PAGES[segment]):
                    last = page + 1 == self.PAGES[segment]
                    key = None if last else str(page + 1).encode()
                    assert self.tracker.try_claim(PageClaim(segment, key))
                    self.emitted.append((segment, page))
            assert self.tracker.check_done()
            if not self.waiting:
                break
            self.begin()
        whole = self.pages_of(ScanRestriction.whole(self.TOTAL))
        assert sorted(self.emitted) == sorted(whole)


ScanMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAnySequenceOfClaimsAndSplits = ScanMachine.TestCase
