"""From pages to items, and from a user's function back to items."""

from collections.abc import Iterator

import apache_beam as beam

from transforms.items.batches import ItemBatch, Page
from transforms.items.item import Item

__all__ = ["OpenPages"]


class OpenPages(beam.DoFn):
    """Opens pages into batches of items, at no cost per item.

    A step of its own because a splittable DoFn that yields batches fails in Beam 2.75
    to 2.77 (`HomogeneousWindow` has no `timestamps`).
    """

    @beam.DoFn.yields_batches  # type: ignore[untyped-decorator]
    def process(self, page: Page) -> Iterator[ItemBatch]:
        """Yields the page's items as one batch, nothing for a page without any."""
        if page.items:
            yield page.batch()

    def infer_output_type(self, _input_type: object) -> type[Item]:
        """Items, though batches of them travel between fused steps."""
        return Item
