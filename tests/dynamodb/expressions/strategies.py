"""Items and conditions that have something to do with each other.

Names and values come from small pools, so that a condition is true of some items and
false of others. Conditions are those that the parser lets through.
"""

import base64
from typing import Any

from hypothesis import strategies as st

from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions import operand_checks
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

TYPES = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")

attribute_names = st.sampled_from(["a", "b", "day", "size", 'odd "näme"', "x.y"])

_TEXTS = ("", "a", "ab", "b", "ba", "10", "é", "z\u0301", "\uffee", "\U0001f600")
_NUMBERS = (
    *("0", "-0", "1", "1.0", "1.5", "10", "1e1", "2", "-1.5", "-10", "0.1"),
    # 38 digits apart from each other in the last one only
    "12345678901234567890123456789012345678",
    "12345678901234567890123456789012345679",
    *("1E-130", "9.9999999999999999999999999999999999999E+125", "-1E-130"),
)
_BINARIES = tuple(
    base64.b64encode(raw).decode()
    for raw in (b"", b"a", b"ab", b"\x7f", b"\x80", b"\xff")
)

strings = st.sampled_from(_TEXTS).map(lambda text: {"S": text})
numbers = st.sampled_from(_NUMBERS).map(lambda number: {"N": number})
binaries = st.sampled_from(_BINARIES).map(lambda binary: {"B": binary})
scalars = st.one_of(
    strings,
    numbers,
    binaries,
    st.booleans().map(lambda boolean: {"BOOL": boolean}),
    st.just({"NULL": True}),
)
_DISTINCT_NUMBERS = ("0", "1", "1.5", "10", "2", "-1.5")


def _sets_of(tag: str, pool: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    members = st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True)
    return members.map(lambda chosen: {tag: chosen})


sets = st.one_of(
    _sets_of("SS", _TEXTS), _sets_of("NS", _DISTINCT_NUMBERS), _sets_of("BS", _BINARIES)
)
values: st.SearchStrategy[dict[str, Any]] = st.recursive(
    scalars | sets,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda elements: {"L": elements})
        | st.dictionaries(attribute_names, inner, max_size=3).map(
            lambda members: {"M": members}
        )
    ),
    max_leaves=4,
)
items = st.dictionaries(attribute_names, values | scalars, min_size=3, max_size=6)

literals = (values | scalars).map(literal)
steps = st.lists(st.integers(0, 2) | attribute_names, min_size=1, max_size=2).map(tuple)
paths = st.one_of(
    st.builds(Path, attribute_names),
    st.builds(Path, attribute_names),
    st.builds(Path, attribute_names, steps),
)
arguments: st.SearchStrategy[Operand] = paths | literals
operands: st.SearchStrategy[Operand] = paths | literals | st.builds(Size, paths)


def _is_accepted(leaf: Leaf) -> bool:
    try:
        operand_checks.check(leaf, "")
    except ExpressionError:
        return False
    return True


def _bounded(operand: Operand, ends: tuple[Literal, Literal]) -> Between:
    low, high = ends
    between = Between(operand, low, high)
    return between if _is_accepted(between) else Between(operand, high, low)


_ends = st.one_of(
    *(st.tuples(*[tagged.map(literal)] * 2) for tagged in (strings, numbers, binaries))
)
leaves: st.SearchStrategy[Leaf] = st.one_of(
    st.builds(
        Comparison,
        st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
        operands,
        operands,
    ),
    st.builds(Comparison, st.just("="), paths, literals),
    st.builds(_bounded, paths, _ends),
    st.builds(Between, operands, operands, operands),
    st.builds(In, operands, st.lists(operands, min_size=1, max_size=4).map(tuple)),
    st.builds(In, paths, st.lists(scalars.map(literal), min_size=1).map(tuple)),
    st.builds(AttributeExists, paths),
    st.builds(AttributeNotExists, paths),
    st.builds(
        AttributeType,
        paths,
        st.sampled_from(TYPES).map(lambda tag: literal({"S": tag})),
    ),
    st.builds(BeginsWith, arguments, arguments),
    st.builds(BeginsWith, paths, (strings | binaries).map(literal)),
    st.builds(Contains, arguments, arguments),
).filter(_is_accepted)
nodes: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(negation, inner),
        st.builds(conjunction, inner, inner),
        st.builds(disjunction, inner, inner),
    ),
    max_leaves=4,
)
