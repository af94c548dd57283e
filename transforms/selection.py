"""Which items take part at all: a sample of the keys, and what has not expired.

    Item batch --expired?--> --in the sample?--> the items that filters see

A `Selection` is a plain value that travels; `ItemSelector` is made of it in the worker,
with what the source says of its keys and its time to live.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from transforms.dynamodb.attribute_picking import attribute_picker
from transforms.dynamodb.attribute_values import AttributeValueError, Wire
from transforms.dynamodb.client import client_for
from transforms.dynamodb.decimal_numbers import parse_number
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import KeySchema, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.items import ItemBatch

__all__ = ["ItemSelector", "Selected", "Selection", "open_selector", "parse_sample"]

# Items that expired longer ago than this are not deleted, so not expired either:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
_FIVE_YEARS_SECONDS = 5 * 365 * 24 * 3600

_VALUE = msgspec.json.Decoder(dict[str, Any])
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def parse_sample(text: str) -> float:
    """Reads ``"1%"`` as a fraction, above 0 and at most 1.

    >>> parse_sample("1%")
    0.01

    Raises:
        UserError: no percentage, or one out of bounds.
    """
    match = _PERCENT.fullmatch(text.strip())
    fraction = float(match.group(1)) / 100 if match else 0.0
    if not 0.0 < fraction <= 1.0:
        raise UserError(f"give a percentage above 0% and up to 100%, not {text!r}")
    return fraction


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items of a table take part.

    Attributes:
        source: the table that they are read from.
        sample: the fraction of its keys, above 0 and up to 1; the same keys in every
            run, and in every sample that is larger. None takes all.
        skip_expired: leaves out what is past its time to live and not deleted yet.
    """

    source: TableRef
    sample: float | None = None
    skip_expired: bool = False


class Selected(NamedTuple):
    """What is left of a batch; `len(input) = len(kept) + expired + not_sampled`."""

    kept: ItemBatch
    expired: int
    not_sampled: int


class ItemSelector:
    """Selects the items of batches.

    Args:
        sample: the fraction of keys; None takes all.
        keys: the source's.
        time_to_live: the attribute that says when an item expires; None keeps all.
        wall: the time, in seconds since 1970.
    """

    def __init__(
        self,
        sample: float | None,
        keys: KeySchema,
        time_to_live: str | None,
        wall: Callable[[], float],
    ) -> None:
        self._bound = None if sample is None else int(sample * 2**64)
        self._keys = keys
        self._expiry = None if time_to_live is None else _expiry_reader(time_to_live)
        self._wall = wall

    def apply(self, batch: ItemBatch) -> Selected:
        """Selects from one batch; order is kept."""
        kept, expired = batch, 0
        if self._expiry is not None:
            expiry, now = self._expiry, self._wall()
            kept = kept.keep([not _is_past(expiry(wire), now) for wire in kept.wires])
            expired = len(batch) - len(kept)
        before = len(kept)
        if self._bound is not None:
            bound, keys = self._bound, self._keys
            digests = (item.key_digest(keys) for item in kept)
            kept = kept.keep([int.from_bytes(d[:8], "big") < bound for d in digests])
        return Selected(kept, expired, before - len(kept))


def open_selector(
    selection: Selection, transport: TransportConfig, wall: Callable[[], float]
) -> ItemSelector:
    """Asks the source for its keys and its time to live. Blocking.

    Raises:
        UserError: expired items are to be skipped, and the table knows no time to live.
    """
    client = client_for(selection.source, transport)
    table = worker_loop().run(client.describe_table())
    attribute = None
    if selection.skip_expired:
        attribute = worker_loop().run(client.time_to_live_attribute())
        if attribute is None:
            raise UserError(
                f"{selection.source.display} has no time to live, so nothing in it "
                "expires; leave out --expired skip"
            )
    return ItemSelector(selection.sample, table.keys, attribute, wall)


def _expiry_reader(attribute: str) -> Callable[[Wire], str | None]:
    pick = attribute_picker([attribute])

    def read(wire: Wire) -> str | None:
        (value,) = pick(wire)
        return _VALUE.decode(value).get("N") if value else None

    return read


def _is_past(expiry: str | None, now: float) -> bool:
    """Only a number is a time; the service leaves other types alone."""
    if expiry is None:
        return False
    try:
        seconds = float(parse_number(expiry))
    except AttributeValueError:
        return False
    return now - _FIVE_YEARS_SECONDS < seconds < now
