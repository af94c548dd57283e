"""A route's items carry the key that its table wants, or are refused."""

import pytest

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import KeyAttribute, KeySchema
from transforms.planning.keys import check_keys, describe_keys

SIMPLE = KeySchema(KeyAttribute("id", "S"))
WITH_DAY = KeySchema(KeyAttribute("id", "S"), KeyAttribute("day", "N"))


def check(
    source: KeySchema,
    target: KeySchema,
    shared: dict[str, str] | None = None,
    own: dict[str, str] | None = None,
) -> None:
    check_keys(
        route="oregon",
        source=("us-1/from", source),
        target=("us-2/into", target),
        mappings=(("the columns of all routes", shared), ("its columns", own)),
    )


@pytest.mark.parametrize(
    ("target", "shared", "own"),
    [
        (WITH_DAY, None, None),
        (WITH_DAY, {"id": "id", "day": "day"}, None),
        (WITH_DAY, {"id": "key", "day": "day"}, {"key": "id", "day": "day"}),
        (
            KeySchema(KeyAttribute("key", "S"), KeyAttribute("when", "N")),
            {"id": "key", "day": "day", "other": "id"},
            {"key": "key", "day": "when"},
        ),
    ],
    ids=["all", "picked", "renamed and back", "renamed in both"],
)
def test_a_key_that_arrives_is_accepted(target, shared, own):
    check(WITH_DAY, target, shared, own)


def test_keys_are_said_with_their_types():
    assert describe_keys(WITH_DAY) == "partition key id (S), sort key day (N)"


@pytest.mark.parametrize(
    ("target", "shared", "own", "message"),
    [
        (
            WITH_DAY,
            {"id": "id", "value": "value"},
            None,
            (
                "route oregon: the columns of all routes drop 'day', the sort key of "
                "us-1/from; add day to them"
            ),
        ),
        (
            WITH_DAY,
            None,
            {"day": "day"},
            (
                "route oregon: its columns drop 'id', the partition key of "
                "us-1/from; add id to them"
            ),
        ),
        (
            WITH_DAY,
            None,
            {"id": "key", "day": "day"},
            (
                "route oregon: columns rename 'id', the partition key of us-1/from, "
                "to 'key', but the partition key of us-2/into is 'id'; write it as "
                "id:id"
            ),
        ),
        (
            SIMPLE,
            None,
            None,
            (
                "route oregon: the keys differ: us-1/from gives partition key id (S), "
                "sort key day (N), and us-2/into has partition key id (S), no sort "
                "key; create the target with the source's keys, or rename with "
                "--columns SOURCE:TARGET"
            ),
        ),
        (
            KeySchema(KeyAttribute("id", "N"), KeyAttribute("day", "N")),
            None,
            None,
            (
                "route oregon: the keys differ: us-1/from gives partition key id (S), "
                "sort key day (N), and us-2/into has partition key id (N), sort key "
                "day (N); create the target with the source's keys, or rename with "
                "--columns SOURCE:TARGET"
            ),
        ),
    ],
    ids=[
        "dropped by all",
        "dropped by one",
        "renamed away",
        "other keys",
        "other type",
    ],
)
def test_a_key_that_does_not_arrive_is_refused(target, shared, own, message):
    with pytest.raises(UserError) as refused:
        check(WITH_DAY, target, shared, own)
    assert str(refused.value) == message
