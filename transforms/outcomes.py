"""What became of items that were submitted to a writer. No Beam here."""

from dataclasses import dataclass, field

from transforms.dynamodb.keys import Key

__all__ = ["GaveWay", "Outcome", "Refused"]


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that the service will never take.

    Attributes:
        wire: the item (or key, for deletes) as it was sent.
        reason: a code, a colon and what it means, without item content.
        attempts: requests in which it was sent; 0 where its fault was seen before.
    """

    wire: bytes
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class GaveWay:
    """An item in the place of which another one of the same key stays.

    Attributes:
        wire: the item as it was to be written.
        reason: a code, a colon and what it means, without item content.
    """

    wire: bytes
    reason: str


@dataclass(slots=True)
class Outcome:
    """What became of the items of one `submit`; complete when `open_requests` is 0.

    `items = written + superseded + len(refused)` once complete without error.

    Attributes:
        token: as it was submitted with them.
        items: how many.
        written: confirmed by the service, or found stored as they are.
        superseded: gave way to another item of the same key.
        ties: of `superseded`, those whose version the stored item has as well.
        retried_requests: requests in which items were sent again.
        units: write capacity consumed, in WCU.
        refused: those the service will never take.
        gave_way: those superseded, where the writer is to keep them.
        keys: of the items, where equal keys are held apart.
        open_requests: not settled yet.
    """

    token: object
    items: int
    written: int = 0
    superseded: int = 0
    ties: int = 0
    retried_requests: int = 0
    units: float = 0.0
    refused: list[Refused] = field(default_factory=list)
    gave_way: list[GaveWay] = field(default_factory=list)
    keys: frozenset[Key] = field(default=frozenset(), repr=False)
    open_requests: int = 0
