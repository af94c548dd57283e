"""Many items at once: what lets a page cost one call instead of thousands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat

import msgspec

from transforms.dynamodb.attribute_values import Wire
from transforms.items.item import Item, Origin

__all__ = ["ItemBatch", "Page", "Run"]

_SAMPLED = 32  # items that stand for all of a batch's sizes

Run = tuple[Origin | None, int]
"""Consecutive items of one origin, and how many."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemBatch:
    """Items in order, as their wire bytes; to Beam it stands for that many `Item`.

    Attributes:
        wires: one item each; slices of a page's body as a rule, which they keep alive.
        runs: whose they are, in order; the counts sum up to the number of wires.
    """

    wires: Sequence[Wire]
    runs: tuple[Run, ...]

    @classmethod
    def of_page(cls, wires: Sequence[Wire], origin: Origin | None) -> "ItemBatch":
        """Makes a batch of one page's items, at a cost that does not grow with them."""
        return cls(wires, ((origin, len(wires)),) if wires else ())

    @classmethod
    def of_items(cls, items: Sequence[Item]) -> "ItemBatch":
        """Makes a batch of single items; neighbours of one origin share a run."""
        runs: list[Run] = []
        for item in items:
            origin = item.origin
            if runs and runs[-1][0] == origin:
                runs[-1] = (origin, runs[-1][1] + 1)
            else:
                runs.append((origin, 1))
        return cls([item.wire for item in items], tuple(runs))

    @classmethod
    def concatenate(cls, batches: Sequence["ItemBatch"]) -> "ItemBatch":
        """Makes one batch of several, in order."""
        wires = [wire for batch in batches for wire in batch.wires]
        return cls(wires, tuple(run for batch in batches for run in batch.runs))

    def __len__(self) -> int:
        return len(self.wires)

    def __iter__(self) -> Iterator[Item]:
        origins = (origin for run in self.runs for origin in repeat(*run))
        return map(Item, self.wires, origins)

    def split_runs(self) -> Iterator["ItemBatch"]:
        """Yields the batch's parts, each of one origin."""
        start = 0
        for run in self.runs:
            stop = start + run[1]
            yield ItemBatch(self.wires[start:stop], (run,))
            start = stop

    def keep(self, mask: Sequence[bool]) -> "ItemBatch":
        """Returns the items whose place in the mask is true; empty runs go.

        Raises:
            ValueError: the mask has not one place for each item.
        """
        self._check_length("mask", mask)
        runs, start = [], 0
        for origin, count in self.runs:
            kept = sum(mask[start : start + count])
            start += count
            if kept:
                runs.append((origin, kept))
        return ItemBatch(list(compress(self.wires, mask)), tuple(runs))

    def replace_wires(self, wires: Sequence[Wire]) -> "ItemBatch":
        """Returns a batch of other items at the same places, of the same origins.

        Raises:
            ValueError: there are not as many.
        """
        self._check_length("wires", wires)
        return ItemBatch(wires, self.runs)

    def replace_each(self, wires: Sequence[Sequence[Wire]]) -> "ItemBatch":
        """Returns a batch of none, one or several items for each, of its origin.

        Raises:
            ValueError: there is not one sequence for each item.
        """
        self._check_length("wires", wires)
        runs, start = [], 0
        for origin, count in self.runs:
            made = sum(map(len, wires[start : start + count]))
            start += count
            if made:
                runs.append((origin, made))
        return ItemBatch([wire for each in wires for wire in each], tuple(runs))

    @property
    def estimated_bytes(self) -> int:
        """About the items' JSON in bytes, from a few of them."""
        count = len(self.wires)
        some = self.wires[:: count // _SAMPLED + 1]
        return sum(map(len, some)) * count // len(some) if some else 0

    def __repr__(self) -> str:
        """Shows no content: a batch may end up in a log."""
        return f"<ItemBatch {len(self)} items, {len(self.runs)} runs>"

    def _check_length(self, name: str, values: Sequence[object]) -> None:
        if len(values) != len(self):
            raise ValueError(
                f"{name} must have {len(self)} places, one an item; got {len(values)}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page of a scan: one element of Beam's, up to 1 MB of items.

    Attributes:
        items: slices of the reply's body, which they share and keep alive.
        origin: the segment, and the page in it.
        scanned_count: items the service evaluated, before its filter.
        count: items it returned, `len(items)`.
        consumed_units: read capacity consumed, in RCU, indexes included.
        size_bytes: about the items' JSON in bytes, such as the reply's length; Beam
            asks for it often. None counts it.
    """

    items: list[msgspec.Raw]
    origin: Origin
    scanned_count: int
    count: int
    consumed_units: float = 0.0
    size_bytes: int | None = None

    def batch(self) -> ItemBatch:
        """Returns the items for batched DoFns, at no cost per item."""
        return ItemBatch.of_page(self.items, self.origin)

    def __repr__(self) -> str:
        """Shows no content: a page may end up in a log."""
        return f"<Page {self.count} items, segment {self.origin.segment}>"
