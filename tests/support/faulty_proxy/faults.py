"""Faults by seed: what goes wrong with which request.

Shares are of the requests that spend capacity (or of `operations`), between 0 and 1,
and are drawn independently, in the order of the fields: the first that hits is done.
"""

import random
from dataclasses import dataclass, fields
from typing import Any, Literal

__all__ = ["Fault", "FaultDice", "Faults"]

Fault = Literal[
    "throttled",
    "internal_errors",
    "unavailable",
    "expired",
    "resets_before",
    "resets_after",
    "truncated",
    "corrupted",
    "stalled",
    "unprocessed",
]


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong.

    Attributes:
        seed: equal seeds and orders of requests give equal faults.
        throttled: refused for capacity, though there is some.
        internal_errors: status 500; half of them were applied, as with the service.
        unavailable: status 503.
        expired: the token is past its time; nothing was applied.
        resets_before: the connection is reset, nothing was applied.
        resets_after: the connection is reset, but the request was applied.
        truncated: applied; the reply ends in its middle.
        corrupted: applied; a byte of the reply is another, its checksum is not.
        stalled: applied; the reply comes `stall_seconds` later.
        unprocessed: of BatchWriteItem: a random part comes back unprocessed.
        stall_seconds: see there.
        operations: only these; empty for all that spend capacity.
    """

    seed: int = 0
    throttled: float = 0.0
    internal_errors: float = 0.0
    unavailable: float = 0.0
    expired: float = 0.0
    resets_before: float = 0.0
    resets_after: float = 0.0
    truncated: float = 0.0
    corrupted: float = 0.0
    stalled: float = 0.0
    unprocessed: float = 0.0
    stall_seconds: float = 1.0
    operations: frozenset[str] = frozenset()


_KINDS: tuple[Any, ...] = tuple(
    field.name
    for field in fields(Faults)
    if field.name not in {"seed", "stall_seconds", "operations"}
)


class FaultDice:
    """Draws the fault of each request."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.rng = random.Random(faults.seed)

    def draw(self, operation: str, *, spends: bool) -> Fault | None:
        """Returns what goes wrong with the next request, None if nothing does."""
        concerned = operation in self.faults.operations or (
            spends and not self.faults.operations
        )
        if not concerned:
            return None
        # All dice are thrown each time: what one share is does not move the others.
        hits = [self.rng.random() < getattr(self.faults, kind) for kind in _KINDS]
        for kind, hit in zip(_KINDS, hits, strict=True):
            if hit and (kind != "unprocessed" or operation == "BatchWriteItem"):
                fault: Fault = kind
                return fault
        return None
