"""The key of a table or an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from transforms.dynamodb.errors import UserError

__all__ = ["AttributeType", "KeyAttribute", "KeySchema"]

AttributeType = Literal["S", "N", "B"]

_MOST_KEYS = 2


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of a key, and its type."""

    name: str
    type: AttributeType


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The key of a table or an index."""

    partition_key: KeyAttribute
    sort_key: KeyAttribute | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One or two attribute names, the partition key's first."""
        if self.sort_key is None:
            return (self.partition_key.name,)
        return (self.partition_key.name, self.sort_key.name)

    @classmethod
    def parse(cls, text: str) -> "KeySchema":
        """Reads ``NAME:TYPE`` of the partition key and, if any, of the sort key.

        >>> str(KeySchema.parse("id:S, day:N"))
        'id:S,day:N'

        Raises:
            UserError: not one or two of these, or a type that no key has.
        """
        said = [part.strip().rpartition(":") for part in text.split(",")]
        keys = [KeyAttribute(name, cast("AttributeType", t)) for name, _, t in said]
        if len(keys) > _MOST_KEYS or not all(k.name and k.type in "SNB" for k in keys):
            raise UserError(
                f"cannot read the keys {text!r}; write NAME:TYPE or "
                "NAME:TYPE,NAME:TYPE with types S, N or B, as id:S,day:N"
            )
        return cls(*keys)

    def __str__(self) -> str:
        """The form that `parse` reads."""
        both = (self.partition_key, self.sort_key)
        return ",".join(f"{key.name}:{key.type}" for key in both if key is not None)

    @classmethod
    def from_response(
        cls, schema: list[dict[str, str]], types: Mapping[str, str]
    ) -> "KeySchema":
        """Returns the KeySchema of a DescribeTable, given its attributes' types."""
        keys = {
            element["KeyType"]: KeyAttribute(
                element["AttributeName"],
                cast("AttributeType", types[element["AttributeName"]]),
            )
            for element in schema
        }
        return cls(keys["HASH"], keys.get("RANGE"))
