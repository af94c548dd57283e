"""Versions: which of two items with one key is the newer.

A version is a number, or a time in ISO 8601: ``2013-06-01``, ``2013-06-01T10:00:00Z``,
``2013-06-01 12:00:00.250+02:00``; without an offset it is taken as UTC. Times are
compared as times, since as texts ``10:00:00.5Z`` would come before ``10:00:00Z``.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from transforms.dynamodb.attribute_values import Wire

__all__ = ["Version", "VersionReader"]

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    r"(?:(Z)|([+-])(\d\d):?(\d\d)?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Version:
    """An item's version; two of one kind have an order.

    Attributes:
        kind: "number" or "time".
        value: the number, or the seconds since 1970 in UTC, exactly.
        wire: the attribute value as it stands in the item.
    """

    kind: Literal["number", "time"]
    value: Decimal
    wire: bytes


class VersionReader:
    """Reads one attribute of wire items as a version.

    >>> read = VersionReader("at").read
    >>> read(b'{"at":{"S":"2013-06-01T00:00:00.5Z"}}').value
    Decimal('1370044800.5')
    >>> read(b'{"id":{"S":"a"}}') is None
    True
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._decode = msgspec.json.Decoder(
            msgspec.defstruct(
                "Versioned",
                [("version", msgspec.Raw, msgspec.Raw())],
                rename={"version": name},
            )
        ).decode

    def read(self, wire: Wire) -> Version | None:
        """Returns an item's version; None for an item without the attribute.

        Raises:
            ValueError: it is neither a number nor an ISO time; names no value.
        """
        item: Any = self._decode(wire)
        raw = bytes(item.version)
        return _read(self.name, raw) if raw else None


def _read(name: str, raw: bytes) -> Version:
    tagged = msgspec.json.decode(raw)
    text = tagged.get("N")
    if isinstance(text, str):
        try:
            return Version("number", Decimal(text), raw)
        except InvalidOperation:
            raise _unreadable(name) from None
    seconds = _seconds(tagged.get("S"))
    if seconds is None:
        raise _unreadable(name)
    return Version("time", seconds, raw)


def _unreadable(name: str) -> ValueError:
    return ValueError(
        f"the version {name!r} is neither a number nor an ISO time; choose another "
        "attribute, or leave such items out by a filter"
    )


def _seconds(text: object) -> Decimal | None:
    found = _ISO.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = (
        found.groups()
    )
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            tzinfo=timezone.utc,
        ) + timedelta(seconds=int(second or 0))
    except (ValueError, OverflowError):
        return None
    since = (moment - _EPOCH) // timedelta(seconds=1)
    offset = 3600 * int(hours or 0) + 60 * int(minutes or 0)
    whole = since + (offset if sign == "-" else -offset)
    return Decimal(whole) + Decimal(f"0.{fraction or 0}")
