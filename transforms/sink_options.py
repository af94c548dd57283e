"""What a sink is told, as it travels to the workers: plain values, no DoFns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.transport import TransportConfig
from transforms.receipts import OnReject
from transforms.routes import Filter, Route
from transforms.run_context import RunContext
from transforms.selection import Selection
from transforms.spool import Isolation

__all__ = ["Branches", "Program", "WriteOptions"]


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What all routes of a sink have in common; see `WriteToDynamoDB`."""

    on_reject: OnReject = "fail"
    keys_unique: bool = False
    run: RunContext | None = None
    transport: TransportConfig = field(default_factory=TransportConfig)
    rejected_directory: str | None = None
    superseded_directory: str | None = None
    show_keys: bool = False
    isolation: Isolation | None = None

    def __post_init__(self) -> None:
        """Refuses an unknown answer to rejected items."""
        if self.on_reject not in ("fail", "collect"):
            raise UserError(
                f'on_reject must be "fail" or "collect", got {self.on_reject!r}'
            )


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is done to all items alike, as it travels.

    Attributes:
        filter: which items; None keeps every one.
        columns: source -> target attribute; None keeps all.
        run: where evaluations are counted while the job runs.
        selection: a sample, or items that have not expired; None takes all.
        transport: to the table that the selection asks about.
    """

    filter: Filter | None = None
    columns: Mapping[str, str] | None = None
    run: RunContext | None = None
    selection: Selection | None = None
    transport: TransportConfig = field(default_factory=TransportConfig)

    @property
    def is_identity(self) -> bool:
        """True when nothing is asked of it."""
        return not (self.filter or self.selection) and self.columns is None


@dataclass(frozen=True, kw_only=True)
class Branches:
    """All that the workers know of a sink: its routes, and what these share."""

    shared: Program
    routes: tuple[Route, ...]
    options: WriteOptions
