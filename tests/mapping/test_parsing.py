"""Mappings: what a text means, and what is said of each mistake and where."""

import pickle

import pytest

from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions import Path
from transforms.mapping import parse_mapping
from transforms.mapping.syntax import Everything, ForEach, Selection


def test_a_list_of_names_is_plain_columns():
    assert parse_mapping("uuid_hash, day AS date").columns == {
        "uuid_hash": "uuid_hash",
        "day": "date",
    }


@pytest.mark.parametrize(
    "text",
    ["*", "a, b.c", "a, 'x' AS b", "FOR x IN xs, a", "a, SKIP IF a = 1", "a, a AS b"],
)
def test_what_is_more_than_columns_is_none(text):
    assert parse_mapping(text).columns is None


def test_everything_has_exceptions_and_additions():
    mapping = parse_mapping("* except (secret, address.lines[0]), day as date")
    assert mapping.everything == Everything(
        (Path("secret"), Path("address", ("lines", 0)))
    )
    assert mapping.selections == (Selection(Path("day"), Path("date")),)
    assert mapping.reads is None
    assert mapping.targets is None


def test_a_mapping_knows_what_it_reads_and_what_it_looks_into():
    mapping = parse_mapping(
        "FOR tag IN tags, id, concat(name, '#', tag) AS key, tag, SKIP IF size(day) = 0"
    )
    assert set(mapping.reads or ()) == {"tags", "id", "name", "day"}
    assert mapping.computed_from == {"tags", "name", "day"}
    assert set(mapping.targets or ()) == {"id", "key", "tag"}
    assert mapping.for_each == ForEach("tag", Path("tags"))


def test_reserved_words_and_words_of_the_language_are_names():
    text = "day, name, value, for, skip, each, hash, as_, map AS except"
    assert "except" in (parse_mapping(text).targets or ())


@pytest.mark.parametrize(
    ("text", "target", "origin"),
    [
        ("id, day", "id", "id"),
        ("uuid AS id", "id", "uuid"),
        ("*", "id", "id"),
        ("* EXCEPT (id)", "id", None),
        ("*, uuid AS id", "id", "uuid"),
        ("*, string(id) AS id", "id", None),
        ("day", "id", None),
        ("FOR id IN ids, id", "id", None),
    ],
)
def test_it_tells_where_an_attribute_is_from(text, target, origin):
    assert parse_mapping(text).origin_of(target) == origin


def test_only_hash_needs_a_key():
    assert parse_mapping("concat('x', hash(email)) AS id").uses_hash
    assert not parse_mapping("hash, mask(email) AS email").uses_hash


# The mark ^ stands before the place; it is no part of the text.
@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("^", "found the end, expected an attribute name"),
        ("id,^", "found the end, expected an attribute name"),
        ("id AS^", "found the end, expected an attribute name"),
        ("id ^day", "found `day`, expected a comma or the end"),
        ("concat(id^", "found the end, expected a comma or )"),
        ("concat(id)^", "a computed value needs a name; write … AS name"),
        ("'x'^, id", "a value needs a name before the comma; write … AS name"),
        ("^tags[0]", "an element needs a name; write … AS name"),
        ("id AS ^ids[0]", "a name has no list index; name an attribute"),
        (
            "^nothing(id) AS x",
            "there is no function nothing; there are concat, default",
        ),
        ("id, ^id", "'id' is made twice; give one of them another name"),
        ("a AS x.y, b AS ^x", "'x' is made twice; give one of them another name"),
        ("SKIP IF a = 1^", "the new item has no attribute; select some, or *"),
        ("^*, *", "* is there twice; keep one"),
        ("^FOR a IN b, FOR c IN d, x", "FOR … IN … is there twice; keep one"),
        ("SKIP IF ^mask(a) = 'x', b", "which conditions do not have; theirs are"),
        ("SKIP IF a < ^true, b", "< takes S, N or B, got a value of type BOOL"),
        ("^mask(a, 1, 2) AS b", "mask takes a text, and how many characters stay (4)"),
        ("substring(a, ^0) AS b", "give a whole number from 1"),
        ("substring(a, ^b) AS c", "write a value here"),
        ("mask(a, ^'x') AS b", "give a whole number from 0"),
        ("truncate(a, ^'week') AS b", "give one of 'year', 'month', 'day', 'hour'"),
        ("^default(a) AS b", "got 1 argument"),
        ("concat(a, ^1e200) AS b", "38 significant digits"),
    ],
)
def test_a_mistake_is_explained_at_its_place(marked, message):
    position = marked.index("^")
    text = marked.replace("^", "")
    with pytest.raises(ExpressionError) as caught:
        parse_mapping(text)
    error = caught.value
    assert message in str(error)
    assert error.position == position
    assert str(error).endswith(f"\n  {text}\n  {' ' * position}^")


def test_a_mapping_pickles():
    mapping = parse_mapping("* EXCEPT (a), mask(b, 2) AS b, SKIP IF c = 1")
    assert pickle.loads(pickle.dumps(mapping)) == mapping
