"""A tree to the text that the service takes."""

from collections.abc import Mapping

from transforms.dynamodb.expressions.service import Placeholders, ServiceExpression
from transforms.dynamodb.expressions.syntax import (
    And,
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
    Not,
    Operand,
    Or,
    Path,
    Size,
    operands_of,
)

__all__ = ["render_condition"]

_FUNCTIONS: Mapping[type, str] = {
    AttributeExists: "attribute_exists",
    AttributeNotExists: "attribute_not_exists",
    AttributeType: "attribute_type",
    BeginsWith: "begins_with",
    Contains: "contains",
}


def render_condition(node: Node, *, prefix: str = "f") -> ServiceExpression:
    """Renders a condition with placeholders ``#f0`` and ``:f0``.

    No name of the item and no value stands in the text, so reserved words and unusual
    names need no care; no parentheses are redundant, which the service would refuse.
    """
    placeholders = Placeholders(prefix)
    return placeholders.expression(_text(node, placeholders))


def _text(node: Node, placeholders: Placeholders) -> str:
    match node:
        case Or(terms):
            return " OR ".join(_text(term, placeholders) for term in terms)
        case And(terms):
            return " AND ".join(_within_and(term, placeholders) for term in terms)
        case Not(term):
            return f"NOT ({_text(term, placeholders)})"
        case _:
            return _leaf(node, placeholders)


def _within_and(term: Node, placeholders: Placeholders) -> str:
    text = _text(term, placeholders)
    return f"({text})" if isinstance(term, Or) else text


def _leaf(leaf: Leaf, placeholders: Placeholders) -> str:
    operands = [_operand(operand, placeholders) for operand in operands_of(leaf)]
    match leaf:
        case Comparison(comparator):
            return f" {comparator} ".join(operands)
        case Between():
            return "{} BETWEEN {} AND {}".format(*operands)
        case In():
            return f"{operands[0]} IN ({', '.join(operands[1:])})"
        case _:
            return f"{_FUNCTIONS[type(leaf)]}({', '.join(operands)})"


def _operand(operand: Operand, placeholders: Placeholders) -> str:
    match operand:
        case Literal(wire):
            return placeholders.value(wire)
        case Size(path):
            return f"size({placeholders.path(path.attribute, path.steps)})"
        case Path(attribute, steps):
            return placeholders.path(attribute, steps)
