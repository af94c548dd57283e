"""Functions as mappings, by their dotted names."""

import pytest

from tests.mapping import functions_for_tests as functions
from transforms.dynamodb.errors import UserError
from transforms.items import Item
from transforms.mapping import (
    MisfitError,
    compile_function,
    is_function_name,
    load_function,
)

MODULE = "tests.mapping.functions_for_tests"
ITEM = Item.from_attributes({"id": "a secret", "value": 3})


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        ("package.module:function", True),
        ("module:Class.method", True),
        ("a AS b", False),
        ("*", False),
        ("a", False),
        ("concat(a, ':') AS b", False),
    ],
)
def test_a_name_is_told_from_a_mapping(text, is_name):
    assert is_function_name(text) is is_name


def test_a_function_is_found_by_its_name():
    assert load_function(f"{MODULE}:add_region") is functions.add_region


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.such.module:f", "cannot be imported"),
        (f"{MODULE}:absent", "has no 'absent'"),
        (f"{MODULE}:NOT_CALLABLE", "is no function"),
    ],
)
def test_what_is_no_function_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        load_function(name)


def test_it_makes_none_one_or_several():
    assert compile_function(functions.drop_small)(ITEM.wire) == []
    (one,) = compile_function(functions.add_region)(ITEM.wire)
    assert Item(one)["region"] == "eu"
    made = compile_function(functions.twice)(ITEM.wire)
    assert [Item(wire)["copy"] for wire in made] == ["1", "2"]


def test_what_it_raises_is_told_by_its_type_alone():
    with pytest.raises(MisfitError) as caught:
        compile_function(functions.fails)(ITEM.wire)
    assert str(caught.value) == "the function raised ValueError"


def test_what_it_returns_must_be_items():
    function = functions.returns_a_dict
    with pytest.raises(MisfitError, match="returned a str; return an Item"):
        compile_function(function)(ITEM.wire)  # type: ignore[arg-type]
