"""What to tell the writer of an expression that does not parse."""

import re
from typing import cast

import lark

from transforms.dynamodb.errors import ExpressionError

__all__ = ["CONDITION_FUNCTIONS", "explain"]

_VALUE = "a value"
_EXPECTED = {
    # Terminals of condition.lark, in the order in which a message lists them.
    "NAME": "an attribute name",
    "NAME_PLACEHOLDER": "an attribute name",
    "STRING": _VALUE,
    "NUMBER": _VALUE,
    "VALUE_PLACEHOLDER": _VALUE,
    "_ATTRIBUTE_EXISTS": "a function",
    "COMPARATOR": "a comparator (= <> < <= > >=)",
    "_BETWEEN": "BETWEEN",
    "_IN": "IN",
    "_AND": "AND",
    "_OR": "OR",
    "LPAR": "(",
    "COMMA": "a comma",
    "RPAR": ")",
    "$END": "the end",
}

CONDITION_FUNCTIONS = (
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "size",
)

_REMEDIES = (
    # What stands at the place; what comes before it; the remedy. The first that fits.
    (r'"', "", "a string is written 'text'; an unusual attribute name as #n"),
    (
        r"'(''|[^'])*'",
        "",
        "an attribute name has no quotes",
    ),
    (r"'", "", "close the string with '; inside a string a quote is written twice, ''"),
    (r"=", r"=\s*$", "equality is a single ="),
    (r"!=", "", "not equal is written <>"),
    (r"!", "", "the opposite is written NOT"),
    (r">", r"[<=]\s*$", "the comparators are = <> < <= > >="),
    (r"&", "", "write AND"),
    (r"\|", "", "write OR"),
    (r"(?i)like\b", "", "use begins_with(name, 'text') or contains(name, 'text')"),
    (
        r"(?i)is\b",
        "",
        "use attribute_not_exists(name), attribute_exists(name) or name = NULL",
    ),
    (
        r"(?i)(and|or|not|between|in|true|false|null)\b",
        "",
        "as an attribute's name this keyword needs a placeholder, #n",
    ),
    (r"\(", r"\w\s*$", f"the functions are {', '.join(CONDITION_FUNCTIONS)}"),
    (r"-?[0-9]", r"[0-9]\s*$", "a date is a string, '2013-06-01'"),
    (r"-", r"\w\s*$", "an attribute name with - needs a placeholder, #n"),
    (r"-?[0-9]+[.eE]", "", "a number is written 10, -1.5 or 2e3"),
    (r"-?[0-9]", "", "a string is written '10a', a name that begins with a digit #n"),
    (r"\.[0-9]", "", "a number begins with a digit, 0.5"),
    (r"\[", "", "a list index is a whole number from 0, tags[0]"),
    (r"[-+*/%]", "", "there is no arithmetic; write the result as a value"),
    (r"#", "", "a name's placeholder is # and letters, digits or _, #n"),
    (r":", "", "a value's placeholder is : and letters, digits or _, :v"),
    (r";", "", "leave it out"),
    (r"[^\x00-\x7f]", "", "a string is written 'text'; a name beyond ASCII as #n"),
)


def explain(error: lark.UnexpectedInput, text: str) -> ExpressionError:
    """Returns the error to show: what was found, what was expected, a remedy."""
    position = _position(error, text)
    message = f"found {_found(text, position)}{_expected(error)}"
    remedy = _remedy(text, position)
    return ExpressionError(
        f"{message}; {remedy}" if remedy else message, text, position
    )


def _position(error: lark.UnexpectedInput, text: str) -> int:
    # Lark gives the end the place of the last token.
    at_end = isinstance(error, lark.UnexpectedToken) and error.token.type == "$END"
    place = cast("int | None", error.pos_in_stream)  # Lark's own hint says None
    return len(text) if at_end or place is None else place


def _found(text: str, position: int) -> str:
    word = re.match(r"'(''|[^'])*'|[\w#:]+|\S", text[position:])
    return f"`{word.group()}`" if word else "the end"


def _expected(error: lark.UnexpectedInput) -> str:
    if not isinstance(error, lark.UnexpectedToken):
        return ", which has no meaning here"
    phrases = [phrase for name, phrase in _EXPECTED.items() if name in error.accepts]
    return f", expected {' or '.join(dict.fromkeys(phrases))}"


def _remedy(text: str, position: int) -> str | None:
    before, after = text[:position], text[position:]
    for follows, precedes, remedy in _REMEDIES:
        if re.match(follows, after) and re.search(precedes, before):
            return remedy
    return None
