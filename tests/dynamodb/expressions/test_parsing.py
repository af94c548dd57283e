"""Text to tree, and back through what the service gets."""

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given

from tests.dynamodb.expressions import strategies
from transforms.dynamodb.attribute_values import decode_value
from transforms.dynamodb.expressions import Condition, parse_condition, parse_path
from transforms.dynamodb.expressions.parser import MAX_NESTING
from transforms.dynamodb.expressions.syntax import (
    And,
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Between,
    Comparison,
    Contains,
    In,
    Node,
    Not,
    Or,
    Path,
    Size,
    literal,
)

MANY_DIGITS = "12345678901234567890123456789012345678"
A, B, C = Path("a"), Path("b"), Path("c")
ONE = literal({"N": "1"})
TWO = literal({"N": "2"})
TEXT = literal({"S": "text"})


def tree(text: str, **placeholders: Any) -> Node:
    return parse_condition(text, **placeholders).tree


@pytest.mark.parametrize("comparator", ["=", "<>", "<", "<=", ">", ">="])
def test_every_comparator_takes_two_operands(comparator):
    expected = Comparison(comparator, A, ONE)
    assert tree(f"a {comparator} 1") == tree(f"a{comparator}1") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 < a", Comparison("<", ONE, A)),
        ("a <> b", Comparison("<>", A, B)),
        ("a BETWEEN 1 AND 2", Between(A, ONE, TWO)),
        ("a IN (1)", In(A, (ONE,))),
        ("a IN (1, b, 'text')", In(A, (ONE, B, TEXT))),
        ("attribute_exists(a)", AttributeExists(A)),
        ("attribute_not_exists (a)", AttributeNotExists(A)),
        ("attribute_type(a, 'SS')", AttributeType(A, literal({"S": "SS"}))),
        ("begins_with(a, 'text')", BeginsWith(A, TEXT)),
        ("contains(a, 'text')", Contains(A, TEXT)),
        ("size(a) > 1", Comparison(">", Size(A), ONE)),
        ("size(a) = size(b)", Comparison("=", Size(A), Size(B))),
    ],
)
def test_each_form_has_its_node(text, expected):
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "tagged"),
    [
        ("'2013-06-01'", {"S": "2013-06-01"}),
        ("'it''s'", {"S": "it's"}),
        ("''''", {"S": "'"}),
        ("''", {"S": ""}),
        ("'a \"b\" \\n ü'", {"S": 'a "b" \\n ü'}),
        ("10", {"N": "10"}),
        ("-1.5", {"N": "-1.5"}),
        ("1.50", {"N": "1.5"}),
        ("2e3", {"N": "2000"}),
        (MANY_DIGITS, {"N": MANY_DIGITS}),
        ("true", {"BOOL": True}),
        ("False", {"BOOL": False}),
        ("NULL", {"NULL": True}),
    ],
)
def test_a_literal_is_written_as_in_partiql(text, tagged):
    assert tree(f"a = {text}") == Comparison("=", A, literal(tagged))


@pytest.mark.parametrize(
    ("value", "tagged"),
    [
        (1, {"N": "1"}),
        (b"\xff", {"B": "/w=="}),
        ({"y", "x"}, {"SS": ["x", "y"]}),
        ([1, None], {"L": [{"N": "1"}, {"NULL": True}]}),
        ({"k": "v"}, {"M": {"k": {"S": "v"}}}),
    ],
)
def test_a_value_placeholder_stands_for_a_python_value(value, tagged):
    assert tree("a = :v", values={":v": value}) == Comparison("=", A, literal(tagged))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.b", Path("a", ("b",))),
        ("a[0]", Path("a", (0,))),
        ("a[ 12 ].b[3]", Path("a", (12, "b", 3))),
        ("a . b", Path("a", ("b",))),
        ("#odd.#odd[0].b", Path("odd name", ("odd name", 0, "b"))),
    ],
)
def test_a_path_goes_through_maps_and_lists(text, path):
    names = {"#odd": "odd name", "#unused": "x"}
    assert tree(f"{text} = 1", names=names) == Comparison("=", path, ONE)
    assert parse_path(text, names) == path


@pytest.mark.parametrize(
    "name", ["day", "name", "value", "size", "contains", "begins_with", "android", "_1"]
)
def test_a_reserved_word_or_a_functions_name_is_a_name(name):
    assert tree(f"{name} = 1") == Comparison("=", Path(name), ONE)


def test_keywords_and_functions_are_taken_in_any_case():
    assert tree("not a BeTween 1 and 2 or Attribute_Exists(a)") == tree(
        "NOT a BETWEEN 1 AND 2 OR attribute_exists(a)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1 OR b = 1 AND c = 1", "a = 1 OR (b = 1 AND c = 1)"),
        ("NOT a = 1 AND b = 1", "(NOT a = 1) AND b = 1"),
        ("a BETWEEN 1 AND 2 AND b = 1", "(a BETWEEN 1 AND 2) AND (b = 1)"),
        ("a = 1 AND (b = 1 AND c = 1)", "(a = 1 AND b = 1) AND c = 1"),
        ("a = 1 OR (b = 1 OR c = 1)", "a = 1 OR b = 1 OR c = 1"),
        ("((a = 1))", "a = 1"),
        ("NOT NOT a = 1", "a = 1"),
        ("NOT (NOT (NOT a = 1))", "NOT a = 1"),
    ],
)
def test_texts_that_group_alike_give_one_tree(text, expected):
    assert tree(text) == tree(expected)


def test_precedence_is_not_then_and_then_or():
    leaf = [Comparison("=", path, ONE) for path in (A, B, C)]
    assert tree("a = 1 OR NOT b = 1 AND c = 1") == Or(
        (leaf[0], And((Not(leaf[1]), leaf[2])))
    )
    assert tree("(a = 1 OR b = 1) AND c = 1") == And((Or((leaf[0], leaf[1])), leaf[2]))


def test_the_deepest_nesting_allowed_is_parsed_evaluated_and_rendered():
    text = "NOT (a = 1 AND " * MAX_NESTING + "b = 1" + ")" * MAX_NESTING
    condition = parse_condition(text)
    item = {"a": {"N": "1"}, "b": {"N": "1"}}
    assert condition.matches(item)
    assert condition.compile()(msgspec.json.encode(item))
    assert condition.to_service().expression.count("NOT") == MAX_NESTING


def test_a_condition_knows_the_attributes_it_reads():
    text = "a.x = 1 AND (size(b[0]) > 2 OR NOT contains(c, #d)) AND :v IN (e, 'f')"
    condition = parse_condition(text, names={"#d": "odd name"}, values={":v": 1})
    assert condition.attributes == {"a", "b", "c", "odd name", "e"}


def test_a_condition_without_attributes_is_constant():
    condition = parse_condition("1 < 2")
    assert condition.attributes == frozenset()
    assert condition.compile()(b'{"a": {"S": "x"}}')


@given(strategies.nodes)
def test_what_the_service_gets_parses_to_the_same_tree(node):
    service = Condition("", node).to_service()
    values = msgspec.json.decode(service.values or b"{}")
    again = parse_condition(
        service.expression,
        names=dict(service.names),
        values={name: decode_value(tagged) for name, tagged in values.items()},
    )
    assert again.tree == node


@given(strategies.nodes)
def test_a_condition_pickles(node):
    condition = Condition("a = 1", node)
    condition.compile()
    again = pickle.loads(pickle.dumps(condition))
    assert again == condition
    assert again.compile() is condition.compile()
