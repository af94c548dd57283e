"""A branch of the copy: which items, in which shape, to which table, how fast.

    Item batch --filter--> kept items --columns--> reshaped items --> target table

A `Route` is a plain value that travels to the workers. `ItemProgram` is its first
half, compiled in the worker: filter and columns over a whole batch of wire items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from transforms.dynamodb.attribute_picking import attribute_picker
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import Condition, parse_condition
from transforms.dynamodb.tables import TableRef
from transforms.items import Item, ItemBatch, Wire
from transforms.throttle.rate import Rate

__all__ = [
    "MODES",
    "Filter",
    "ItemProgram",
    "Mode",
    "Processed",
    "Route",
    "keeps_keys",
]

Filter: TypeAlias = str | Condition | Callable[[Item], bool]
Mode: TypeAlias = Literal["overwrite", "if-absent", "newer", "merge", "delete"]

MODES: tuple[Mode, ...] = ("overwrite", "if-absent", "newer", "merge", "delete")
"""What a write does where the target has an item of the same key; see `Route`."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One target of a copy, with its own filter, columns and rate.

    Attributes:
        name: names the branch in results, counters and messages; unique in a job.
        target: the table that is written.
        filter: which items: a DynamoDB condition expression, or a Python callable
            `Item -> bool` (importable by the workers). None keeps every item.
        columns: source attribute -> target attribute, the attributes picked and
            their new names. None (schemaless) leaves the item byte for byte.
        write: the share of the target's write capacity that may be used.
        mode: what becomes of a stored item with the same key. "overwrite" replaces
            it whole; "if-absent" keeps it; "newer" replaces it if `newer_by` says so;
            "merge" sets the attributes that the item has and keeps the others;
            "delete" deletes it.
        newer_by: for "newer": the target's attribute that holds a number or an ISO
            time. An item without it is older than any other.

    Raises:
        UserError: the name is empty, the mode unknown, or the columns clash.
        ExpressionError: the filter does not parse; shows the place.
    """

    name: str
    target: TableRef
    filter: Filter | None = None
    columns: Mapping[str, str] | None = None
    write: Rate = field(default_factory=lambda: Rate.percent(50))
    mode: Mode = "overwrite"
    newer_by: str | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            msg = f"a route's name must be a word without '/', got {self.name!r}"
            raise UserError(msg)
        if self.mode not in MODES:
            modes = ", ".join(MODES)
            msg = f"route {self.name}: mode must be one of {modes}, got {self.mode!r}"
            raise UserError(msg)
        self._check_newer_by()
        check_columns(self.columns, f"route {self.name}")
        as_condition(self.filter)

    def _check_newer_by(self) -> None:
        if (self.mode == "newer") != (self.newer_by is not None):
            msg = (
                f"route {self.name}: mode newer and the attribute that says which item "
                f"is newer (newer_by) belong together, got {self.mode!r} and "
                f"{self.newer_by!r}"
            )
            raise UserError(msg)
        written = None if self.columns is None else self.columns.values()
        if self.newer_by and written is not None and self.newer_by not in written:
            msg = (
                f"route {self.name}: {self.newer_by!r} says which item is newer, and "
                "the columns leave it out; add it to them"
            )
            raise UserError(msg)


def check_columns(columns: Mapping[str, str] | None, where: str) -> None:
    """Refuses an empty mapping and two sources for one target attribute."""
    if columns is None:
        return
    if not columns:
        msg = f"{where}: columns is empty; name attributes, or leave it out for all"
        raise UserError(msg)
    seen: dict[str, str] = {}
    for source, target in columns.items():
        if target in seen:
            msg = (
                f"{where}: columns {seen[target]!r} and {source!r} both become "
                f"{target!r}; give one of them another name"
            )
            raise UserError(msg)
        seen[target] = source


def keeps_keys(columns: Mapping[str, str] | None, key_names: Sequence[str]) -> bool:
    """Tells whether columns leave every key attribute there under its own name."""
    return columns is None or all(columns.get(name) == name for name in key_names)


def as_condition(
    item_filter: Filter | None,
) -> Condition | Callable[[Item], bool] | None:
    """Parses a textual filter; conditions and callables stay as they are.

    Raises:
        ExpressionError: the text is no condition expression.
    """
    if isinstance(item_filter, str):
        return parse_condition(item_filter)
    return item_filter


class Processed(NamedTuple):
    """What a program made of a batch, and the account of it.

    `len(input) = filtered + len(kept)` always holds.
    """

    kept: ItemBatch
    filtered: int
    evaluated: int


class ItemProgram:
    """A filter and a column mapping, compiled for batches of wire items."""

    def __init__(
        self, item_filter: Filter | None, columns: Mapping[str, str] | None
    ) -> None:
        self._keeps = compile_filter(item_filter)
        self._reshape = None if columns is None else compile_columns(columns)

    @property
    def is_identity(self) -> bool:
        """True when every batch passes untouched."""
        return self._keeps is None and self._reshape is None

    def apply(self, batch: ItemBatch) -> Processed:
        """Filters and reshapes one batch; order is kept."""
        kept, filtered, evaluated = batch, 0, 0
        if self._keeps is not None:
            evaluated = len(batch)
            mask = self._keeps(batch)
            kept = batch.keep(mask)
            filtered = evaluated - len(kept)
        if self._reshape is not None:
            reshape = self._reshape
            kept = kept.replace_wires([reshape(wire) for wire in kept.wires])
        return Processed(kept, filtered, evaluated)


def compile_filter(
    item_filter: Filter | None,
) -> Callable[[ItemBatch], list[bool]] | None:
    """Returns a function from a batch to its mask, or None for "all"."""
    condition = as_condition(item_filter)
    if condition is None:
        return None
    if isinstance(condition, Condition):
        matches = condition.compile()
        return lambda batch: [matches(wire) for wire in batch.wires]
    predicate = condition
    return lambda batch: [bool(predicate(item)) for item in batch]


def compile_columns(columns: Mapping[str, str]) -> Callable[[Wire], bytes]:
    """Returns a function that picks and renames attributes, values untouched.

    The values stay the bytes that came (I4); an attribute that an item lacks is
    left out, as the service does for a projection.
    """
    check_columns(columns, "columns")
    pick = attribute_picker(list(columns))
    heads = [msgspec.json.encode(target) + b":" for target in columns.values()]

    def reshape(wire: Wire) -> bytes:
        pairs = [h + bytes(v) for h, v in zip(heads, pick(wire), strict=True) if v]
        return b"{" + b",".join(pairs) + b"}"

    return reshape
