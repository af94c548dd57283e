"""Columns with types: what is picked, under which name, and of which type it must be.

As the EMR connector's column mapping and type mapping have it. A value that is of
another type does not fit: its item is rejected, or it becomes NULL, or it stays.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

from transforms.dynamodb.attribute_picking import attribute_picker
from transforms.dynamodb.attribute_values import Wire
from transforms.dynamodb.errors import UserError
from transforms.mapping import MisfitError
from transforms.mapping.compilation import MapWire

__all__ = ["MISFITS", "TYPES", "Misfit", "check_types", "compile_typed_columns"]

Misfit: TypeAlias = Literal["reject", "null", "keep"]

MISFITS: tuple[Misfit, ...] = ("reject", "null", "keep")
"""What becomes of a value that is not of its column's type."""

TYPES = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")

_NULL = b'{"NULL":true}'
_TAG = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_types(
    columns: Mapping[str, str] | None,
    types: Mapping[str, str] | None,
    misfit: str,
    where: str,
) -> None:
    """Refuses a type that there is not, and one of something that is no column.

    Raises:
        UserError: names the column and the remedy.
    """
    if misfit not in MISFITS:
        raise UserError(
            f"{where}: misfit must be one of {', '.join(MISFITS)}, got {misfit!r}"
        )
    for name, type_name in (types or {}).items():
        if name not in (columns or {}):
            raise UserError(f"{where}: {name!r} has a type and is no column; add it")
        if type_name not in TYPES:
            raise UserError(
                f"{where}: column {name!r} has the type {type_name!r}; there are "
                f"{', '.join(TYPES)}"
            )


def compile_typed_columns(
    columns: Mapping[str, str], types: Mapping[str, str], misfit: Misfit
) -> MapWire:
    """Returns a mapping of wire bytes; values that fit stay the bytes that came (I4).

    A NULL fits every column, and so does an attribute that is not there.

    The function raises `MisfitError` where an item is to be rejected.
    """
    pick = attribute_picker(list(columns))
    heads = [msgspec.json.encode(target) + b":" for target in columns.values()]
    fits = [_fitter(name, types.get(name), misfit) for name in columns]

    def map_wire(wire: Wire) -> list[bytes]:
        values = zip(heads, fits, pick(wire), strict=True)
        pairs = [head + fit(value) for head, fit, value in values if value]
        return [b"{" + b",".join(pairs) + b"}"]

    return map_wire


def _fitter(
    name: str, type_name: str | None, misfit: Misfit
) -> Callable[[msgspec.Raw], bytes]:
    if type_name is None or misfit == "keep":
        return bytes

    def fit(value: msgspec.Raw) -> bytes:
        (tag,) = _TAG.decode(value)
        if tag in (type_name, "NULL"):
            return bytes(value)
        if misfit == "null":
            return _NULL
        raise MisfitError(f"column {name!r} is {type_name}, got {tag}")

    return fit
