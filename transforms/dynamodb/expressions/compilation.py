"""A condition as a function over an item's wire bytes, for every item of a scan.

Only the attributes that the condition names are decoded; the rest of the bytes are
skipped. The common leaves, one top-level attribute against values of one scalar type,
become closures of their own; the others are left to `evaluation`.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypedDict

import msgspec

from transforms.dynamodb.attribute_values import (
    AttributeValue,
    AttributeValueError,
    Wire,
)
from transforms.dynamodb.expressions.comparison import (
    COMPARE,
    ORDER_KEY,
    contains,
    equals,
    is_ordered,
    size,
)
from transforms.dynamodb.expressions.evaluation import TaggedItem, evaluate, resolve
from transforms.dynamodb.expressions.syntax import (
    And,
    AttributeExists,
    AttributeNotExists,
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
    leaves,
    operands_of,
)

__all__ = ["attributes_of", "compile_condition"]

_Test: TypeAlias = Callable[[TaggedItem], bool]


def attributes_of(node: Node) -> frozenset[str]:
    """Returns the top-level attributes that the condition reads."""
    paths = (
        operand.path if isinstance(operand, Size) else operand
        for leaf in leaves(node)
        for operand in operands_of(leaf)
    )
    return frozenset(path.attribute for path in paths if isinstance(path, Path))


@functools.lru_cache(maxsize=256)  # msgspec's decoders do not pickle: one a process
def compile_condition(node: Node) -> Callable[[Wire], bool]:
    """Returns the test of an item's wire bytes.

    The test raises AttributeValueError if the bytes are not an item's JSON.
    """
    decode = _decoder(attributes_of(node))
    test = _compile(node)

    def matches(wire: Wire) -> bool:
        try:
            return test(decode(wire))
        except msgspec.DecodeError as error:
            raise AttributeValueError(
                f"not an item in DynamoDB JSON ({error})"
            ) from error

    return matches


def _decoder(attributes: Iterable[str]) -> Callable[[Wire], TaggedItem]:
    fields = dict.fromkeys(attributes, dict[str, Any])
    item_type = TypedDict("item_type", fields, total=False)  # type: ignore[misc]
    return msgspec.json.Decoder(item_type).decode  # type: ignore[return-value]


def _compile(node: Node) -> _Test:
    match node:
        case And(terms):
            return _all_of([_compile(term) for term in terms])
        case Or(terms):
            return _any_of([_compile(term) for term in terms])
        case Not(term):
            return _opposite(_compile(term))
        case _:
            return _scalar_leaf(node) or _other_leaf(node)


def _all_of(tests: list[_Test]) -> _Test:
    def test_all(item: TaggedItem) -> bool:
        for test in tests:  # noqa: SIM110 (all() costs a generator for each item)
            if not test(item):
                return False
        return True

    return test_all


def _any_of(tests: list[_Test]) -> _Test:
    def test_any(item: TaggedItem) -> bool:
        for test in tests:  # noqa: SIM110 (as in _all_of)
            if test(item):
                return True
        return False

    return test_any


def _opposite(test: _Test) -> _Test:
    return lambda item: not test(item)


# --- leaves that compare with values of one scalar type -------------------------------

_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _scalar_leaf(leaf: Leaf) -> _Test | None:
    literals = [part for part in operands_of(leaf) if isinstance(part, Literal)]
    types = {part.type for part in literals}
    if len(types) != 1 or not types <= ORDER_KEY.keys():
        return None
    (tag,) = types
    key = ORDER_KEY[tag]
    values = [key(part.tagged[tag]) for part in literals]
    match leaf:
        case Comparison(comparator, Path() | Size() as operand, Literal()):
            accepts = functools.partial(COMPARE[_FLIPPED[comparator]], *values)
            return _scalar_test(operand, tag, accepts, otherwise=comparator == "<>")
        case Between(Path() | Size() as operand, Literal(), Literal()):
            low, high = values
            return _scalar_test(operand, tag, lambda value: low <= value <= high)
        case In(Path() | Size() as operand, choices) if len(choices) == len(values):
            return _scalar_test(operand, tag, frozenset(values).__contains__)
        case BeginsWith(Path() as operand, Literal()):
            (prefix,) = values
            return _scalar_test(operand, tag, lambda value: value.startswith(prefix))
        case _:
            return None


def _scalar_test(
    operand: Operand,
    tag: str,
    accepts: Callable[[Any], bool],
    *,
    otherwise: bool = False,
) -> _Test:
    """Tests what `operand` holds under `tag`; another type or nothing: `otherwise`."""
    get = _getter(operand)
    key = ORDER_KEY[tag]

    def test(item: TaggedItem) -> bool:
        value = get(item)
        if value is None:
            return otherwise
        content = value.get(tag)
        return otherwise if content is None else accepts(key(content))

    return test


# --- the others -----------------------------------------------------------------------


_RELATIONS: Mapping[str, Callable[[AttributeValue, AttributeValue], bool]] = {
    "=": equals,
    **{name: functools.partial(is_ordered, name) for name in ("<", "<=", ">", ">=")},
}


def _other_leaf(leaf: Leaf) -> _Test:
    match leaf:
        case AttributeExists(Path(name, ())):
            return lambda item: name in item
        case AttributeNotExists(Path(name, ())):
            return lambda item: name not in item
        case Comparison("<>", left, right):
            return _opposite(_both_test(equals, left, right))
        case Comparison(comparator, left, right):
            return _both_test(_RELATIONS[comparator], left, right)
        case Contains(operand, element):
            return _both_test(contains, operand, element)
        case _:
            return functools.partial(evaluate, leaf)


def _both_test(
    test: Callable[[AttributeValue, AttributeValue], bool],
    left: Operand,
    right: Operand,
) -> _Test:
    get_left = _getter(left)
    get_right = _getter(right)

    def test_both(item: TaggedItem) -> bool:
        one = get_left(item)
        other = get_right(item)
        return one is not None and other is not None and test(one, other)

    return test_both


def _getter(operand: Operand) -> Callable[[TaggedItem], AttributeValue | None]:
    match operand:
        case Path(name, ()):
            return operator.methodcaller("get", name)
        case Path():
            return functools.partial(resolve, operand)
        case Size(path):
            return _size_getter(_getter(path))
        case Literal():
            tagged = operand.tagged
            return lambda _item: tagged


def _size_getter(
    get: Callable[[TaggedItem], AttributeValue | None],
) -> Callable[[TaggedItem], AttributeValue | None]:
    def get_size(item: TaggedItem) -> AttributeValue | None:
        value = get(item)
        return None if value is None else size(value)

    return get_size
