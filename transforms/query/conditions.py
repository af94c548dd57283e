"""A WHERE as a condition of DynamoDB's own, where the two can say the same.

Numbers are compared by all their digits, as the service does: what is copied by such
a WHERE is decided by what the table holds, not by what a DOUBLE would round it to.
"""

import re

from sqlglot import exp
from sqlglot.optimizer.simplify import simplify

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import parse_condition
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
    Literal,
    Node,
    Not,
    Operand,
    Or,
    Path,
)
from transforms.dynamodb.tables import near_names
from transforms.query.schema import TableSchema
from transforms.query.statement import DIALECT
from transforms.query.terms import TableTerms

__all__ = ["condition_of", "condition_text"]

_ALIAS = "source"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = frozenset({"and", "or", "not", "between", "in", "true", "false", "null"})
_FUNCTIONS = {
    AttributeExists: "attribute_exists",
    AttributeNotExists: "attribute_not_exists",
    AttributeType: "attribute_type",
    BeginsWith: "begins_with",
    Contains: "contains",
}


def condition_of(where: exp.Expr, schema: TableSchema) -> str:
    """Returns a condition that is true of the items that the WHERE keeps, and no other.

    Args:
        where: over the columns of one table.
        schema: those columns.

    Raises:
        UserError: a column that is not there, or a term that has no condition.
    """

    def named(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        if schema.find(node.name) is None:
            names = [column.name for column in schema.columns]
            raise UserError(
                f"there is no column {node.name!r}{near_names(node.name, names)}"
            )
        return exp.column(node.name, table=_ALIAS)

    tree = simplify(where.copy().transform(named), dialect=DIALECT)
    pushed = TableTerms(schema, None, "null", by_value=True).push(tree, _ALIAS)
    if pushed is None or not pushed.exact:
        raise UserError(
            f"WHERE {where.sql(dialect=DIALECT)} has no condition of DynamoDB's that "
            "says the same; use =, <>, <, <=, >, >=, BETWEEN, IN, IS NULL and LIKE "
            "with a column on one side and a literal of its type on the other"
        )
    return condition_text(pushed.node)


def condition_text(node: Node) -> str:
    """Returns a condition as people write it, with its literals in place.

    Raises:
        UserError: an attribute's name has no such form.
    """
    text = _text(node)
    parse_condition(text)
    return text


def _text(node: Node) -> str:  # noqa: PLR0911 - one line a kind
    match node:
        case Or(terms):
            return " OR ".join(map(_text, terms))
        case And(terms):
            return " AND ".join(
                f"({_text(term)})" if isinstance(term, Or) else _text(term)
                for term in terms
            )
        case Not(term):
            return f"NOT ({_text(term)})"
        case Comparison(comparator, left, right):
            return f"{_operand(left)} {comparator} {_operand(right)}"
        case Between(operand, low, high):
            return f"{_operand(operand)} BETWEEN {_operand(low)} AND {_operand(high)}"
        case In(operand, choices):
            return f"{_operand(operand)} IN ({', '.join(map(_operand, choices))})"
        case AttributeExists(path) | AttributeNotExists(path):
            return f"{_FUNCTIONS[type(node)]}({_operand(path)})"
        case AttributeType(path, other):
            return f"attribute_type({_operand(path)}, {_operand(other)})"
        case BeginsWith(operand, other) | Contains(operand, other):
            return f"{_FUNCTIONS[type(node)]}({_operand(operand)}, {_operand(other)})"


def _operand(operand: Operand) -> str:
    match operand:
        case Path(attribute, ()):
            if not _NAME.fullmatch(attribute) or attribute.lower() in _KEYWORDS:
                raise UserError(
                    f"attribute {attribute!r} cannot be named in a condition; leave it "
                    "out of WHERE"
                )
            return attribute
        case Literal():
            ((tag, content),) = operand.tagged.items()
            if tag == "S":
                quoted: str = content.replace("'", "''")
                return f"'{quoted}'"
            return str(content).lower()
        case _:
            raise UserError(f"{operand} cannot be written in a condition")
