"""A mapping as a function of wire bytes.

Attributes that are only passed on stay the bytes that came (I4); those of which a value
is looked at are decoded, and no others.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypedDict

import msgspec

from transforms.dynamodb.attribute_values import (
    AttributeValue,
    AttributeValueError,
    Wire,
)
from transforms.dynamodb.expressions.evaluation import evaluate, resolve
from transforms.dynamodb.expressions.syntax import Literal, Path, Size
from transforms.mapping.functions import FUNCTIONS, MisfitError
from transforms.mapping.syntax import (
    Call,
    Everything,
    Expression,
    ForEach,
    ItemMapping,
    Selection,
)

__all__ = ["MapWire", "compile_mapping"]

MapWire: TypeAlias = Callable[[Wire], list[bytes]]
"""An item's wire bytes to those of none, one or several items."""

_Values: TypeAlias = dict[str, AttributeValue]
_Raws: TypeAlias = dict[str, Any]
_Get: TypeAlias = Callable[[_Values], AttributeValue | None]
_Put: TypeAlias = Callable[[_Raws, _Values, _Raws], None]

_VALUE = msgspec.json.Decoder(dict[str, Any])
_EVERY = msgspec.json.Decoder(dict[str, msgspec.Raw])


def compile_mapping(mapping: ItemMapping, hash_key: bytes | None = None) -> MapWire:
    """Returns the mapping of wire bytes. What it returns does not pickle.

    Args:
        mapping: what to do.
        hash_key: the key of ``hash``; needed if ``mapping.uses_hash``.

    The function raises `MisfitError` for a value that a function can make nothing of,
    and AttributeValueError for bytes that are no item.
    """
    if mapping.uses_hash and not hash_key:
        raise ValueError("hash needs a key")
    decode = _decoder(mapping)
    looked_at = sorted(mapping.computed_from)
    steps = [_step(selection, hash_key or b"") for selection in mapping.selections]
    if mapping.everything is not None:
        steps.insert(0, _everything_step(mapping.everything))
    skips, for_each = mapping.skips, mapping.for_each

    def map_wire(wire: Wire) -> list[bytes]:
        try:
            raws = decode(wire)
            values = {n: _VALUE.decode(raws[n]) for n in looked_at if n in raws}
        except msgspec.DecodeError as error:
            raise AttributeValueError(
                f"not an item in DynamoDB JSON ({error})"
            ) from error
        made = []
        for scope in _scopes(for_each, values):
            if any(evaluate(condition, scope) for condition in skips):
                continue
            item: _Raws = {}
            for step in steps:
                step(item, scope, raws)
            made.append(msgspec.json.encode(item))
        return made

    return map_wire


def _decoder(mapping: ItemMapping) -> Callable[[Wire], _Raws]:
    reads = mapping.reads
    if reads is None:
        return _EVERY.decode
    fields = dict.fromkeys(reads, msgspec.Raw)
    item_type = TypedDict("item_type", fields, total=False)  # type: ignore[misc]
    return msgspec.json.Decoder(item_type).decode  # type: ignore[return-value]


def _scopes(for_each: ForEach | None, values: _Values) -> Iterator[_Values]:
    """Yields what paths look into: the item, once or with each element in turn."""
    if for_each is None:
        yield values
        return
    many = resolve(for_each.path, values)
    if many is None:
        return
    ((tag, content),) = many.items()
    if tag == "L":
        elements = content
    elif tag in {"SS", "NS", "BS"}:
        elements = [{tag[0]: member} for member in content]
    else:
        raise MisfitError(f"FOR {for_each.name} takes L, SS, NS or BS, got {tag}")
    for element in elements:
        yield values | {for_each.name: element}


# --- what puts attributes into the new item -------------------------------------------


def _everything_step(everything: Everything) -> _Put:
    whole = {path.attribute for path in everything.exceptions if not path.steps}
    parts = [path for path in everything.exceptions if path.steps]

    def put(item: _Raws, values: _Values, raws: _Raws) -> None:
        item.update(raws)
        for name in whole:
            item.pop(name, None)
        changed: dict[str, AttributeValue] = {}
        for path in parts:
            name = path.attribute
            if name in values and name not in whole:
                before = changed.get(name, values[name])
                changed[name] = _without(before, path.steps)
        item.update(changed)

    return put


def _without(value: AttributeValue, steps: tuple[str | int, ...]) -> AttributeValue:
    """Returns the value without what a path leads to; does not change the old one."""
    step, *rest = steps
    if isinstance(step, int):
        elements = list(value.get("L", ()))
        if step >= len(elements):
            return value
        kept = [_without(elements[step], tuple(rest))] if rest else []
        return {"L": [*elements[:step], *kept, *elements[step + 1 :]]}
    members = dict(value.get("M", {}))
    if step not in members:
        return value
    if rest:
        members[step] = _without(members[step], tuple(rest))
    else:
        del members[step]
    return {"M": members}


def _step(selection: Selection, hash_key: bytes) -> _Put:
    target = selection.target
    if selection.is_pick:
        assert isinstance(selection.expression, Path)  # is_pick says so
        return _pick(selection.expression.attribute, target.attribute)
    get = _getter(selection.expression, hash_key)

    def put(item: _Raws, values: _Values, _raws: _Raws) -> None:
        value = get(values)
        if value is None:
            _take_away(item, target)
        elif target.steps:
            _put_inside(item, target, value)
        else:
            item[target.attribute] = value

    return put


def _pick(source: str, target: str) -> _Put:
    def put(item: _Raws, values: _Values, raws: _Raws) -> None:
        if source in raws:
            item[target] = raws[source]
        elif source in values:  # the element of a FOR
            item[target] = values[source]
        else:
            item.pop(target, None)

    return put


def _take_away(item: _Raws, target: Path) -> None:
    """What cannot be computed is not there, whatever ``*`` had put in its place."""
    if not target.steps:
        item.pop(target.attribute, None)
    elif target.attribute in item:
        item[target.attribute] = _without(_opened(item, target), target.steps)


def _put_inside(item: _Raws, target: Path, value: AttributeValue) -> None:
    outer = _opened(item, target)
    item[target.attribute] = _with(outer, target.steps, value)


def _opened(item: _Raws, target: Path) -> AttributeValue:
    there = item.get(target.attribute, {"M": {}})
    return _VALUE.decode(there) if isinstance(there, msgspec.Raw) else there


def _with(
    outer: AttributeValue, steps: tuple[str | int, ...], value: AttributeValue
) -> AttributeValue:
    if not steps:
        return value
    step, *rest = steps
    members = dict(outer.get("M", {}))
    members[str(step)] = _with(members.get(str(step), {"M": {}}), tuple(rest), value)
    return {"M": members}


# --- what computes values -------------------------------------------------------------


def _getter(expression: Expression, hash_key: bytes) -> _Get:
    match expression:
        case Literal():
            tagged = expression.tagged
            return lambda _values: tagged
        case Path() | Size() as operand:
            return lambda values: resolve(operand, values)
        case Call():
            return _call(expression, hash_key)


def _call(call: Call, hash_key: bytes) -> _Get:
    function = FUNCTIONS[call.function]
    getters = [_getter(argument, hash_key) for argument in call.arguments]
    first = (hash_key,) if call.function == "hash" else ()

    def compute(values: _Values) -> AttributeValue | None:
        arguments = [get(values) for get in getters]
        if None in arguments and not function.takes_missing:
            return None
        return function.call(*first, *arguments)

    return compute
