"""The independent check: both ends read with plain boto3 and compared in full.

    boto3 paginator -> Snapshot of the source -> Snapshot expected of a target ┐
    boto3 paginator -> Snapshot of the target -> Comparison <──────────────────┘

Nothing here uses the code under test: not its scan, its filters, nor its idea of when
two items are equal.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from pipelines.demo.flights import KEY, Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "Comparison",
    "Difference",
    "Snapshot",
    "compare",
    "expected_snapshot",
    "read_snapshot",
    "snapshot_of",
]

# By key, each item as one canonical text: a tenth of the memory that its values take.
Snapshot = dict[str, str]

_SHOWN_DIFFERENCES = 5
_EXACT = Context(prec=40)  # above DynamoDB's 38 digits: normalising rounds nothing


@dataclass(frozen=True, slots=True)
class Difference:
    """One item that is not as it should be.

    Attributes:
        key_digest: The start of the key's SHA-256; keys are not shown.
        what: ``missing``, ``extra``, or which attributes differ.
    """

    key_digest: str
    what: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a target holds against what it should hold; all figures are items.

    Attributes:
        expected: That the target should hold.
        equal: That it holds, with every attribute as expected.
        missing: That it lacks.
        extra: That it should not have.
        changed: That it has with another attribute, or one more or less.
        first: The first few differences, in the order of keys.
    """

    expected: int
    equal: int
    missing: int
    extra: int
    changed: int
    first: tuple[Difference, ...]

    @property
    def matches(self) -> bool:
        """True if the target holds what it should, and nothing else."""
        return not (self.missing or self.extra or self.changed)


def read_snapshot(client: "DynamoDBClient", table: str) -> Snapshot:
    """Reads a whole table, strongly consistent, by boto3's own paginator."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return snapshot_of(item for page in pages for item in page["Items"])


def snapshot_of(items: Iterable[Mapping[str, Any]]) -> Snapshot:
    """Returns the items by key, as canonical text."""
    return {item[KEY]["S"]: _canonical_text(item) for item in items}


def expected_snapshot(
    source: Snapshot,
    keep: Callable[[Wire], bool],
    columns: Mapping[str, str] | None,
) -> Snapshot:
    """Returns what a copy of the source should hold.

    Args:
        source: The source's items.
        keep: Which of them are copied; sees binary values as base64 text.
        columns: The attributes that are copied, by the name they get there; all of
            them, unchanged, when None.
    """
    kept = ((key, json.loads(text)) for key, text in source.items())
    return {
        key: json.dumps(_pick(item, columns), sort_keys=True)
        for key, item in kept
        if keep(item)
    }


def compare(expected: Snapshot, found: Snapshot) -> Comparison:
    """Compares every item, and every attribute of it, both ways."""
    missing = expected.keys() - found.keys()
    extra = found.keys() - expected.keys()
    shared = expected.keys() & found.keys()
    changed = {key for key in shared if expected[key] != found[key]}
    first = sorted(missing | extra | changed)[:_SHOWN_DIFFERENCES]
    return Comparison(
        expected=len(expected),
        equal=len(shared) - len(changed),
        missing=len(missing),
        extra=len(extra),
        changed=len(changed),
        first=tuple(_difference(key, expected, found) for key in first),
    )


def _difference(key: str, expected: Snapshot, found: Snapshot) -> Difference:
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    if key not in found:
        return Difference(digest, "missing")
    if key not in expected:
        return Difference(digest, "extra")
    wanted, had = json.loads(expected[key]), json.loads(found[key])
    names = sorted(name for name in wanted | had if wanted.get(name) != had.get(name))
    return Difference(digest, f"differs in {', '.join(names)}")


def _pick(item: Wire, columns: Mapping[str, str] | None) -> Wire:
    if columns is None:
        return item
    return {new: item[old] for old, new in columns.items() if old in item}


def _canonical_text(item: Mapping[str, Any]) -> str:
    """Returns text that two items share if DynamoDB holds them to be the same."""
    return json.dumps(
        {name: _canonical(value) for name, value in item.items()}, sort_keys=True
    )


def _canonical(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a tagged value with sets in order, and 1.50 written as 1.5."""
    ((tag, content),) = value.items()
    if tag == "M":
        return {tag: {name: _canonical(inner) for name, inner in content.items()}}
    if tag == "L":
        return {tag: [_canonical(inner) for inner in content]}
    if tag in ("SS", "NS", "BS"):
        return {tag: sorted(_scalar(tag[0], member) for member in content)}
    return {tag: _scalar(tag, content)}


def _scalar(tag: str, content: Any) -> Any:
    if tag == "N":
        return f"{Decimal(content).normalize(_EXACT):f}"
    if tag == "B":
        return base64.b64encode(content).decode()
    return content
