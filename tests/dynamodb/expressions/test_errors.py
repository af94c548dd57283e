"""Every mistake: what was found, what was expected, the remedy, and the place."""

import pickle
from typing import Any

import pytest

from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions import parse_condition, parse_path
from transforms.dynamodb.expressions.parser import MAX_NESTING


def error_of(text: str, **placeholders: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, **placeholders)
    return caught.value


# The mark ^ stands before the place; it is no part of the text.
@pytest.mark.parametrize(
    ("marked", "message"),
    [
        # not closed, not finished
        ("^", "found the end, expected an attribute name or a value"),
        (
            "a^",
            "found the end, expected a comparator (= <> < <= > >=) or BETWEEN or IN",
        ),
        ("a =^", "found the end, expected an attribute name or a value"),
        ("a = 1 AND^", "found the end, expected an attribute name or a value"),
        ("NOT^", "found the end"),
        ("(a = 1^", "found the end, expected )"),
        ("a = 1^)", "found `)`, expected the end"),
        ("a IN (^)", "found `)`, expected an attribute name or a value"),
        ("a = ^'x", "close the string with '"),
        ("size(a)^", "found the end, expected a comparator"),
        ("contains(a^)", "found `)`, expected a comma"),
        # other languages' habits
        ('a = ^"x"', "a string is written 'text'"),
        ("a =^= 1", "equality is a single ="),
        ("a ^!= 1", "not equal is written <>"),
        ("^!a", "the opposite is written NOT"),
        ("a =^> 1", "the comparators are = <> < <= > >="),
        ("a = 1 ^&& b = 1", "write AND"),
        ("a = 1 ^|| b = 1", "write OR"),
        ("a ^like 'x%'", "use begins_with(name, 'text') or contains(name, 'text')"),
        ("a ^IS NULL", "name = NULL"),
        ("a = 1 ^+ 2", "there is no arithmetic"),
        ("a = 1^;", "leave it out"),
        # names, numbers, placeholders
        ("a = 2013^-06-01", "a date is a string, '2013-06-01'"),
        ("my^-attr = 1", "an attribute name with - needs a placeholder, #n"),
        ("^and = 1", "as an attribute's name this keyword needs a placeholder"),
        ("a.^null = 1", "as an attribute's name this keyword needs a placeholder"),
        ("a. ^= 1", "found `=`, expected an attribute name"),
        ("^é = 1", "a name beyond ASCII as #n"),
        ("a = ^10abc", "a name that begins with a digit #n"),
        ("a = ^.5", "a number begins with a digit, 0.5"),
        ("a^[-1] = 1", "a list index is a whole number from 0, tags[0]"),
        ("a^['x'] = 1", "a list index is a whole number from 0, tags[0]"),
        ("a^[9999999] = 1", "a list index is a whole number from 0, tags[0]"),
        ("a = ^:", "a value's placeholder is :"),
        ("^# = 1", "a name's placeholder is #"),
        ("a = ^:v", "the value :v is not defined; give it"),
        ("a.^#n = 1", "the name #n is not defined; give it"),
        (f"a = ^{'1' * 39}", "38"),
        ("a = ^1e126", "38 significant digits"),
        # functions
        ("foo^(a)", "the functions are attribute_exists, attribute_not_exists"),
        ("attribute_exists(^'x')", "found `'x'`, expected an attribute name"),
        ("attribute_exists(^'x')", "an attribute name has no quotes"),
        ("attribute_exists(a) ^= 1", "found `=`, expected AND or OR or the end"),
        ("attribute_type(a, ^S)", "found `S`, expected a value"),
        ("attribute_type(a, ^'Q')", "use one of 'S', 'N', 'B', 'BOOL', 'NULL'"),
        ("attribute_type(a, ^1)", "attribute_type takes a type's name"),
        # operands that can never fit
        ("a < ^true", "< takes S, N or B, got a value of type BOOL"),
        ("^NULL <= a", "to find NULL use attribute_type(name, 'NULL') or = NULL"),
        ("a BETWEEN ^NULL AND 1", "BETWEEN takes S, N or B, got a value of type NULL"),
        ("a BETWEEN 2 AND ^1", "the upper end of BETWEEN is below the lower end"),
        ("a BETWEEN 2 AND ^'3'", "both ends of BETWEEN must be of one type"),
        ("begins_with(a, ^1)", "begins_with takes S or B, got a value of type N"),
        ("contains(^1, a)", "contains takes S, B, SS, NS, BS or L"),
        ("a = ^a", "looks at one attribute twice"),
        ("size(a) > size(^a)", "the comparison looks at one attribute twice"),
        ("a.b[0] IN (1, ^a.b[0])", "IN looks at one attribute twice"),
    ],
)
def test_a_mistake_is_explained_at_its_place(marked, message):
    position = marked.index("^")
    text = marked.replace("^", "")
    error = error_of(text)
    assert message in str(error)
    assert error.position == position
    assert str(error).endswith(f"\n  {text}\n  {' ' * position}^")


def test_a_caret_stands_under_its_line_of_a_longer_expression():
    text = "day >= '2013-06-01'\nAND name == 'IAH'"
    assert str(error_of(text)).endswith("\n  AND name == 'IAH'\n            ^")


def test_a_value_of_no_type_is_explained_where_it_is_used():
    error = error_of("a = :v", values={":v": 1.5})
    assert "float" in str(error)
    assert error.position == 4


def test_a_set_that_is_empty_is_an_error():
    assert error_of("a = :v", values={":v": set()}).position == 4


def test_text_that_is_no_unicode_is_an_error_at_its_place():
    error = error_of("a = '\udc80'")
    assert error.position == 5
    assert "UTF-8" in str(error)
    assert str(error).encode()


def test_nesting_has_a_bound_far_below_pythons_stack():
    depth = MAX_NESTING + 1
    error = error_of("(" * depth + "a = 1" + ")" * depth)
    assert error.position == MAX_NESTING
    assert f"deeper than {MAX_NESTING} levels" in str(error)


def test_many_terms_are_no_nesting():
    terms = " AND ".join(["NOT (a = 1)"] * 2000)
    condition = parse_condition(terms)
    assert condition.matches({})
    assert condition.compile()(b"{}")


@pytest.mark.parametrize(("text", "position"), [("a..b", 2), ("a = 1", 2), ("'a'", 0)])
def test_a_path_that_is_none_is_an_error(text, position):
    with pytest.raises(ExpressionError) as caught:
        parse_path(text)
    assert caught.value.position == position


def test_an_expression_error_pickles():
    error = error_of("a == 1")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
