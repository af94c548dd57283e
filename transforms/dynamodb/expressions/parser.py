"""Expression text to its tree.

    text --condition.lark--> Lark tree --TreeBuilder--> Node

The builder puts names and values in place of their placeholders, and has the operands
checked. Every mistake is an `ExpressionError` with the place in the text.
"""

# ruff: noqa: D102 (a method of TreeBuilder is described by its rule in the grammar)

import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib import resources
from typing import Any, NoReturn, TypeVar

import lark

from transforms.dynamodb.attribute_values import AttributeValueError, encode_value
from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions import operand_checks
from transforms.dynamodb.expressions.diagnosis import explain
from transforms.dynamodb.expressions.syntax import (
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Between,
    Comparison,
    Contains,
    In,
    Leaf,
    Literal,
    Node,
    Operand,
    Path,
    Size,
    conjunction,
    disjunction,
    literal,
    negation,
)

__all__ = [
    "MAX_NESTING",
    "TreeBuilder",
    "make_lark",
    "parse_path",
    "parse_text",
    "parse_tree",
]

MAX_NESTING = 50
"""Parentheses and NOTs inside each other; our own bound, for Python's stack."""

_L = TypeVar("_L", bound=Leaf)


def parse_tree(text: str, names: Mapping[str, str], values: Mapping[str, Any]) -> Node:
    """Parses a condition.

    Args:
        text: the expression.
        names: attribute names by placeholder, ``{"#n": "name"}``.
        values: Python values by placeholder, ``{":v": Decimal(1)}``.

    Raises:
        ExpressionError: with the place of the mistake.
    """
    tree: Node = _parse("condition", text, names, values)
    return tree


def parse_path(text: str, names: Mapping[str, str] | None = None) -> Path:
    """Parses a document path such as ``address.lines[0]``.

    Raises:
        ExpressionError: with the place of the mistake.
    """
    path: Path = _parse("path", text, names or {}, {})
    return path


def _parse(
    start: str, text: str, names: Mapping[str, str], values: Mapping[str, Any]
) -> Any:
    builder = TreeBuilder(text, names, values)
    return parse_text(_lark(), start, text, builder)


def parse_text(
    grammar: lark.Lark,
    start: str,
    text: str,
    builder: "TreeBuilder",
    explain_error: Callable[[lark.UnexpectedInput, str], ExpressionError] = explain,
) -> Any:
    """Parses a text by a grammar that `make_lark` made.

    Args:
        grammar: the grammar.
        start: the rule to begin with.
        text: what to parse.
        builder: makes the result of Lark's tree.
        explain_error: says what is wrong with a text that does not parse.

    Raises:
        ExpressionError: with the place of the mistake.
    """
    _check_encodable(text)
    try:
        _check_nesting(grammar, text)
        tree = grammar.parse(text, start=start)
    except lark.UnexpectedInput as error:
        raise explain_error(error, text) from error
    try:
        return builder.transform(tree)
    except lark.exceptions.VisitError as error:
        raise error.orig_exc from None


def make_lark(starts: list[str], *more_rules: str) -> lark.Lark:
    """Makes a parser of the condition grammar, and of rules that build on it."""
    conditions = resources.files(__package__).joinpath("condition.lark")
    return lark.Lark(
        "\n".join((conditions.read_text("utf-8"), *more_rules)),
        parser="lalr",
        lexer="basic",  # keywords are keywords wherever they stand
        start=starts,
        propagate_positions=True,
    )


@functools.lru_cache(maxsize=1)
def _lark() -> lark.Lark:
    return make_lark(["condition", "path"])


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = "a character here is no valid UTF-8; save the expression as UTF-8"
        shown = text.encode(errors="replace").decode()
        raise ExpressionError(message, shown, error.start) from error


def _check_nesting(grammar: lark.Lark, text: str) -> None:
    depth = 0
    for token in grammar.lex(text):
        depth += {"LPAR": 1, "RPAR": -1}.get(token.type, 0)
        if depth > MAX_NESTING:
            message = (
                f"parentheses nested deeper than {MAX_NESTING} levels;"
                " drop those that change nothing"
            )
            raise ExpressionError(message, text, token.start_pos or 0)


