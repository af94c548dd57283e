"""How Hypothesis looks for counterexamples, in every property test.

A machine that is slow or shared is no counterexample: nothing here is timed. In CI the
examples are the same in every run, so that a change is judged by what it changed; on
a developer's machine they differ, and find what nobody thought of.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "beam-dynamodb",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("beam-dynamodb")
