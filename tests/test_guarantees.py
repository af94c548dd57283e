"""docs/guarantees.md says of every error and code what the code does with it."""

import inspect
import json
import re
from pathlib import Path

import pytest

from transforms.dynamodb import errors
from transforms.dynamodb.item_faults import ItemFaults

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guarantees.md"
CLASSES = {
    "retried": errors.RetryableError,
    "rejects the item": errors.ItemRejectedError,
    "stops the job": errors.JobStoppedError,
    "refused": errors.UserError,
}


def rows(heading):
    """The cells of a table of the page, below its heading line."""
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


BY_CLASS = rows("| class | errors |")
BY_CODE = rows("| error | the service's codes |")
CODES = [
    pytest.param(code, name.strip("`"), id=code)
    for name, codes in BY_CODE
    for code in re.findall(r"`(\w+)`|(HTTP \d+)", codes)
    for code in filter(None, code)
]


def leaves():
    """The errors that are raised: those that no other is made from, and three."""
    own = [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.BeamDynamoDBError)
    ]
    parents = {parent for each in own for parent in each.__bases__}
    raised = {"ItemRejectedError", "JobStoppedError", "UserError"}
    return raised | {each.__name__ for each in own if each not in parents}


def test_every_error_is_in_the_table_once_and_in_its_class():
    said = [(name, kind) for kind, names, *_ in BY_CLASS for name in names.split(", ")]
    assert sorted(name.strip("`") for name, _ in said) == sorted(leaves())
    for name, kind in said:
        assert issubclass(getattr(errors, name.strip("`")), CLASSES[kind])


@pytest.mark.parametrize(("code", "name"), CODES)
def test_a_code_becomes_the_error_that_the_page_says(code, name):
    status, body = 400, json.dumps({"__type": f"com.amazonaws#{code}"}).encode()
    if code.startswith("HTTP "):
        status, body = int(code.removeprefix("HTTP ")), b"<html>"
    error = errors.error_from_response("PutItem", "eu-west-1/t", status, body)
    assert type(error).__name__ == name


def test_every_code_that_the_library_knows_is_on_the_page():
    known = (
        errors._THROTTLED
        | errors._COME_BACK
        | errors.EXPIRED_TOKEN_CODES
        | errors._CREDENTIALS
        | errors._DENIED
        | errors._NOT_FOUND
        | errors._INVALID
    )
    assert known <= {param.values[0] for param in CODES}


def test_every_named_fault_is_on_the_page():
    module = inspect.getsource(inspect.getmodule(ItemFaults) or errors)
    named = set(re.findall(r'"([A-Z]\w+): ', module)) | {"NumberOutOfRange"}
    reasons = " ".join(cells[0] for cells in rows("| reason |"))
    assert named <= set(re.findall(r"`(\w+)`", reasons))
