"""A digest of many items that does not depend on their order.

    digest = sum of each item's 16-byte digest, modulo 2^128, and how many there were

Sums of parts add up to the sum of the whole, so each worker digests what it sees. An
item that is there twice counts twice, which an exclusive or would hide.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from transforms.dynamodb.attribute_values import Wire, canonical_value, parse_item

__all__ = ["ContentDigest", "canonical_item"]

_DIGEST_BYTES = 16
_MODULUS = 1 << (8 * _DIGEST_BYTES)
# Spellings that are the canonical ones already; anything else is decoded.
_CANONICAL_NUMBER = re.compile(
    r"0|-?[1-9][0-9]{0,37}|-?(?:0|[1-9][0-9]{0,17})\.[0-9]{0,18}[1-9]"
).fullmatch


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """The digest of a multiset of items.

    Attributes:
        items: how many.
        total: sum of their digests, below 2^128.
    """

    items: int = 0
    total: int = 0

    @classmethod
    def of(cls, wires: Iterable[Wire]) -> "ContentDigest":
        """Digests items.

        >>> one, two = b'{"n": {"N": "1.50"}}', b'{"s": {"S": "x"}}'
        >>> ContentDigest.of([one, two]) == ContentDigest.of(
        ...     [two, b'{"n":{"N":"1.5"}}']
        ... )
        True

        Raises:
            AttributeValueError: the bytes are not an item.
        """
        items, total = 0, 0
        for wire in wires:
            digest = hashlib.blake2b(canonical_item(wire), digest_size=_DIGEST_BYTES)
            total += int.from_bytes(digest.digest(), "big")
            items += 1
        return cls(items, total % _MODULUS)

    @classmethod
    def parse(cls, items: int, text: str) -> "ContentDigest":
        """Reads back what `hex` gave.

        Raises:
            ValueError: not 32 hexadecimal digits.
        """
        if not re.fullmatch(r"[0-9a-f]{32}", text):
            raise ValueError(f"a content digest is 32 hexadecimal digits, got {text!r}")
        return cls(items, int(text, 16))

    def __add__(self, other: "ContentDigest") -> "ContentDigest":
        return ContentDigest(
            self.items + other.items, (self.total + other.total) % _MODULUS
        )

    @property
    def hex(self) -> str:
        """The sum in 32 hexadecimal digits."""
        return f"{self.total:032x}"


def canonical_item(wire: Wire) -> bytes:
    """Returns what `canonical_bytes` does, decoding only what could be spelt otherwise.

    Text and booleans have one JSON spelling once they are parsed, and most numbers
    are plain already: what is left is decoded and encoded.

    Raises:
        AttributeValueError: the bytes are not an item.
    """
    item = parse_item(wire)
    for name, tagged in item.items():
        if not _is_canonical(tagged):
            item[name] = canonical_value(tagged)
    return msgspec.json.encode(item, order="sorted")


def _is_canonical(tagged: dict[str, Any]) -> bool:
    if len(tagged) != 1:
        return False
    content = tagged.get("S")
    if content is not None:
        return type(content) is str
    number = tagged.get("N")
    return type(number) is str and _CANONICAL_NUMBER(number) is not None
