"""What is sent: placeholders for every name and value."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dynamodb.expressions import strategies
from transforms.dynamodb.errors import ExpressionError, UserError
from transforms.dynamodb.expressions import (
    Path,
    ServiceExpression,
    parse_condition,
    render_projection,
)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("day >= '2013'", "#f0 >= :f0"),
        ("a.b[0].a = 1 OR 1.0 = a", "#f0.#f1[0].#f0 = :f0 OR :f1 = #f0"),
        ("((a = 1) AND ((b = 2)))", "#f0 = :f0 AND #f1 = :f1"),
        ("(a = 1 OR b = 2) AND a = 2", "(#f0 = :f0 OR #f1 = :f1) AND #f0 = :f2"),
        (
            "NOT a = 1 OR (b = 1 AND c = 1)",
            "NOT (#f0 = :f0) OR #f1 = :f1 AND #f2 = :f2",
        ),
        ("NOT (a = 1 OR b = 1)", "NOT (#f0 = :f0 OR #f1 = :f1)"),
        ("a = 1 OR 1 = 1", "#f0 = :f0 OR :f1 = :f2"),
        ("a in ( 1,2 )", "#f0 IN (:f0, :f1)"),
        ("a between 1 and b", "#f0 BETWEEN :f0 AND #f1"),
        ("SIZE(a) < 3", "size(#f0) < :f0"),
        ("CONTAINS(a, 'x')", "contains(#f0, :f0)"),
        ("begins_with(a, 'x')", "begins_with(#f0, :f0)"),
        ("attribute_type(a, 'S')", "attribute_type(#f0, :f0)"),
        ("attribute_not_exists(a)", "attribute_not_exists(#f0)"),
    ],
)
def test_a_condition_is_sent_with_placeholders_alone(text, sent):
    assert parse_condition(text).to_service().expression == sent


def test_names_and_values_go_beside_the_expression():
    condition = parse_condition("#d >= '2013' AND b = :b", names={"#d": "the day"},
                                values={":b": b"\xff"})  # fmt: skip
    service = condition.to_service()
    assert service.names == (("#f0", "the day"), ("#f1", "b"))
    assert msgspec.json.decode(service.values) == {
        ":f0": {"S": "2013"},
        ":f1": {"B": "/w=="},
    }


def test_a_condition_without_values_sends_none():
    service = parse_condition("attribute_exists(a)").to_service()
    assert service == ServiceExpression("attribute_exists(#f0)", (("#f0", "a"),), b"")


def test_a_projection_has_placeholders_of_its_own():
    assert render_projection(["day", "tags[0].name", "tags[1]", "name"]) == (
        ServiceExpression(
            "#p0, #p1[0].#p2, #p1[1], #p2",
            (("#p0", "day"), ("#p1", "tags"), ("#p2", "name")),
        )
    )


def test_a_path_within_another_is_left_out_of_a_projection():
    paths: list[str | Path] = ["a.b[0]", "c", "a.b", "c", Path("a.b"), "c.d"]
    projection = render_projection(paths)
    assert projection.expression == "#p0, #p1.#p2, #p3"
    assert [name for _, name in projection.names] == ["c", "a", "b", "a.b"]


def test_a_projection_of_nothing_is_an_error():
    with pytest.raises(UserError, match="one path or more"):
        render_projection([])


def test_a_projection_of_no_path_is_an_error_at_its_place():
    with pytest.raises(ExpressionError, match="expected an attribute name"):
        render_projection(["a", "b."])


@given(st.lists(strategies.paths, min_size=1))
def test_a_projection_covers_every_path_and_overlaps_nowhere(paths):
    sent = render_projection(paths)
    names = dict(sent.names)
    texts = sent.expression.split(", ")
    kept = [
        tuple(
            int(step) if step.isdigit() else names[step]
            for step in text.replace("[", ".").replace("]", "").split(".")
        )
        for text in texts
    ]
    wanted = {(path.attribute, *path.steps) for path in paths}
    assert set(kept) <= wanted
    for path in wanted:
        assert sum(path[: len(outer)] == outer for outer in kept) == 1
