"""Conditions in DynamoDB's own language, evaluated here as the service does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.expressions.compilation import (
    attributes_of,
    compile_condition,
)
from transforms.dynamodb.expressions.evaluation import TaggedItem, evaluate
from transforms.dynamodb.expressions.parser import parse_tree
from transforms.dynamodb.expressions.rendering import render_condition
from transforms.dynamodb.expressions.service import ServiceExpression
from transforms.dynamodb.expressions.syntax import Node

__all__ = ["Condition", "parse_condition"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition; it pickles, and equals another that means the same tree.

    Attributes:
        text: as it was written.
        tree: what it means, with names and values in place of placeholders.
    """

    text: str
    tree: Node

    @property
    def attributes(self) -> frozenset[str]:
        """The top-level attributes that the condition reads."""
        return attributes_of(self.tree)

    def matches(self, item: TaggedItem) -> bool:
        """Tells whether the condition is true of an item given as parsed JSON."""
        return evaluate(self.tree, item)

    def compile(self) -> Callable[[Wire], bool]:
        """Returns the test of wire bytes; made once a process for equal conditions."""
        return compile_condition(self.tree)

    def to_service(self) -> ServiceExpression:
        """Returns the condition as a FilterExpression; placeholders #f0 and :f0."""
        return render_condition(self.tree)


def parse_condition(
    text: str,
    *,
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Condition:
    """Parses a condition expression.

    Args:
        text: the expression, with values in place (``day >= '2013-06-01'``), as
            placeholders (``day >= :day``), or both.
        names: attribute names by placeholder, ``{"#d": "day"}``.
        values: Python values by placeholder, ``{":day": "2013-06-01"}``. Names and
            values that the expression does not use are ignored, so that several
            expressions may share theirs.

    Raises:
        ExpressionError: it does not parse, a placeholder has no meaning, or a value can
            never be what its operator needs; with the place in the text.

    >>> condition = parse_condition("day >= '2013-06-01' AND size(name) < 20")
    >>> sorted(condition.attributes)
    ['day', 'name']
    >>> condition.compile()(b'{"day": {"S": "2013-07-04"}, "name": {"S": "IAH"}}')
    True
    >>> condition.to_service().expression
    '#f0 >= :f0 AND size(#f1) < :f1'
    """
    return Condition(text, parse_tree(text, names or {}, values or {}))
