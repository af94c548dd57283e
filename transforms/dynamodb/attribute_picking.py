"""Takes a few attributes out of wire items, and decodes none."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from transforms.dynamodb.attribute_values import Wire

__all__ = ["Pick", "attribute_picker"]

Pick: TypeAlias = Callable[[Wire], Sequence[msgspec.Raw]]

_ABSENT = msgspec.Raw()
_BY_NAME = msgspec.json.Decoder(dict[str, msgspec.Raw])


def attribute_picker(names: Sequence[str]) -> Pick:
    """Returns a function from an item to the named attributes' bytes, one or more.

    An attribute that the item lacks is empty, and false. The function does not
    pickle: make it in the worker.

    >>> pick = attribute_picker(["n", "id", "x"])
    >>> [bytes(value) for value in pick(b'{"id":{"S":"a"},"n":{"N": "1.0"}}')]
    [b'{"N": "1.0"}', b'{"S":"a"}', b'']

    Raises (the function that is returned):
        msgspec.DecodeError: the bytes are not an item.
    """
    fields = [f"a{place}" for place in range(len(names))]
    try:
        picked = msgspec.defstruct(
            "PickedAttributes",
            [(field, msgspec.Raw, _ABSENT) for field in fields],
            rename=dict(zip(fields, names, strict=True)),
        )
    except ValueError:
        # A quote, backslash or control character: DynamoDB's names may have them,
        # the fields of a Struct may not.
        return lambda wire: _look_up(wire, names)
    decode: Callable[[Any], Any] = msgspec.json.Decoder(picked).decode
    if len(fields) == 1:
        return lambda wire: (decode(wire).a0,)
    values: Callable[[Any], Sequence[msgspec.Raw]] = operator.attrgetter(*fields)
    return lambda wire: values(decode(wire))


def _look_up(wire: Wire, names: Sequence[str]) -> Sequence[msgspec.Raw]:
    found = _BY_NAME.decode(wire)
    return [found.get(name, _ABSENT) for name in names]
