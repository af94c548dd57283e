"""Conditions that other engines judge otherwise; what AWS documents decides.

Found by the differential test run against moto 5.2 and dynalite 4. The exact engine
and we agree on each of them.
"""

from typing import Any, NamedTuple

import msgspec
import pytest

from tests.dynamodb.expressions.differential import connected
from transforms.dynamodb.expressions import parse_condition

_GUIDE = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
_OPERATORS = f"{_GUIDE}/Expressions.OperatorsAndFunctions.html"
_NAMING_RULES = f"{_GUIDE}/HowItWorks.NamingRulesDataTypes.html"


class Disputed(NamedTuple):
    """One condition, what it is of an item, who says otherwise, and why we do not."""

    text: str
    item: dict[str, Any]
    is_true: bool
    disputed_by: str
    source: str


PREFIX = {":low": b"\x80"}
EMPTY = {"a": {"S": ""}}
DISPUTED = [
    # True "if a is equal to any value in the list", and what is not there is equal to
    # nothing: to compare with NULL is to ask for a stored NULL.
    Disputed("a IN (NULL, 'x')", {}, False, "moto", _OPERATORS),
    Disputed("a = NULL", {}, False, "dynalite", _OPERATORS),
    # BETWEEN is ">= AND <=", each of them false of a bound that is not there.
    Disputed("a BETWEEN b AND 3", {"a": {"N": "1"}}, False, "moto: 500", _OPERATORS),
    Disputed("3 BETWEEN 1 AND a", {}, False, "dynalite: crash", _OPERATORS),
    # A prefix may be binary.
    Disputed("begins_with(a, :low)", {"a": {"B": "gP8="}}, True, "moto", _OPERATORS),
    # A string may be empty, and is one all the same.
    Disputed("a = ''", EMPTY, True, "dynalite", _NAMING_RULES),
    Disputed("a IN ('')", EMPTY, True, "dynalite", _NAMING_RULES),
    Disputed("attribute_type(a, 'S')", EMPTY, True, "dynalite", _NAMING_RULES),
]
each_disputed = pytest.mark.parametrize(
    "case", DISPUTED, ids=[f"{case.text} ({case.disputed_by})" for case in DISPUTED]
)


@each_disputed
def test_what_aws_documents_decides(case):
    condition = parse_condition(case.text, values=PREFIX)
    assert condition.matches(case.item) is case.is_true
    assert condition.compile()(msgspec.json.encode(case.item)) is case.is_true


@pytest.fixture(scope="module")
def service():
    with connected() as running:
        yield running


@pytest.mark.dynoxide
@each_disputed
def test_the_exact_engine_decides_alike(service, case):
    table = f"disputed-{DISPUTED.index(case)}"
    service.fill(table, [case.item])
    expression = parse_condition(case.text, values=PREFIX).to_service()
    assert service.kept(table, expression) == ({0} if case.is_true else set())
