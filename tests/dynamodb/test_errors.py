"""Errors: what a reply means, that they travel, and what they never show."""

import json
import pickle

import pytest

from transforms.dynamodb import errors
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    DuplicateKeysError,
    ExpressionError,
    ItemRejectedError,
    ServerError,
    ThrottledError,
    UserError,
    error_from_response,
)

EVERY_ERROR = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, BeamDynamoDBError)
]
_MORE_FIELDS = {ExpressionError: ("a >> 1", 3), ThrottledError: ("Code", ("Why",))}


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_pickles_with_its_text_and_fields(kind):
    error = kind("the table is gone; make it", *_MORE_FIELDS.get(kind, ()))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert str(error).startswith("the table is gone; make it")
    assert kind.__name__ in errors.__all__


def reply_to(operation: str, status: int, **fields: object) -> BeamDynamoDBError:
    body = json.dumps(fields).encode()
    return error_from_response(operation, "eu-west-1/birds", status, body)


def test_a_throttle_carries_the_services_reasons():
    error = reply_to(
        "BatchWriteItem",
        400,
        __type="com.amazonaws.dynamodb.v20120810#ThrottlingException",
        ThrottlingReasons=[{"reason": "TableWriteKeyRangeThroughputExceeded"}],
    )
    assert isinstance(error, ThrottledError)
    assert error.code == "ThrottlingException"
    assert error.reasons == ("TableWriteKeyRangeThroughputExceeded",)


@pytest.mark.parametrize(
    ("message", "hidden"),
    [
        pytest.param(
            "The parameter cannot be converted to a numeric value: 12a4", "12a4", id="N"
        ),
        pytest.param("Input collection [a4, a4] contains duplicates", "a4", id="SS"),
    ],
)
def test_a_text_that_quotes_an_item_is_not_shown(message, hidden):
    error = reply_to("PutItem", 400, __type="x#ValidationException", message=message)
    assert isinstance(error, ItemRejectedError)
    assert hidden not in str(error)
    assert "not shown" in str(error)


def test_a_refused_signature_shows_no_token():
    error = reply_to(
        "Scan",
        400,
        __type="x#InvalidSignatureException",
        message="The Canonical String was x-amz-security-token:SECRET",
    )
    assert "SECRET" not in str(error)


def test_a_duplicate_in_a_batch_is_told_from_other_refusals():
    text = "Provided list of item keys contains duplicates"
    error = reply_to(
        "BatchWriteItem", 400, __type="x#ValidationException", message=text
    )
    assert isinstance(error, DuplicateKeysError)
    read = reply_to("BatchGetItem", 400, __type="x#ValidationException", message=text)
    assert isinstance(read, UserError)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b"\xff\xfe"])
@pytest.mark.parametrize("status", [500, 502, 503])
def test_whatever_a_failing_gateway_sends_may_pass(status, body):
    error = error_from_response("Scan", "eu-west-1/birds", status, body)
    assert isinstance(error, ServerError)
    assert f"HTTP {status}" in str(error)


def test_a_caret_points_into_the_line_of_the_mistake():
    error = ExpressionError("unexpected '>'", "a = 1\nAND b >> 2", 13)
    assert str(error) == "unexpected '>'\n  AND b >> 2\n         ^"
