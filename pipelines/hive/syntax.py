"""What a Hive script says, statement by statement."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CreateTable", "DropTable", "Insert", "Select", "Statement"]


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE EXTERNAL TABLE: a name in the script for a table of DynamoDB's.

    Attributes:
        name: in the script, in lower case.
        columns: name to type, both as written.
        properties: of TBLPROPERTIES.
        if_not_exists: True if an earlier one of the name is left as it is.
        line: where it stands.
    """

    name: str
    columns: Mapping[str, str]
    properties: Mapping[str, str]
    if_not_exists: bool
    line: int


@dataclass(frozen=True, slots=True)
class DropTable:
    """DROP TABLE: takes a name away."""

    name: str
    if_exists: bool
    line: int


@dataclass(frozen=True, slots=True)
class Select:
    """What is taken of a table.

    Attributes:
        columns: names, or None for ``*``.
        where: the text after WHERE; None for all rows.
        line: where it stands.
    """

    columns: tuple[str, ...] | None
    where: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Insert:
    """One scan of a table, written to one table or several.

    Attributes:
        source: the table that is read.
        targets: a table each, and what goes there.
        line: where it stands.
    """

    source: str
    targets: tuple[tuple[str, Select], ...]
    line: int


Statement = CreateTable | DropTable | Insert
