"""Runs a transform on Beam's local runner and returns what it puts out.

def test_something():
    assert collect(beam.Map(str), [1, 2]) == ["1", "2"]
"""

import itertools
import threading
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.metrics import counters_of

# The runner's workers are threads of this process: what they put here, we find.
_kept: dict[int, list[Any]] = {}
_runs = itertools.count()
_lock = threading.Lock()


def collect(
    transform: "beam.PTransform[Any, Any]", inputs: Iterable[Any] | None = None
) -> list[Any]:
    """The elements that `transform` makes of `inputs`, or of nothing if None."""
    return collect_and_count(transform, inputs)[0]


def collect_and_count(
    transform: "beam.PTransform[Any, Any]", inputs: Iterable[Any] | None = None
) -> tuple[list[Any], dict[str, int]]:
    """As `collect`, and the counters of the run by their names."""
    run = next(_runs)
    _kept[run] = []
    try:
        result = _run(transform, inputs, run)
        return _kept[run], counters_of(result)
    finally:
        del _kept[run]


def _run(transform: Any, inputs: Iterable[Any] | None, run: int) -> Any:
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
    source = pipeline if inputs is None else pipeline | "Inputs" >> beam.Create(inputs)
    outputs = source | "Under test" >> transform
    _ = outputs | "Keep" >> beam.Map(_keep, run)
    result = pipeline.run()
    result.wait_until_finish()
    return result


def _keep(element: Any, run: int) -> None:
    with _lock:
        _kept[run].append(element)
