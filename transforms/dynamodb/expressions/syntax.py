"""What a condition expression means: a tree of frozen, hashable, picklable nodes.

Trees are in one normal form, whoever builds them: `conjunction` and `disjunction` have
no child of their own kind, `negation` has no negation below it. Two texts that say the
same in other parentheses therefore give equal trees.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from typing import Literal as OneOf

import msgspec

from transforms.dynamodb.attribute_values import canonical_value

__all__ = [
    "And",
    "AttributeExists",
    "AttributeNotExists",
    "AttributeType",
    "BeginsWith",
    "Between",
    "Comparator",
    "Comparison",
    "Contains",
    "Function",
    "In",
    "Leaf",
    "Literal",
    "Node",
    "Not",
    "Operand",
    "Or",
    "Path",
    "Size",
    "conjunction",
    "disjunction",
    "leaves",
    "literal",
    "negation",
    "operands_of",
]

Comparator: TypeAlias = OneOf["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Path:
    """A document path: an attribute's name, then map keys (str) and list indexes."""

    attribute: str
    steps: tuple[str | int, ...] = ()
    position: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of the expression; `wire` is its AttributeValue as canonical JSON."""

    wire: bytes
    position: int = field(default=0, compare=False, repr=False)

    @property
    def tagged(self) -> dict[str, Any]:
        """The AttributeValue, ``{"S": "text"}``."""
        tagged: dict[str, Any] = msgspec.json.decode(self.wire)
        return tagged

    @property
    def type(self) -> str:
        """The AttributeValue's type: S, N, B, BOOL, NULL, L, M, SS, NS or BS."""
        return next(iter(self.tagged))


@dataclass(frozen=True, slots=True)
class Size:
    """``size(path)``: a number, or nothing if the path's type has no size."""

    path: Path

    @property
    def position(self) -> int:
        """Where the path stands in the expression."""
        return self.path.position


Operand: TypeAlias = Path | Literal | Size


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left = right`` and the five other comparators."""

    comparator: Comparator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    """``operand BETWEEN low AND high``, both ends included."""

    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class In:
    """``operand IN (choice, …)``: equal to one of them."""

    operand: Operand
    choices: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class AttributeExists:
    """``attribute_exists(path)``; NULL exists."""

    path: Path


@dataclass(frozen=True, slots=True)
class AttributeNotExists:
    """``attribute_not_exists(path)``."""

    path: Path


@dataclass(frozen=True, slots=True)
class AttributeType:
    """``attribute_type(path, 'S')``."""

    path: Path
    type: Literal


@dataclass(frozen=True, slots=True)
class BeginsWith:
    """``begins_with(operand, prefix)``, for S and B."""

    operand: Operand
    prefix: Operand


@dataclass(frozen=True, slots=True)
class Contains:
    """``contains(operand, element)``: part of an S or B, member of a set or list."""

    operand: Operand
    element: Operand


Function: TypeAlias = (
    AttributeExists | AttributeNotExists | AttributeType | BeginsWith | Contains
)
Leaf: TypeAlias = Comparison | Between | In | Function


@dataclass(frozen=True, slots=True)
class Not:
    """``NOT term``."""

    term: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """``term AND term AND …``, two or more."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """``term OR term OR …``, two or more."""

    terms: tuple["Node", ...]


Node: TypeAlias = Leaf | Not | And | Or


def literal(tagged: dict[str, Any], position: int = 0) -> Literal:
    """Returns an AttributeValue as a node.

    Raises:
        AttributeValueError: DynamoDB has no such value.
    """
    wire = msgspec.json.encode(canonical_value(tagged), order="sorted")
    return Literal(wire, position)


def conjunction(*terms: Node) -> Node:
    """Joins terms by AND, in their order."""
    flat = tuple(
        inner
        for term in terms
        for inner in (term.terms if isinstance(term, And) else (term,))
    )
    return And(flat) if len(flat) > 1 else flat[0]


def disjunction(*terms: Node) -> Node:
    """Joins terms by OR, in their order."""
    flat = tuple(
        inner
        for term in terms
        for inner in (term.terms if isinstance(term, Or) else (term,))
    )
    return Or(flat) if len(flat) > 1 else flat[0]


def negation(term: Node) -> Node:
    """Returns the opposite; a condition is true or false, so two NOTs are none."""
    return term.term if isinstance(term, Not) else Not(term)


def leaves(node: Node) -> Iterator[Leaf]:
    """Yields the comparisons and functions below a node, from left to right."""
    match node:
        case Not(term):
            yield from leaves(term)
        case And(terms) | Or(terms):
            for term in terms:
                yield from leaves(term)
        case _:
            yield node


def operands_of(leaf: Leaf) -> tuple[Operand, ...]:
    """Returns what a leaf looks at, in the order of its text."""
    match leaf:
        case Comparison(_, left, right):
            return (left, right)
        case Between(operand, low, high):
            return (operand, low, high)
        case In(operand, choices):
            return (operand, *choices)
        case AttributeExists(path) | AttributeNotExists(path):
            return (path,)
        case AttributeType(path, type_name):
            return (path, type_name)
        case BeginsWith(operand, other) | Contains(operand, other):
            return (operand, other)
