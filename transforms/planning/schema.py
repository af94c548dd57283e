"""What is in a table, by a sample: types, presence, sizes, large keys and items."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from transforms.dynamodb.attribute_values import Wire, item_size_bytes, parse_item
from transforms.dynamodb.tables import KeySchema
from transforms.key_names import KeyNamer

__all__ = ["AttributeFacts", "TableSchema", "infer_schema"]

# An item is 400 KB at most (ServiceQuotas); close to it a new attribute is refused.
_MAX_BYTES = 400 * 1024
_NEAR_BYTES = 300 * 1024
_SHOWN_KEYS = 5


@dataclass(slots=True)
class AttributeFacts:
    """One attribute of a sample.

    Attributes:
        name: its name.
        types: how many items have it in each type.
        size_bytes: of all of them, name included, as the service counts.
        largest_bytes: of one of them.
    """

    name: str
    types: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0
    largest_bytes: int = 0

    @property
    def present(self) -> int:
        """Items that have it."""
        return sum(self.types.values())

    @property
    def type(self) -> str | None:
        """Its type, if it has one in all items but for NULL; else None."""
        kinds = [name for name in self.types if name != "NULL"]
        return kinds[0] if len(kinds) == 1 else None


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a sample says of a table.

    Attributes:
        items: in the sample.
        is_whole: True if these are all there are.
        attributes: the keys first, then by presence.
        average_bytes: of an item.
        largest_bytes: of an item.
        near_limit: items above 300 KB, of the 400 that are allowed.
        partitions: the partition keys with the most bytes: the key as a `KeyNamer`
            says it, items, bytes.
    """

    items: int
    is_whole: bool
    keys: KeySchema
    attributes: tuple[AttributeFacts, ...]
    average_bytes: float
    largest_bytes: int
    near_limit: int
    partitions: tuple[tuple[str, int, int], ...]

    def lines(self) -> list[str]:
        """Returns it as people read it."""
        basis = "all items" if self.is_whole else "a sample"
        width = max((len(each.name) for each in self.attributes), default=4)
        rows = [
            f"  {each.name:{width}}  {_types(each):20}  "
            f"{each.present / self.items:6.1%}  "
            f"{each.size_bytes / each.present:10,.0f}  {each.largest_bytes:10,}"
            for each in self.attributes
        ]
        heads = ("average", "largest")
        lines = [
            (
                f"{self.items:,} items, {basis}: "
                f"{self.average_bytes:,.0f} B on average, "
                f"{self.largest_bytes:,} B the largest"
            ),
            (
                f"  {'name':{width}}  {'types':20}  {'in':>6}  {heads[0]:>10}  "
                f"{heads[1]:>10}"
            ),
            *rows,
        ]
        if self.near_limit:
            lines.append(
                f"{self.near_limit:,} items are above 300 KB; the service takes 400 KB"
            )
        lines.append(f"largest values of {self.keys.partition_key.name}, by bytes:")
        lines += [
            f"  {key}: {items:,} items, {size:,} B"
            for key, items, size in self.partitions
        ]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return {
            "items": self.items,
            "is_whole": self.is_whole,
            "average_bytes": self.average_bytes,
            "largest_bytes": self.largest_bytes,
            "items_near_400_kb": self.near_limit,
            "attributes": [
                {
                    "name": each.name,
                    "types": dict(each.types),
                    "present": each.present,
                    "bytes": each.size_bytes,
                    "largest_bytes": each.largest_bytes,
                }
                for each in self.attributes
            ],
            "largest_partitions": [
                {"key": key, "items": items, "bytes": size}
                for key, items, size in self.partitions
            ],
        }

    def job_file(self, source: str) -> str:
        """Returns a copy's job file with these columns; its target is to be filled in.

        An attribute of several types gets none, so that every value of it fits.
        """
        columns: dict[str, Any] = {
            each.name: {"as": each.name, "type": each.type} if each.type else each.name
            for each in self.attributes
        }
        job = {
            "source": source,
            "to": [{"to": "REGION/TABLE", "columns": columns, "misfit": "reject"}],
        }
        text: str = yaml.safe_dump(job, sort_keys=False, allow_unicode=True)
        return text


def infer_schema(
    wires: Sequence[Wire],
    keys: KeySchema,
    *,
    is_whole: bool = False,
    show_keys: bool = False,
) -> TableSchema:
    """Looks at every attribute of the items.

    Args:
        wires: the sample.
        keys: of the table.
        is_whole: whether the sample is the whole table.
        show_keys: says the largest keys themselves, and not their digests.

    Raises:
        AttributeValueError: the bytes are no item.
    """
    attributes: dict[str, AttributeFacts] = {}
    partitions: dict[bytes, tuple[int, int, Wire]] = {}
    sizes = []
    for wire in wires:
        item, size = parse_item(wire), item_size_bytes(wire)
        sizes.append(size)
        for name, value in item.items():
            _note(attributes.setdefault(name, AttributeFacts(name)), value)
        key = msgspec.json.encode(item.get(keys.partition_key.name))
        count, total, _ = partitions.get(key, (0, 0, wire))
        partitions[key] = (count + 1, total + size, wire)
    ordered = sorted(
        attributes.values(),
        key=lambda each: (each.name not in keys.names, -each.present, each.name),
    )
    largest = sorted(partitions.values(), key=lambda each: -each[1])[:_SHOWN_KEYS]
    namer = KeyNamer(KeySchema(keys.partition_key), show=show_keys)
    return TableSchema(
        items=len(wires),
        is_whole=is_whole,
        keys=keys,
        attributes=tuple(ordered),
        average_bytes=sum(sizes) / len(sizes) if sizes else 0.0,
        largest_bytes=max(sizes, default=0),
        near_limit=sum(_NEAR_BYTES < size <= _MAX_BYTES for size in sizes),
        partitions=tuple((namer(wire), count, size) for count, size, wire in largest),
    )


def _note(facts: AttributeFacts, value: dict[str, Any]) -> None:
    size = item_size_bytes(msgspec.json.encode({facts.name: value}))
    facts.types.update(value.keys())
    facts.size_bytes += size
    facts.largest_bytes = max(facts.largest_bytes, size)


def _types(facts: AttributeFacts) -> str:
    if len(facts.types) == 1:
        return next(iter(facts.types))
    parts = (f"{name} {count:,}" for name, count in facts.types.most_common())
    return ", ".join(parts)
