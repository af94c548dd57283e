"""The suites that need more than Python, and what becomes of them without it.

A test says what it needs by a marker. Where that is missing the test is skipped, and
the run ends by listing each suite left out, its size and the reason. Under
``BEAM_DYNAMODB_TEST_ALL=1`` nothing is left out quietly: every skip is a failure,
except of the suites that only a person can ask for.
"""

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from pipelines.runner_profiles import with_local_parts
from tests.support.clusters import build_folder

TEST_ALL = "BEAM_DYNAMODB_TEST_ALL"
DYNOXIDE = "BEAM_DYNAMODB_DYNOXIDE"
VERSITYGW = "BEAM_DYNAMODB_VERSITYGW"
DYNAMODB_LOCAL = "BEAM_DYNAMODB_LOCAL_ENDPOINT"
RUNNERS_FULL = "BEAM_DYNAMODB_RUNNERS_FULL"
AWS_PROFILE = "BEAM_DYNAMODB_AWS_PROFILE"


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that share a marker and a need.

    Attributes:
        marker: the pytest marker of its tests.
        missing: gives the reason why it cannot run here, None when it can.
        opt_in: true where only a person may ask for it, so that
            ``BEAM_DYNAMODB_TEST_ALL=1`` does not.
    """

    marker: str
    missing: Callable[[], str | None]
    opt_in: bool = False

    def skip_reason(self) -> str | None:
        """The reason with the suite's name before it, None when it can run."""
        reason = self.missing()
        return None if reason is None else f"{self.marker}: {reason}"


def _moto_missing() -> str | None:
    if importlib.util.find_spec("moto") is not None:
        return None
    return "moto is not installed; ./run_local.sh test installs it"


def _dynoxide_missing() -> str | None:
    if os.environ.get(DYNOXIDE) or shutil.which("dynoxide"):
        return None
    return (
        f"no dynoxide on PATH and {DYNOXIDE} is not set; "
        "`npm ci --prefix tests/engines` installs it"
    )


def _go_missing() -> str | None:
    if shutil.which("go"):
        return None
    return "no go on PATH; it builds the stub service of the bench (https://go.dev/dl)"


def _clusters_missing() -> str | None:
    remedy = "`deploy/job-servers/build --with-clusters` builds it"
    for name in ("flink-cluster", "spark-cluster", "sql"):
        if not (build_folder() / f"{name}.made-by").exists():
            return f"no {name} in {build_folder()}; {remedy}"
    return None if shutil.which("java") else "java is not on PATH; install a Java 17"


def _prism_missing() -> str | None:
    if with_local_parts(["--runner=PrismRunner"])[1:]:
        return None
    return "no prism in the cache or on PATH; .ci/prism builds it, with Go"


def _versitygw_missing() -> str | None:
    if os.environ.get(VERSITYGW) or shutil.which("versitygw"):
        return None
    return f"no versitygw on PATH and {VERSITYGW} is not set; .ci/versitygw installs it"


def _variable_missing(name: str, remedy: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        return None if os.environ.get(name) else f"{name} is not set; {remedy}"

    return missing


SUITES = (
    Suite("emulator", _moto_missing),
    Suite("dynoxide", _dynoxide_missing),
    Suite("go", _go_missing),
    Suite("s3", _versitygw_missing),
    Suite("runner", _clusters_missing),
    Suite("prism", _prism_missing),
    Suite(
        "runner_full",
        _variable_missing(RUNNERS_FULL, "`make test-runners` sets it"),
        opt_in=True,
    ),
    Suite(
        "dynamodb_local",
        _variable_missing(
            DYNAMODB_LOCAL,
            "its licence asks for an AWS account, so it is yours to start",
        ),
        opt_in=True,
    ),
    Suite(
        "aws",
        _variable_missing(AWS_PROFILE, "it names a profile that may be charged"),
        opt_in=True,
    ),
)


def _everything_is_asked_for() -> bool:
    return os.environ.get(TEST_ALL) == "1"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips each test whose suite cannot run here."""
    reasons = {suite.marker: suite.skip_reason() for suite in SUITES}
    for item in items:
        for marker, reason in reasons.items():
            if reason is not None and item.get_closest_marker(marker) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


def _is_opt_in(item: pytest.Item) -> bool:
    return any(
        suite.opt_in and item.get_closest_marker(suite.marker) is not None
        for suite in SUITES
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure where everything is asked for."""
    report = yield
    left_out = report.skipped and not hasattr(report, "wasxfail")
    if left_out and _everything_is_asked_for() and not _is_opt_in(item):
        report.outcome = "failed"
        report.longrepr = f"{TEST_ALL}=1, but skipped: {skip_text(report)}"
    return report


def skip_text(report: pytest.TestReport) -> str:
    """The reason that a skipped test gave."""
    where_and_why = report.longrepr
    text = where_and_why[2] if isinstance(where_and_why, tuple) else str(where_and_why)
    return text.removeprefix("Skipped: ")


def not_run_lines(reasons: Iterable[str]) -> list[str]:
    """One line a reason, with the number of tests that it kept from running.

    >>> not_run_lines(["dynoxide: not there", "dynoxide: not there"])
    ['dynoxide: not there (2 tests)']
    """
    counted = sorted(Counter(reasons).items())
    return [
        f"{reason} ({count} {'test' if count == 1 else 'tests'})"
        for reason, count in counted
    ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Ends the run with the suites that were not run, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.section("suites not run")
    lines = not_run_lines(skip_text(report) for report in skipped)
    for line in lines or ["none: every suite that was collected ran"]:
        terminalreporter.write_line(line)
