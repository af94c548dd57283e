"""What was said, as values: text from a command line, or what YAML made of a file."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.key_schema import KeySchema
from transforms.reject_limit import RejectLimit
from transforms.selection import parse_sample
from transforms.throttle.rate import Rate
from transforms.throttle.schedule import Schedule
from transforms.typed_columns import TYPES

__all__ = [
    "Columns",
    "TypedColumns",
    "account",
    "byte_count",
    "columns",
    "dollars",
    "percent",
    "reject_limit",
    "sample",
    "schedule",
    "switch",
    "text",
    "typed_columns",
    "units",
    "whole_number",
]

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([kKMGT]?)B?")
_PREFIXES = ("", "K", "M", "G", "T")
_LEAST_BYTES = 1_000_000

Columns: TypeAlias = Mapping[str, str]
TypedColumns: TypeAlias = Mapping[str, str | Mapping[str, str]]


def columns(said: Any) -> Columns | None:
    """Reads columns as source name to target name; None for every attribute.

    Args:
        said: ``"A,B:C"`` or ``"*"``, a list of ``"A"`` and ``"B:C"``, or (in a job
            file) a mapping of source to target names.

    Raises:
        UserError: an empty name, or a name that is said twice on one side.

    >>> columns("uuid_hash,day:when")
    {'uuid_hash': 'uuid_hash', 'day': 'when'}
    """
    if said in ("*", ["*"]):
        return None
    if not said or not isinstance(said, str | list | Mapping):
        raise UserError(f"give names as A,B:C, or *, not {said!r}")
    pairs = _column_pairs(said)
    for side, names in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
        _refuse_bad_names(side, names)
    return dict(pairs)


def typed_columns(said: Any) -> TypedColumns | None:
    """Reads columns as `columns` does, and types that they may have.

    Args:
        said: ``"A,B:C,D:E:N"``, a list of these, or (in a job file) a mapping of source
            names to target names or to ``{as: C, type: N}``.

    Raises:
        UserError: as `columns`; a type that there is not.

    >>> typed_columns("id,value:minutes:N")
    {'id': 'id', 'value': {'as': 'minutes', 'type': 'N'}}
    """
    if said in ("*", ["*"]):
        return None
    if isinstance(said, Mapping):
        parts = {str(source): _typed(source, each) for source, each in said.items()}
    else:
        words = said.split(",") if isinstance(said, str) else said
        if not words or not isinstance(words, list):
            raise UserError(f"give names as A,B:C,D:E:TYPE, or *, not {said!r}")
        parts = {}
        for word in map(str, words):
            head, colon, type_name = word.strip().rpartition(":")
            is_typed = colon and ":" in head and type_name in TYPES
            ((source, target),) = _column_pairs([head if is_typed else word])
            if source in parts:
                _refuse_bad_names("source", (source, source))
            parts[source] = (target, type_name if is_typed else None)
    names = columns({source: target for source, (target, _) in parts.items()}) or {}
    return {
        source: name if parts[source][1] is None else _with_type(name, parts[source][1])
        for source, name in names.items()
    }


def _typed(source: Any, said: Any) -> tuple[str, str | None]:
    if not isinstance(said, Mapping):
        return str(said), None
    if not {"type"} <= said.keys() <= {"as", "type"}:
        raise UserError(
            f"column {source!r} is a name, or {{as: NAME, type: TYPE}}, not {said!r}"
        )
    return str(said.get("as", source)), str(said["type"])


def _with_type(name: str, type_name: str | None) -> dict[str, str]:
    return {"as": name, "type": type_name or ""}


def _column_pairs(said: Any) -> list[tuple[str, str]]:
    if isinstance(said, Mapping):
        return [(str(source), str(target)) for source, target in said.items()]
    words = said.split(",") if isinstance(said, str) else [str(word) for word in said]
    pairs = []
    for word in words:
        source, colon, target = word.strip().partition(":")
        pairs.append((source.strip(), target.strip() if colon else source.strip()))
    return pairs


def _refuse_bad_names(side: str, names: tuple[str, ...]) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise UserError(f"{name!r} is said {times} times as a {side} name; say it once")
    if "" in names or ("*" in names and side == "source"):
        raise UserError(
            f"the columns {', '.join(names)!r} hold an empty name or a * among others; "
            "give names as A,B:C, or * alone"
        )


def byte_count(said: Any) -> int:
    """Reads a size in bytes; kB, MB, GB and TB are powers of 1,000.

    Raises:
        UserError: it is none, or below 1 MB.

    >>> byte_count("10GB")
    10000000000
    """
    found = _SIZE.fullmatch(str(said).strip())
    size = 0
    if found is not None:
        size = int(float(found[1]) * 1_000 ** _PREFIXES.index(found[2].upper()))
    if size < _LEAST_BYTES:
        raise UserError(f"give a size of 1 MB or more, as 500MB or 10GB, not {said!r}")
    return size


def whole_number(lowest: int, highest: int, unit: str) -> Callable[[Any], int]:
    """Returns a reader of whole numbers in these bounds; 1,000 and 1_000 are fine."""

    def convert(said: Any) -> int:
        digits = str(said).replace(",", "").replace("_", "")
        if not digits.isdecimal() or not lowest <= int(digits) <= highest:
            raise UserError(
                f"give a number of {unit} from {lowest:,} to {highest:,}, not {said}"
            )
        return int(digits)

    return convert


def keys(said: Any) -> KeySchema:
    """Reads a table's keys: "id:S,day:N"."""
    return KeySchema.parse(text(said))


def percent(said: Any) -> Rate:
    """Reads a percent of capacity: 10, "10%"; a fraction below 1 needs its sign."""
    return Rate.parse_percent(str(said))


def dollars(said: Any) -> float:
    """Reads US dollars: 5, "0.25" or "$5"."""
    text = str(said).strip().removeprefix("$")
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise UserError(f"give US dollars, as 5 or 0.25, not {said!r}")
    return float(text)


def sample(said: Any) -> str:
    """Reads a part of the items, ``1%``; stays text, which is exact."""
    parse_sample(str(said))
    return str(said)


def schedule(said: Any) -> str:
    """Reads a timetable of rates; stays text, which is how it travels."""
    return str(Schedule.parse(str(said)))


def units(said: Any) -> Rate:
    """Reads capacity units a second: 500, "500/s" or "unlimited"."""
    rate = str(said).strip()
    return Rate.parse(f"{rate}/s" if re.fullmatch(r"[\d.]+", rate) else rate)


def text(said: Any) -> str:
    """Reads a text that is not empty."""
    if not isinstance(said, str) or not said.strip():
        raise UserError(f"give a text, not {said!r}")
    return said


def reject_limit(said: Any) -> RejectLimit:
    """Reads a number of items, or a percentage."""
    return RejectLimit.parse(str(said))


def account(said: Any) -> str:
    """Reads an AWS account: 12 digits, which YAML must not take for a number."""
    if not isinstance(said, str) or not re.fullmatch(r"\d{12}", said):
        raise UserError(
            f"an AWS account is 12 digits (in quotes in a file), not {said}"
        )
    return said


def switch(said: Any) -> bool:
    """Reads true or false."""
    if not isinstance(said, bool):
        raise UserError(f"give true or false, not {said!r}")
    return said
