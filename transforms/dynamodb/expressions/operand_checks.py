"""What the service refuses in an expression before it looks at any item.

A value of the expression that its operator can never use is a mistake of the writer's;
a stored value that the operator cannot use is only false.
"""

from collections.abc import Iterable

from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions.comparison import ORDERED_TYPES, is_ordered
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
    Operand,
    operands_of,
)

__all__ = ["check"]

_TYPE_NAMES = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
_PREFIX_TYPES = ("S", "B")
_CONTAINER_TYPES = ("S", "B", "SS", "NS", "BS", "L")


def check(leaf: Leaf, text: str) -> None:
    """Raises ExpressionError if the service would refuse the leaf's operands."""
    match leaf:
        case Comparison("=" | "<>"):
            _check_distinct(leaf, "the comparison", text)
        case Comparison(comparator):
            _check_distinct(leaf, "the comparison", text)
            _check_types(operands_of(leaf), ORDERED_TYPES, comparator, text)
        case Between():
            _check_distinct(leaf, "BETWEEN", text)
            _check_types(operands_of(leaf), ORDERED_TYPES, "BETWEEN", text)
            _check_bounds(leaf, text)
        case In():
            _check_distinct(leaf, "IN", text)
        case BeginsWith():
            _check_distinct(leaf, "begins_with", text)
            _check_types(operands_of(leaf), _PREFIX_TYPES, "begins_with", text)
        case Contains(operand):
            _check_distinct(leaf, "contains", text)
            _check_types([operand], _CONTAINER_TYPES, "contains", text)
        case AttributeType(_, type_name):
            _check_type_name(type_name, text)
        case AttributeExists() | AttributeNotExists():
            pass  # a path, by the grammar


def _check_distinct(leaf: Leaf, what: str, text: str) -> None:
    first, *others = operands_of(leaf)
    for other in others:
        if first == other and not isinstance(first, Literal):
            raise ExpressionError(
                f"{what} looks at one attribute twice, which the service refuses; name"
                " another attribute or a value",
                text,
                other.position,
            )


def _check_types(
    operands: Iterable[Operand], accepted: tuple[str, ...], what: str, text: str
) -> None:
    for operand in operands:
        if isinstance(operand, Literal) and operand.type not in accepted:
            raise ExpressionError(
                f"{what} takes {_listed(accepted)}, got a value of type"
                f" {operand.type}; {_remedy(operand.type, what)}",
                text,
                operand.position,
            )


def _remedy(found: str, what: str) -> str:
    if what == "begins_with" and found == "N":
        return "write it in single quotes if the attribute is a string"
    if found == "NULL":
        return "to find NULL use attribute_type(name, 'NULL') or = NULL"
    return "compare by = or <>, or give another value"


def _check_bounds(between: Between, text: str) -> None:
    low, high = between.low, between.high
    if not isinstance(low, Literal) or not isinstance(high, Literal):
        return
    if low.type != high.type:
        raise ExpressionError(
            f"both ends of BETWEEN must be of one type, got {low.type} and"
            f" {high.type}; write both as strings or both as numbers",
            text,
            high.position,
        )
    if not is_ordered("<=", low.tagged, high.tagged):
        raise ExpressionError(
            "the upper end of BETWEEN is below the lower end; swap them",
            text,
            high.position,
        )


def _check_type_name(type_name: Literal, text: str) -> None:
    tagged = type_name.tagged
    if tagged.get("S") not in _TYPE_NAMES:
        names = ", ".join(f"'{name}'" for name in _TYPE_NAMES)
        raise ExpressionError(
            f"attribute_type takes a type's name; use one of {names}",
            text,
            type_name.position,
        )


def _listed(types: tuple[str, ...]) -> str:
    return f"{', '.join(types[:-1])} or {types[-1]}"
