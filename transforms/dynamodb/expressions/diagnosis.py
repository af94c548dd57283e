"""What to tell the writer of an expression that does not parse."""

import re

import lark

from transforms.dynamodb.errors import ExpressionError

__all__ = ["explain"]

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

_REMEDIES = (
    # What follows the place; what comes before it; the remedy. The first that fits.
    (
        r'"',
        r"",
        "write strings in single quotes, 'text'; an unusual attribute name as a"
        " placeholder, #n",
    ),
    (
        r"'",
        r"",
        "close the string with '; a quote inside a string is written twice, ''",
    ),
    (r"=", r"[=]\s*$", "equality is a single ="),
    (r"!=", r"", "not equal is written <>"),
    (r"!", r"", "the opposite is written NOT"),
    (r">", r"<\s*$|=\s*$", "the comparators are = <> < <= > >="),
    (r"&", r"", "write AND"),
    (r"\|", r"", "write OR"),
    (r"(?i)like\b", r"", "use begins_with(name, 'text') or contains(name, 'text')"),
    (
        r"(?i)is\b",
        r"",
        "use attribute_exists(name), attribute_not_exists(name) or"
        " attribute_type(name, 'NULL')",
    ),
    (
        r"(?i)(and|or|not|between|in|true|false|null)\b",
        r"",
        "as an attribute's name this keyword needs a placeholder, #n",
    ),
    (
        r"\(",
        r"\w\s*$",
        "the functions are attribute_exists, attribute_not_exists,"
        " attribute_type, begins_with, contains and size",
    ),
    (r"-?[0-9]", r"[0-9]\s*$", "a date is a string, '2013-06-01'"),
    (r"-", r"\w\s*$", "an attribute name with - needs a placeholder, #n"),
    (r"-?[0-9]+[.eE][0-9]*", r"", "a number is written 10, -1.5 or 2e3"),
    (
        r"-?[0-9]",
        r"",
        "a string needs single quotes, an attribute name that begins with"
        " a digit a placeholder, #n",
    ),
    (r"\.[0-9]", r"", "a number begins with a digit, 0.5"),
    (r"\[", r"", "a list index is a whole number from 0, tags[0]"),
    (r"[-+*/%]", r"", "conditions have no arithmetic; give the result as a value"),
    (r"#", r"", "a name's placeholder is # and letters or digits, #n"),
    (r":", r"", "a value's placeholder is : and letters or digits, :v"),
    (r";", r"", "leave it out; there is one condition"),
    (
        r"[^\x00-\x7f]",
        r"",
        "an attribute name beyond a-z, A-Z, 0-9 and _ needs a"
        " placeholder, #n; a string single quotes",
    ),
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
    at_end = isinstance(error, lark.UnexpectedToken) and error.token.type == "$END"
    return len(text) if at_end else error.pos_in_stream or 0


def _found(text: str, position: int) -> str:
    word = re.match(r"[\w#:]+|\S", text[position:])
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
