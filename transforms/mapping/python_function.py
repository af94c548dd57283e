"""A mapping written in Python, by its dotted name: ``package.module:function``."""

import importlib
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.errors import UserError
from transforms.items import Item
from transforms.mapping.compilation import MapWire
from transforms.mapping.functions import MisfitError

__all__ = ["MapFunction", "compile_function", "is_function_name", "load_function"]

MapFunction: TypeAlias = Callable[[Item], Item | Iterable[Item] | None]
"""An item to none, to one, or to several."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_function_name(text: str) -> bool:
    """True for ``package.module:function``, which no mapping's text looks like."""
    return _DOTTED.fullmatch(text.strip()) is not None


def load_function(name: str) -> MapFunction:
    """Imports the function.

    Raises:
        UserError: there is no such module here, or no such function in it.
    """
    module_name, _, path = name.strip().partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"the mapping {name!r} cannot be imported ({error}); put its module on "
            "PYTHONPATH here, and on the workers"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise UserError(f"the module {module_name} has no {path!r}; correct it")
        found = getattr(found, part)
    if not callable(found):
        raise UserError(f"{name} is no function; name one that takes an Item")
    return found


def compile_function(function: MapFunction) -> MapWire:
    """Returns the function as a mapping of wire bytes.

    What the function raises is told as a `MisfitError`, by the error's type: its text
    may hold what the item holds.
    """

    def map_wire(wire: Wire) -> list[bytes]:
        try:
            made = function(Item(wire))
            items = [made] if isinstance(made, Item) else list(made or ())
        except Exception as error:
            raise MisfitError(f"the function raised {type(error).__name__}") from error
        for item in items:
            if not isinstance(item, Item):
                raise MisfitError(
                    f"the function returned a {type(item).__name__}; return an Item"
                )
        return [item.wire for item in items]

    return map_wire