_at = lark.v_args(meta=True)
"""Passes where the rule's text begins, as the first argument."""


class TreeBuilder(lark.Transformer[lark.Token, Any]):
    """One method per rule of condition.lark, from the leaves up.

    A grammar that builds on it has a builder that builds on this one; `fail` is how
    both say what is wrong, and where.
    """

    def __init__(
        self, text: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._text = text
        self._names = names
        self._values = values

    def condition(self, children: list[Node]) -> Node:
        return children[0]

    def disjunction(self, terms: list[Node]) -> Node:
        return disjunction(*terms)

    def conjunction(self, terms: list[Node]) -> Node:
        return conjunction(*terms)

    def negation(self, children: list[Any]) -> Node:
        *nots, term = children
        return negation(term) if len(nots) % 2 else term

    def comparison(self, children: list[Any]) -> Comparison:
        left, comparator, right = children
        return self._checked(Comparison(comparator.value, left, right))

    def between(self, children: list[Operand]) -> Between:
        return self._checked(Between(*children))

    def membership(self, children: list[Operand]) -> In:
        operand, *choices = children
        return self._checked(In(operand, tuple(choices)))

    def attribute_exists(self, children: list[Path]) -> AttributeExists:
        return AttributeExists(*children)

    def attribute_not_exists(self, children: list[Path]) -> AttributeNotExists:
        return AttributeNotExists(*children)

    def attribute_type(self, children: list[Any]) -> AttributeType:
        return self._checked(AttributeType(*children))

    def begins_with(self, children: list[Operand]) -> BeginsWith:
        return self._checked(BeginsWith(*children))

    def contains(self, children: list[Operand]) -> Contains:
        return self._checked(Contains(*children))

    def size(self, children: list[Path]) -> Size:
        return Size(*children)

    @_at
    def path(self, meta: lark.tree.Meta, tokens: list[lark.Token]) -> Path:
        attribute, *steps = (self._step(token) for token in tokens)
        return Path(str(attribute), tuple(steps), meta.start_pos)

    @_at
    def string(self, meta: lark.tree.Meta, tokens: list[lark.Token]) -> Literal:
        return self._literal(tokens[0][1:-1].replace("''", "'"), meta.start_pos)

    @_at
    def number(self, meta: lark.tree.Meta, tokens: list[lark.Token]) -> Literal:
        return self._literal(Decimal(tokens[0]), meta.start_pos)

    @_at
    def boolean(self, meta: lark.tree.Meta, tokens: list[lark.Token]) -> Literal:
        return self._literal(tokens[0].type == "TRUE", meta.start_pos)

    @_at
    def null(self, meta: lark.tree.Meta, _tokens: list[lark.Token]) -> Literal:
        return self._literal(None, meta.start_pos)

    @_at
    def value_placeholder(
        self, meta: lark.tree.Meta, tokens: list[lark.Token]
    ) -> Literal:
        name = str(tokens[0])
        if name not in self._values:
            self.fail(
                f"the value {name} is not defined; give it, values={{{name!r}: …}}, or"
                " write the value in its place",
                meta.start_pos,
            )
        return self._literal(self._values[name], meta.start_pos)

    def _step(self, token: lark.Token) -> str | int:
        if token.type == "INDEX":
            return int(token[1:-1])
        return self._name(token) if token.type == "NAME_PLACEHOLDER" else str(token)

    def _name(self, token: lark.Token) -> str:
        name = self._names.get(str(token))
        if not name:
            self.fail(
                f"the name {token} is not defined; give it,"
                f" names={{{str(token)!r}: 'the attribute'}}",
                token.start_pos or 0,
            )
        return name

    def _literal(self, value: Any, position: int) -> Literal:
        try:
            return literal(encode_value(value), position)
        except AttributeValueError as error:
            self.fail(str(error), position)

    def _checked(self, leaf: _L) -> _L:
        operand_checks.check(leaf, self._text)
        return leaf

    def fail(self, message: str, position: int) -> NoReturn:
        """Raises the error of a place in the text."""
        raise ExpressionError(message, self._text, position)
