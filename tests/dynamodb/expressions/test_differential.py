"""The exact engine keeps the items that we keep."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dynamodb.expressions import strategies
from tests.dynamodb.expressions.differential import (
    RefusedError,
    compare,
    connected,
)
from transforms.dynamodb.attribute_values import encode_value
from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions import (
    ServiceExpression,
    parse_condition,
    render_projection,
)

pytestmark = pytest.mark.dynoxide

# dynoxide is laxer than the service. These it takes and answers with no items; the
# service refuses them with the message at the end, and so do we.
LAXER_THAN_THE_SERVICE = [
    ("#f0 < :f0", {":f0": True}, "takes S, N or B", "Incorrect operand type"),
    ("#f0 >= :f0", {":f0": [1]}, "takes S, N or B", "Incorrect operand type"),
    (
        "#f0 BETWEEN :f0 AND :f1",
        {":f0": None, ":f1": True},
        "takes S, N or B",
        "Incorrect operand type",
    ),
    (
        "#f0 BETWEEN :f0 AND :f1",
        {":f0": 2, ":f1": 1},
        "swap them",
        "The BETWEEN operator requires upper bound to be greater",
    ),
    (
        "#f0 BETWEEN :f0 AND :f1",
        {":f0": 2, ":f1": "3"},
        "one type",
        "The BETWEEN operator requires same data type for lower and upper bounds",
    ),
    (
        "attribute_type(#f0, :f0)",
        {":f0": "Q"},
        "type's name",
        "Invalid attribute type name found",
    ),
    ("contains(:f0, #f0)", {":f0": 1}, "takes S, B, SS", "Incorrect operand type"),
    (
        "#f0 < #f0",
        {},
        "one attribute twice",
        "The first operand must be distinct from the remaining operands",
    ),
]


@pytest.fixture(scope="module")
def service():
    with connected() as running:
        running.fill("laxer", [{"a": {"N": "1"}}])
        yield running


def test_generated_conditions_keep_the_items_that_the_service_keeps(service):
    outcomes = list(compare(service, cases=2_000, seed=1))
    assert len(outcomes) == 2_000
    assert [outcome for outcome in outcomes if outcome is not None] == []


@pytest.mark.parametrize(
    ("expression", "values", "ours"), [case[:3] for case in LAXER_THAN_THE_SERVICE]
)
def test_what_only_the_engine_takes_is_refused_here(service, expression, values, ours):
    with pytest.raises(ExpressionError, match=ours):
        parse_condition(expression, names={"#f0": "absent"}, values=values)
    tagged = {name: encode_value(value) for name, value in values.items()}
    wire = msgspec.json.encode(tagged) if tagged else b""
    sent = ServiceExpression(expression, (("#f0", "absent"),), wire)
    assert service.kept("laxer", sent) == set()


def test_the_engine_refuses_a_prefix_that_is_a_number_as_we_do(service):
    service.fill("prefix", [])
    expression = ServiceExpression(
        "begins_with(#f0, :f0)", (("#f0", "a"),), b'{":f0":{"N":"1"}}'
    )
    with pytest.raises(RefusedError, match="Incorrect operand type"):
        service.kept("prefix", expression)
    with pytest.raises(ExpressionError, match="begins_with takes S or B"):
        parse_condition("begins_with(a, 1)")


@settings(max_examples=20, deadline=None)
@given(st.lists(strategies.paths, min_size=1, max_size=6))
def test_the_engine_takes_every_projection(service, paths):
    projection = render_projection(paths)
    if "projection" not in service.call("ListTables", {})["TableNames"]:
        service.fill("projection", [{"a": {"S": "x"}}])
    service.call(
        "Scan",
        {
            "TableName": "projection",
            "ProjectionExpression": projection.expression,
            "ExpressionAttributeNames": dict(projection.names),
        },
    )


def test_a_reserved_word_is_sent_as_a_placeholder(service):
    service.fill("reserved", [{"day": {"S": "2013-06-01"}, "value": {"N": "1"}}])
    condition = parse_condition("day >= '2013-06-01' AND value = 1.0")
    assert service.kept("reserved", condition.to_service()) == {0}
    assert msgspec.json.decode(condition.to_service().values) == {
        ":f0": {"S": "2013-06-01"},
        ":f1": {"N": "1"},
    }
