"""Hive-style directories: ``--partition-by "month=substr(day, 1, 7)"``.

    item --attribute, or a part of it--> "month=2013-06", a directory of its files

Signs that a directory's name cannot have are written as Hive does (%2F), and an item
without the attribute goes to ``__HIVE_DEFAULT_PARTITION__``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from transforms.dynamodb.attribute_values import Wire, parse_item
from transforms.dynamodb.errors import UserError

__all__ = ["PartitionBy", "parse_partition_by"]

DEFAULT = "__HIVE_DEFAULT_PARTITION__"
_FORM = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_]\w*)\s*=\s*)?
    (?:substr\(\s*(?P<part>[^,()]+?)\s*,\s*(?P<start>\d+)\s*,\s*(?P<length>\d+)\s*\)
      |(?P<whole>[^,()=]+?))\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PartitionBy:
    """How items are put into directories.

    Attributes:
        name: of the directory's column.
        attribute: of the items, S or N.
        start: the first character that counts, from 1; 0 for the whole value.
        length: how many count.
    """

    name: str
    attribute: str
    start: int = 0
    length: int = 0

    def __str__(self) -> str:
        """As it is written."""
        if not self.start:
            return f"{self.name}={self.attribute}"
        return f"{self.name}=substr({self.attribute}, {self.start}, {self.length})"

    def folder_of(self, wire: Wire) -> str:
        """Returns an item's directory, ``name=value``."""
        value = parse_item(wire).get(self.attribute, {})
        text = value.get("S", value.get("N"))
        if self.start and text is not None:
            text = text[self.start - 1 : self.start - 1 + self.length]
        return f"{self.name}={quote(text, safe=' -_.~') if text else DEFAULT}"

    def divide(self, wires: Sequence[Wire]) -> dict[str, list[int]]:
        """Returns the places of items by their directory."""
        places: dict[str, list[int]] = {}
        for place, wire in enumerate(wires):
            places.setdefault(self.folder_of(wire), []).append(place)
        return places


def parse_partition_by(text: str) -> PartitionBy:
    """Reads ``attribute`` or ``substr(attribute, start, length)``, a name before it.

    The name may not be the attribute's: engines that query the files would see two
    columns of one name. It is the attribute's with ``_part`` where none is given.

    >>> str(parse_partition_by("substr(day, 1, 7)"))
    'day_part=substr(day, 1, 7)'

    Raises:
        UserError: it is neither.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UserError(
            f"--partition-by {text!r}: give an attribute, or a part of one as "
            "substr(day, 1, 7), and a name before it as month=substr(day, 1, 7)"
        )
    attribute = found["part"] or found["whole"]
    name = found["name"] or re.sub(r"\W", "_", attribute) + "_part"
    start, length = int(found["start"] or 0), int(found["length"] or 0)
    if found["part"] and not (start and length):
        raise UserError(f"--partition-by {text!r}: start and length are 1 or more")
    if name == attribute:
        raise UserError(
            f"--partition-by {text!r}: the directory's name {name!r} is that of a "
            f"column; give it another, as part={attribute}"
        )
    return PartitionBy(name, attribute, start, length)
