import pytest

from tests.support import suites

MODULE = """
import pytest

@pytest.mark.dynoxide
@pytest.mark.parametrize("case", [1, 2])
def test_that_needs_dynoxide(case):
    pass

@pytest.mark.dynamodb_local
def test_that_only_a_person_asks_for():
    pass

def test_that_needs_nothing():
    pass
"""

CONFIG = """
[pytest]
addopts = -p tests.support.suites
markers =
    dynoxide: x
    dynamodb_local: x
"""


@pytest.fixture
def project(pytester, monkeypatch, request):
    monkeypatch.syspath_prepend(str(request.config.rootpath))
    monkeypatch.setenv("PATH", "")
    for name in (suites.DYNOXIDE, suites.DYNAMODB_LOCAL, suites.TEST_ALL):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini(CONFIG)
    pytester.makepyfile(MODULE)
    return pytester


def test_a_missing_engine_is_listed_at_the_end_with_its_reason(project):
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(
        [
            "*suites not run*",
            f"dynamodb_local: {suites.DYNAMODB_LOCAL} is not set;* (1 test)",
            "dynoxide: no dynoxide on PATH *(2 tests)",
            "*1 passed, 3 skipped*",
        ]
    )


def test_a_missing_engine_fails_when_everything_is_asked_for(project, monkeypatch):
    monkeypatch.setenv(suites.TEST_ALL, "1")
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=2, skipped=1)
    result.stdout.fnmatch_lines(["*but skipped: dynoxide: no dynoxide on PATH*"])


def test_an_engine_that_is_there_runs_its_suite(project, monkeypatch):
    monkeypatch.setenv(suites.DYNOXIDE, "/somewhere/dynoxide")
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=3, skipped=1)


def test_a_full_run_says_that_nothing_was_left_out(pytester, monkeypatch, request):
    monkeypatch.syspath_prepend(str(request.config.rootpath))
    pytester.makeini(CONFIG)
    pytester.makepyfile("def test_that_needs_nothing():\n    pass")
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["none: every suite that was collected ran"])
