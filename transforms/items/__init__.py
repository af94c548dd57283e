"""Items and pages of them: what travels through the pipelines.

    scan --> Page --OpenPages--> ItemBatch (= many Item) --> filters, columns, sink
             one element         one call in a fused stage; anywhere else, or for a
             of Beam's           user's beam.Map, each Item by itself

The values (`item`, `batches`) know nothing of Beam; importing this package registers
their coders and the batch converter (`coders`), on every worker that unpickles an item.
"""

from transforms.dynamodb.attribute_values import Value, Wire
from transforms.items.batches import ItemBatch, Page
from transforms.items.coders import ItemBatchConverter, ItemCoder, PageCoder
from transforms.items.dofns import OpenPages
from transforms.items.item import Item, Origin

__all__ = [
    "Item",
    "ItemBatch",
    "ItemBatchConverter",
    "ItemCoder",
    "OpenPages",
    "Origin",
    "Page",
    "PageCoder",
    "Value",
    "Wire",
]
