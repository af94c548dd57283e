"""Counters: their names, their owners, and what a run has counted."""

import pickle

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.collect import collect_and_count
from transforms.metrics import ALL_METRICS, NAMESPACE, SCANNED, WRITTEN, WholeUnits


def test_every_metric_has_a_name_of_its_own():
    names = [metric.name for metric in ALL_METRICS]
    assert len(set(names)) == len(names)


def test_a_metric_of_a_route_carries_the_routes_name():
    assert WRITTEN.name_of("oregon") == "written/oregon"
    assert SCANNED.name_of() == "scanned"


def test_an_owner_is_asked_for_exactly_where_there_is_one():
    with pytest.raises(ValueError, match="written is counted by route, got owner None"):
        WRITTEN.name_of()
    with pytest.raises(ValueError, match="scanned is counted once a run, got owner"):
        SCANNED.name_of("oregon")


def test_a_counter_pickles_as_part_of_a_dofn():
    counter = pickle.loads(pickle.dumps(WRITTEN.counter("oregon")))
    assert counter.metric_name.namespace == NAMESPACE


def test_a_runs_counters_are_summed_over_its_steps():
    count = SCANNED.counter().inc

    def twice(inputs):
        return inputs | "One" >> beam.Map(_count, count) | beam.Map(_count, count)

    elements, counters = collect_and_count(beam.ptransform_fn(twice)(), [1, 2, 3])
    assert sorted(elements) == [1, 2, 3]
    assert counters == {"scanned": 12}


def _count(element, count):
    count(element)
    return element


@given(st.lists(st.integers(0, 1_000).map(lambda halves: halves / 2)))
def test_fractions_of_units_are_carried_over(amounts):
    whole = WholeUnits()
    assert sum(whole.add(amount) for amount in amounts) == int(sum(amounts))
