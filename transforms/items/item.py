"""One item, as the bytes that came over the wire."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from transforms.dynamodb.attribute_values import (
    AttributeValueError,
    Value,
    Wire,
    canonical_bytes,
    decode_value,
    encode_item,
    item_size_bytes,
)
from transforms.dynamodb.tables import KeySchema

__all__ = ["Item", "Origin"]

_DIGEST_BYTES = 16
_DIGEST_SHOWN = 8

_SPLIT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class Origin:
    """The page of the scan that an item came from; receipts are made out to it.

    Attributes:
        segment: of the parallel scan, 0 to 999,999.
        page: 8-byte digest of the page's start key; b"" for a segment's first page.
    """

    segment: int
    page: bytes


class Item(Mapping[str, Value]):
    """One item: immutable wire bytes, read as a Mapping from name to Python value.

    An attribute is decoded when someone looks at it, and kept; the others stay bytes.
    Lists and dicts that it returns are to be read, not changed: a change would not
    reach the wire. Equality and hash are those of the content, in which 1.50 is 1.5
    and sets and maps have no order; the origin is no part of them.

    >>> item = Item(b'{"day": {"S": "2013-06-01"}, "delay": {"N": "1.50"}}')
    >>> item["delay"]
    Decimal('1.50')
    >>> item.with_attributes({"late": item["delay"] > 1}).wire
    b'{"day":{"S": "2013-06-01"},"delay":{"N": "1.50"},"late":{"BOOL":true}}'

    Args:
        wire: one item in DynamoDB JSON, taken as it is: it is not checked here, and
            what is no item shows when it is looked at. See `from_attributes`.
        origin: the page it was read from; None for an item made here.

    Raises (on any look at the attributes):
        AttributeValueError: the bytes are not an item, or not that attribute's value.
    """

    __slots__ = ("_origin", "_raws", "_values", "_wire")

    def __init__(self, wire: Wire, origin: Origin | None = None) -> None:
        self._wire = wire
        self._origin = origin
        self._raws: dict[str, msgspec.Raw] | None = None
        self._values: dict[str, Value] = {}

    @classmethod
    def from_attributes(
        cls, attributes: Mapping[str, object], origin: Origin | None = None
    ) -> "Item":
        """Makes an item of Python values.

        Raises:
            AttributeValueError: a value that DynamoDB cannot hold, such as a float;
                the text names the attribute and the remedy.
        """
        return cls(encode_item(attributes), origin)

    @property
    def wire(self) -> bytes:
        """The item's DynamoDB JSON, byte for byte as it came."""
        if type(self._wire) is not bytes:  # a Raw is none, whatever its stub says
            self._wire = bytes(self._wire)
        return self._wire

    @property
    def origin(self) -> Origin | None:
        """The page that the item was read from, None if it was made here."""
        return self._origin

    # --- the Mapping ------------------------------------------------------------------

    def __getitem__(self, name: str) -> Value:
        if name not in self._values:
            self._values[name] = _decode(name, self._split()[name])
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._split())

    def __len__(self) -> int:
        return len(self._split())

    def __contains__(self, name: object) -> bool:
        return name in self._split()

    # --- change -----------------------------------------------------------------------

    def with_attributes(self, attributes: Mapping[str, object]) -> "Item":
        """Returns the item with these attributes set; all others keep their bytes.

        The origin stays, and with it the page's account: prefer this to making a new
        item of the old one's values.

        Raises:
            AttributeValueError: as `from_attributes`.
        """
        changed = _SPLIT.decode(encode_item(attributes))
        return Item(msgspec.json.encode(self._split() | changed), self._origin)

    def without(self, *names: str) -> "Item":
        """Returns the item without these attributes, which it need not have."""
        kept = {name: raw for name, raw in self._split().items() if name not in names}
        return Item(msgspec.json.encode(kept), self._origin)

    # --- identity ---------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Item):
            return NotImplemented
        return self.wire == other.wire or self._canonical() == other._canonical()

    def __hash__(self) -> int:
        return hash(self._canonical())

    def content_digest(self) -> bytes:
        """Returns 16 bytes, equal for equal items in every process and run."""
        return _digest(self._canonical())

    def key_digest(self, keys: KeySchema) -> bytes:
        """Returns 16 bytes, equal for items with one primary key, of one type.

        Raises:
            AttributeValueError: the item lacks a key attribute.
        """
        raws = self._split()
        missing = [name for name in keys.names if name not in raws]
        if missing:
            raise AttributeValueError(
                f"an item lacks the key attribute {missing[0]!r}; keep it in the"
                " projection and in the columns"
            )
        key = {name: raws[name] for name in keys.names}
        return _digest(canonical_bytes(msgspec.json.encode(key)))

    def size_bytes(self) -> int:
        """Returns the size as the service counts it; see `item_size_bytes`."""
        return item_size_bytes(self._wire)

    def __repr__(self) -> str:
        """Shows no content: an item may end up in a log."""
        size = len(self.wire)
        try:
            digest = self.content_digest().hex()[:_DIGEST_SHOWN]
        except AttributeValueError:
            return f"<Item {size} bytes, not DynamoDB JSON>"
        return f"<Item {len(self)} attributes, {size} bytes, digest {digest}>"

    def __reduce__(self) -> tuple[type["Item"], tuple[bytes, Origin | None]]:
        return Item, (self.wire, self._origin)

    def _canonical(self) -> bytes:
        return canonical_bytes(self._wire)

    def _split(self) -> dict[str, msgspec.Raw]:
        if self._raws is None:
            self._raws = _split(self._wire)
        return self._raws


def _split(wire: Wire) -> dict[str, msgspec.Raw]:
    try:
        return _SPLIT.decode(wire)
    except msgspec.DecodeError as error:
        raise AttributeValueError(
            f"not an item in DynamoDB JSON ({error}); make items with"
            " Item.from_attributes"
        ) from error


def _decode(name: str, raw: msgspec.Raw) -> Value:
    try:
        return decode_value(_VALUE.decode(raw))
    except (AttributeValueError, msgspec.DecodeError) as error:
        raise AttributeValueError(f"attribute {name!r}: {error}") from error


def _digest(canonical: bytes) -> bytes:
    return hashlib.blake2b(canonical, digest_size=_DIGEST_BYTES).digest()
