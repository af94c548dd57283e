"""What a query reads from, as it was asked for and as it was found."""

from dataclasses import dataclass

from transforms.dynamodb.expressions import (
    Condition,
    ServiceExpression,
    render_projection,
)
from transforms.dynamodb.expressions.syntax import Path
from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.query.schema import TableSchema
from transforms.throttle.rate import Rate

__all__ = ["FoundTable", "NamedTable", "TableRead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTable:
    """One name of a query, as it was asked for.

    Attributes:
        name: as the query has it.
        source: a DynamoDB table, or the path of a backup's files.
        schema: its columns; None to infer them from a sample.
        read: the rate to read at.
        consistent: strongly consistent reads, at twice the units.
    """

    name: str
    source: TableRef | str
    schema: TableSchema | None = None
    read: Rate = Rate.percent(50)  # noqa: RUF009 - a frozen value
    consistent: bool = False

    @property
    def display(self) -> str:
        """How the source is called in texts."""
        return self.source if isinstance(self.source, str) else self.source.display


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A named table with its columns.

    Attributes:
        named: as asked for.
        schema: all its columns.
        description: what the service says of it; None of a backup.
        sample_units: read units that its sample took.
    """

    named: NamedTable
    schema: TableSchema
    description: TableDescription | None
    sample_units: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRead:
    """What a query reads of one table.

    Attributes:
        found: the table.
        columns: those that it needs; None if it only needs to know how many rows.
        filter: what the service leaves out.
        exact: True if the filter leaves nothing for DuckDB to drop.
        keys: conditions on the keys, one a Query; empty for a Scan.
        limit: rows that are enough; None if all are needed.
    """

    found: FoundTable
    columns: TableSchema | None
    filter: Condition | None = None
    exact: bool = False
    keys: tuple[ServiceExpression, ...] = ()
    limit: int | None = None

    @property
    def name(self) -> str:
        """As the query has it."""
        return self.found.named.name

    @property
    def counts_only(self) -> bool:
        """True if the service is asked for numbers of items, and sends none."""
        return self.columns is None

    @property
    def projection(self) -> ServiceExpression | None:
        """The attributes to ask for; None where no item comes anyway."""
        if self.columns is None:
            return None
        return render_projection(
            [Path(column.attribute) for column in self.columns.columns]
        )
