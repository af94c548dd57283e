"""A branch of the copy: which items, in which shape, to which table, how fast.

    Item batch --filter--> kept items --columns or mapping--> new items --> target table

A `Route` is a plain value that travels to the workers. `ItemProgram` is its first
half, compiled in the worker: filter and columns over a whole batch of wire items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from transforms.dynamodb.attribute_picking import attribute_picker
from transforms.dynamodb.attribute_values import AttributeValueError
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions import Condition, parse_condition
from transforms.dynamodb.tables import TableRef
from transforms.items import Item, ItemBatch, Wire
from transforms.mapping import (
    ItemMapping,
    MapFunction,
    MisfitError,
    check_reference,
    compile_function,
    compile_mapping,
    is_function_name,
    load_function,
    parse_mapping,
    read_secret,
)
from transforms.mapping.compilation import MapWire
from transforms.throttle.rate import Rate
from transforms.typed_columns import Misfit, check_types, compile_typed_columns

__all__ = [
    "MODES",
    "Filter",
    "ItemProgram",
    "Mode",
    "Processed",
    "Route",
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
        types: source attribute -> the type (S, N, SS …) that a column must have.
        misfit: what becomes of a column of another type: "reject" rejects the item
            with the reason, "null" writes NULL, "keep" writes it as it is.
        mapping: what becomes of an item, where columns are not enough: a mapping's
            text (docs/mapping.md), ``package.module:function``, or a function
            (importable by the workers) of an Item to None, an Item or several.
        hash_key: where the key of the mapping's ``hash`` is, such as ``env:NAME``.
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
    types: Mapping[str, str] | None = None
    misfit: Misfit = "reject"
    mapping: str | ItemMapping | MapFunction | None = None
    hash_key: str | None = None
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
        check_types(self.columns, self.types, self.misfit, f"route {self.name}")
        as_condition(self.filter)
        self._check_mapping()

    def _check_mapping(self) -> None:
        if self.hash_key is not None:
            check_reference(self.hash_key)
        if self.mapping is None:
            return
        if self.columns is not None:
            msg = (
                f"route {self.name} has both columns and a mapping; write the columns "
                "into the mapping, as A AS B"
            )
            raise UserError(msg)
        mapping = as_mapping(self.mapping)
        if not isinstance(mapping, ItemMapping):
            return
        if self.newer_by and self.newer_by not in (mapping.targets or {self.newer_by}):
            msg = (
                f"route {self.name}: {self.newer_by!r} says which item is newer, and "
                "the mapping leaves it out; add it"
            )
            raise UserError(msg)
        if mapping.uses_hash and self.hash_key is None:
            msg = (
                f"route {self.name}: hash needs a key; say where it is (--hash-key "
                "env:NAME)"
            )
            raise UserError(msg)

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


def as_mapping(
    mapping: str | ItemMapping | MapFunction | None,
) -> ItemMapping | MapFunction | None:
    """Parses a textual mapping, or imports the function that it names.

    Raises:
        ExpressionError: the text is no mapping.
        UserError: the function cannot be imported.
    """
    if not isinstance(mapping, str):
        return mapping
    return (
        load_function(mapping) if is_function_name(mapping) else parse_mapping(mapping)
    )


class Processed(NamedTuple):
    """What a program made of a batch, and the account of it.

    `len(input) + fanned_out = filtered + skipped + len(rejected) + len(kept)`, always.

    Attributes:
        kept: what goes on.
        filtered: items that the filter left out.
        evaluated: items that the filter looked at.
        skipped: items of which the mapping made none.
        fanned_out: items that the mapping made beyond the first of each.
        rejected: items that the mapping could not be applied to, and why.
    """

    kept: ItemBatch
    filtered: int = 0
    evaluated: int = 0
    skipped: int = 0
    fanned_out: int = 0
    rejected: Sequence[tuple[Wire, str]] = ()


class ItemProgram:
    """A filter, and columns or a mapping, compiled for batches of wire items.

    Args:
        item_filter: which items; None keeps every one.
        columns: source -> target attribute; None keeps all.
        map_wire: a compiled mapping instead of columns.
    """

    def __init__(
        self,
        item_filter: Filter | None,
        columns: Mapping[str, str] | None,
        map_wire: MapWire | None = None,
    ) -> None:
        self._keeps = compile_filter(item_filter)
        self._reshape = None if columns is None else compile_columns(columns)
        self._map_wire = map_wire

    @classmethod
    def of_route(cls, route: Route) -> "ItemProgram":
        """Compiles a route's; looks its secret up, so on a worker.

        Raises:
            UserError: the secret is not there.
        """
        mapping = as_mapping(route.mapping)
        if route.types and route.columns is not None:
            typed = compile_typed_columns(route.columns, route.types, route.misfit)
            return cls(route.filter, None, typed)
        if mapping is None:
            return cls(route.filter, route.columns)
        if not isinstance(mapping, ItemMapping):
            return cls(route.filter, None, compile_function(mapping))
        if mapping.columns is not None:  # the fast way for what is no more than that
            return cls(route.filter, mapping.columns)
        key = None
        if mapping.uses_hash and route.hash_key is not None:
            key = read_secret(route.hash_key, route.target.region)
        return cls(route.filter, None, compile_mapping(mapping, key))

    @property
    def is_identity(self) -> bool:
        """True when every batch passes untouched."""
        return self._keeps is None and self._reshape is None and self._map_wire is None

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
        if self._map_wire is not None:
            return _map(kept, self._map_wire)._replace(
                filtered=filtered, evaluated=evaluated
            )
        return Processed(kept, filtered, evaluated)


def _map(batch: ItemBatch, map_wire: MapWire) -> Processed:
    """Applies a mapping to each item; one that it does not fit goes alone (I3)."""
    made: list[list[bytes]] = []
    rejected: list[tuple[Wire, str]] = []
    skipped = fanned_out = 0
    for wire in batch.wires:
        try:
            items = map_wire(wire)
        except (MisfitError, AttributeValueError) as error:
            rejected.append((wire, f"mapping: {error}"))
            items = []
        else:
            skipped += not items
            fanned_out += max(0, len(items) - 1)
        made.append(items)
    return Processed(
        batch.replace_each(made),
        skipped=skipped,
        fanned_out=fanned_out,
        rejected=rejected,
    )


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
