"""Where a run's ledger is: what ``--ledger`` takes."""

from dataclasses import dataclass
from pathlib import Path

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.dynamodb_store import DynamoDBStore
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.ledger.store import LedgerStore

__all__ = ["LEDGER_FILE_NAME", "LedgerLocation", "open_store"]

LEDGER_FILE_NAME = "ledger.sqlite"
"""Of a run's own ledger, in its run directory."""

_USUAL = TransportConfig()
_FORMS = "write sqlite:PATH, dynamodb:TABLE or dynamodb:REGION/TABLE"


@dataclass(frozen=True, slots=True)
class LedgerLocation:
    """A place that every worker of a run finds; a value that pickles.

    Attributes:
        where: the SQLite file's absolute path, or the DynamoDB table.
        transport: how workers, too, reach a DynamoDB table, and for how long they try.
    """

    where: Path | TableRef
    transport: TransportConfig = _USUAL

    @classmethod
    def parse(
        cls,
        text: str,
        beside: TableRef | None = None,
        transport: TransportConfig | None = None,
    ) -> "LedgerLocation":
        """Reads ``sqlite:PATH``, ``dynamodb:TABLE`` or ``dynamodb:REGION/TABLE``.

        Args:
            text: as given to ``--ledger``.
            beside: a table of the run: the ledger is reached with its credentials,
                at its endpoint if that was given, and, unless the ledger names
                another, in its region. Without one, the region must be named.
            transport: how to reach a DynamoDB table.

        Raises:
            UserError: none of these forms.
        """
        kind, _, rest = text.partition(":")
        if kind == "sqlite" and rest:
            return cls(Path(rest).expanduser().absolute())
        if kind == "dynamodb" and rest:
            return cls(_table(rest, beside), transport or _USUAL)
        raise UserError(f"cannot read the ledger {text!r}; {_FORMS}")

    @classmethod
    def in_directory(cls, directory: Path) -> "LedgerLocation":
        """A run's own ledger, for the processes of this host."""
        return cls((directory / LEDGER_FILE_NAME).absolute())

    @property
    def serves_hosts(self) -> bool:
        """True if workers on several hosts can share it."""
        return isinstance(self.where, TableRef)

    def __str__(self) -> str:
        """The form that `parse` reads."""
        if isinstance(self.where, TableRef):
            return f"dynamodb:{self.where.display}"
        return f"sqlite:{self.where}"


def open_store(
    location: LedgerLocation, *, timeout_seconds: float = 10.0
) -> LedgerStore:
    """Returns the store at a location; reaches for nothing yet.

    Args:
        location: where the rows are, and how to get there.
        timeout_seconds: after which a call raises `LedgerUnreachableError`.
    """
    if isinstance(location.where, TableRef):
        return DynamoDBStore(
            location.where,
            transport=location.transport,
            timeout_seconds=timeout_seconds,
        )
    return SQLiteStore(location.where, busy_timeout_seconds=timeout_seconds)


def _table(text: str, beside: TableRef | None) -> TableRef:
    if beside is None:
        return TableRef.parse(text)
    name = text if "/" in text or text.startswith("arn:") else f"{beside.region}/{text}"
    return TableRef.parse(
        name,
        endpoint_url=beside.endpoint_url,
        profile=beside.profile,
        role_arn=beside.role_arn,
        external_id=beside.external_id,
    )
