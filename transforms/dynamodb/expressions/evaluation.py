"""What a condition says of one item: the meaning, written to be read.

`compilation` is the fast form of the same; a property test holds them equal.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from transforms.dynamodb.attribute_values import AttributeValue
from transforms.dynamodb.expressions import comparison
from transforms.dynamodb.expressions.syntax import (
    And,
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Between,
    Comparison,
    Contains,
    Function,
    In,
    Literal,
    Node,
    Not,
    Operand,
    Or,
    Path,
    Size,
)

__all__ = ["TaggedItem", "evaluate", "resolve"]

TaggedItem: TypeAlias = Mapping[str, AttributeValue]
"""An item as parsed JSON: attribute name to AttributeValue."""


def evaluate(node: Node, item: TaggedItem) -> bool:
    """Tells whether the condition is true of the item."""
    match node:
        case And(terms):
            return all(evaluate(term, item) for term in terms)
        case Or(terms):
            return any(evaluate(term, item) for term in terms)
        case Not(term):
            return not evaluate(term, item)
        case Comparison() | Between() | In():
            return _evaluate_comparison(node, item)
        case _:
            return _evaluate_function(node, item)


def _evaluate_comparison(leaf: Comparison | Between | In, item: TaggedItem) -> bool:
    match leaf:
        case Comparison(comparator, left, right):
            return _compare(comparator, left, right, item)
        case Between(operand, low, high):
            return _compare(">=", operand, low, item) and _compare(
                "<=", operand, high, item
            )
        case In(operand, choices):
            return any(_compare("=", operand, choice, item) for choice in choices)


def _evaluate_function(leaf: Function, item: TaggedItem) -> bool:
    match leaf:
        case AttributeExists(path):
            return resolve(path, item) is not None
        case AttributeNotExists(path):
            return resolve(path, item) is None
        case AttributeType(path, type_name):
            return _of_both(_has_type, path, type_name, item)
        case BeginsWith(operand, prefix):
            return _of_both(comparison.begins_with, operand, prefix, item)
        case Contains(operand, element):
            return _of_both(comparison.contains, operand, element, item)


def resolve(operand: Operand, item: TaggedItem) -> AttributeValue | None:
    """Returns an operand's AttributeValue in the item; None if it is not there."""
    match operand:
        case Literal():
            return operand.tagged
        case Size(path):
            value = resolve(path, item)
            return None if value is None else comparison.size(value)
        case Path(attribute, steps):
            return _walk(item.get(attribute), steps)


def _walk(
    value: AttributeValue | None, steps: tuple[str | int, ...]
) -> AttributeValue | None:
    for step in steps:
        if value is None:
            return None
        value = _member(value, step)
    return value


def _member(value: AttributeValue, step: str | int) -> AttributeValue | None:
    if isinstance(step, str):
        return value.get("M", {}).get(step)  # type: ignore[no-any-return]
    elements: list[Any] = value.get("L", [])
    return elements[step] if step < len(elements) else None


def _compare(comparator: str, left: Operand, right: Operand, item: TaggedItem) -> bool:
    if comparator == "<>":
        # The service calls an attribute that is not there unequal to everything, even
        # to another that is not there.
        return not _of_both(comparison.equals, left, right, item)
    if comparator == "=":
        return _of_both(comparison.equals, left, right, item)
    return _of_both(
        lambda one, other: comparison.is_ordered(comparator, one, other),
        left,
        right,
        item,
    )


def _of_both(
    test: Callable[[AttributeValue, AttributeValue], bool],
    left: Operand,
    right: Operand,
    item: TaggedItem,
) -> bool:
    one = resolve(left, item)
    other = resolve(right, item)
    return one is not None and other is not None and test(one, other)


def _has_type(value: AttributeValue, type_name: AttributeValue) -> bool:
    return type_name["S"] in value
