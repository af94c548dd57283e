"""What a table looks like to SQL: columns by name, each made from one attribute.

A schema is given, in words or in a file, or inferred from a sample of the items:

    id VARCHAR, total DECIMAL(38,2), "when" VARCHAR FROM "day", n VARCHAR OF N
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from transforms.dynamodb.errors import UserError
from transforms.query.sql_types import SqlType, Tag, parse_type

__all__ = ["Column", "TableSchema", "parse_schema", "quote_name", "schema_of_mapping"]

_TAGS: frozenset[str] = frozenset(get_args(Tag))
_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$-]*)'
_COLUMN = re.compile(
    rf"\s*(?P<name>{_NAME})\s+(?P<type>.+?)"
    r"(?:\s+OF\s+(?P<of>[A-Z]+(?:\s*\|\s*[A-Z]+)*))?"
    rf"(?:\s+FROM\s+(?P<attribute>{_NAME}))?\s*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: in SQL, where case does not matter.
        type: its SQL type.
        attribute: the attribute it is made from, where case matters.
        tags: the DynamoDB types that fit; any if empty.
    """

    name: str
    type: SqlType
    attribute: str
    tags: tuple[Tag, ...]

    @classmethod
    def of(
        cls,
        name: str,
        type_text: str,
        *,
        attribute: str | None = None,
        tags: Sequence[str] = (),
    ) -> "Column":
        """Makes a column.

        Args:
            name: in SQL.
            type_text: as in ``DECIMAL(38,2)``.
            attribute: where it is made from; the name if it is not said.
            tags: the DynamoDB types that fit, if not those of the type.

        Raises:
            UserError: the type is none, or cannot be made from `tags`.
        """
        sql_type = parse_type(type_text)
        chosen = tuple(tag.upper() for tag in tags) or sql_type.tags
        _check_tags(name, sql_type, chosen)
        return cls(name, sql_type, attribute or name, cast("tuple[Tag, ...]", chosen))

    def __str__(self) -> str:
        """The column in the words of `parse_schema`."""
        text = f"{quote_name(self.name)} {self.type}"
        if self.tags != self.type.tags:
            text += f" OF {'|'.join(self.tags)}"
        return (
            text
            if self.attribute == self.name
            else f"{text} FROM {quote_name(self.attribute)}"
        )


def _check_tags(name: str, sql_type: SqlType, tags: tuple[str, ...]) -> None:
    both = sql_type.kind in ("VARCHAR", "TIMESTAMP")
    allowed = {"S", "N"} if both else set(sql_type.tags)
    if sql_type.kind == "JSON":
        allowed = set(_TAGS)
    if bad := [tag for tag in tags if tag not in allowed]:
        raise UserError(
            f"column {name!r}: {sql_type} cannot be made from {bad[0]}; from "
            f"{', '.join(sorted(allowed))} it can"
        )


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of a table, in order.

    Attributes:
        columns: one or more, of different names.
        is_inferred: True if a sample is all that is known; `sample_items` says of
            how many items.
        sample_items: see above.
    """

    columns: tuple[Column, ...]
    is_inferred: bool = False
    sample_items: int = 0

    def __post_init__(self) -> None:
        """Refuses two columns of one name."""
        if not self.columns:
            raise UserError("a schema needs a column; name one as: id VARCHAR")
        seen: dict[str, str] = {}
        for column in self.columns:
            folded = column.name.lower()
            if folded in seen:
                raise UserError(
                    f"columns {seen[folded]!r} and {column.name!r} are one name to SQL,"
                    " where case does not matter; rename one: other VARCHAR FROM "
                    f"{quote_name(column.attribute)}"
                )
            seen[folded] = column.name

    def only(self, names: Sequence[str]) -> "TableSchema":
        """Returns the columns of these names, in the schema's order."""
        wanted = {name.lower() for name in names}
        kept = tuple(one for one in self.columns if one.name.lower() in wanted)
        return TableSchema(kept, self.is_inferred, self.sample_items)

    def find(self, name: str) -> Column | None:
        """Returns the column of this name, whatever its case."""
        folded = name.lower()
        return next((one for one in self.columns if one.name.lower() == folded), None)

    def __str__(self) -> str:
        """The schema in the words of `parse_schema`."""
        return ", ".join(map(str, self.columns))


def quote_name(name: str) -> str:
    """Returns a name as SQL reads it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def parse_schema(text: str) -> TableSchema:
    """Reads a schema: columns between commas, in parentheses or not.

    Raises:
        UserError: a column that cannot be read, or two of one name.

    >>> str(parse_schema("id VARCHAR, total DECIMAL(38,2) FROM Total"))
    '"id" VARCHAR, "total" DECIMAL(38,2) FROM "Total"'
    """
    inner = text.strip()
    if inner.startswith("(") and inner.endswith(")"):
        inner = inner[1:-1]
    return TableSchema(tuple(map(_parse_column, _split_at_commas(inner))))


def _split_at_commas(text: str) -> list[str]:
    """Cuts at the commas outside parentheses and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _parse_column(text: str) -> Column:
    found = _COLUMN.fullmatch(text)
    if found is None:
        raise UserError(
            f"column {text.strip()!r} cannot be read; say NAME TYPE, as total "
            "DECIMAL(38,2), then OF N or FROM attribute if need be"
        )
    name = _unquote(found["name"])
    tags = re.split(r"\s*\|\s*", found["of"]) if found["of"] else ()
    attribute = _unquote(found["attribute"]) if found["attribute"] else None
    return Column.of(name, found["type"], attribute=attribute, tags=tags)


def _unquote(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def schema_of_mapping(columns: Mapping[str, Any]) -> TableSchema:
    """Reads a schema as YAML or JSON has it: name to type, or to a mapping.

    Raises:
        UserError: as `parse_schema`.

    >>> str(schema_of_mapping({"id": "VARCHAR", "n": {"type": "VARCHAR", "of": "N"}}))
    '"id" VARCHAR, "n" VARCHAR OF N'
    """
    return TableSchema(tuple(_column_of(name, one) for name, one in columns.items()))


def _column_of(name: str, said: Any) -> Column:
    if isinstance(said, str):
        return _parse_column(f"{quote_name(name)} {said}")
    if not isinstance(said, Mapping) or set(said) - {"type", "of", "from"}:
        raise UserError(
            f"column {name!r} is said as {said!r}; give its type, or a mapping of "
            "type, of and from"
        )
    tags = said.get("of", ())
    return Column.of(
        name,
        str(said.get("type", "")),
        attribute=said.get("from"),
        tags=[tags] if isinstance(tags, str) else tags,
    )
