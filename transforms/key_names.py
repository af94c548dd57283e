"""What an item's key is called where people read: its digest, unless they ask."""

from transforms.dynamodb.attribute_values import AttributeValueError, Wire
from transforms.dynamodb.errors import ItemRejectedError
from transforms.dynamodb.keys import KeyDecoder
from transforms.dynamodb.tables import KeySchema
from transforms.items import Item

__all__ = ["KeyNamer"]

_DIGEST_BYTES = 8


class KeyNamer:
    """Names items by their keys, for errors and reports.

    Args:
        schema: the table's.
        show: says the key itself. By default its digest is said: equal for equal
            keys, and nobody reads the key out of it who does not have it.

    >>> from transforms.dynamodb.tables import KeyAttribute
    >>> schema = KeySchema(KeyAttribute("id", "S"), None)
    >>> item = b'{"id":{"S":"a"},"n":{"N":"1"}}'
    >>> KeyNamer(schema)(item)
    'key 2651ec05863cb54f'
    >>> KeyNamer(schema, show=True)(item)
    'key {"id":{"S":"a"}}'
    """

    def __init__(self, schema: KeySchema, *, show: bool = False) -> None:
        self._schema, self._show = schema, show
        self._keys = KeyDecoder(schema)

    def __call__(self, item: Wire) -> str:
        """Returns the name; that there is no key, where there is none."""
        try:
            if self._show:
                return f"key {self._keys.key_wire(item).decode()}"
            digest = Item(bytes(item)).key_digest(self._schema)
        except (AttributeValueError, ItemRejectedError):
            return "without a key"
        return f"key {digest[:_DIGEST_BYTES].hex()}"
