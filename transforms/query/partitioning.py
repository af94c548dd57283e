"""Which partition a row belongs to: a hash of its keys that is the same everywhere.

Equal values hash alike on every worker and in every run: 1, 1.0 and DECIMAL 1.00 are
one number, -0.0 is 0.0, NULLs are together. Python's own hash() differs from process to
process, and DuckDB's from type to type.
"""

import math
import struct
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["canonical_key", "partition_of", "split_by_partition"]

_NULL = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(31)


def partition_of(batch: pa.RecordBatch, keys: tuple[str, ...], partitions: int) -> Any:
    """Returns each row's partition, in ``[0, partitions)``, as an array of int64."""
    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for key in keys:
        column = batch.column(batch.schema.get_field_index(key))
        total = (total ^ _hashes(column)) * _MIX
        total ^= total >> _SHIFT
    return (total % np.uint64(partitions)).astype(np.int64)


def split_by_partition(
    batch: pa.RecordBatch, keys: tuple[str, ...], partitions: int
) -> list[tuple[int, pa.RecordBatch]]:
    """Returns the rows of each partition that has some."""
    if not keys:
        return [(0, batch)] if batch.num_rows else []
    places = partition_of(batch, keys, partitions)
    order = np.argsort(places, kind="stable")
    counts = np.bincount(places, minlength=partitions)
    sorted_batch = batch.take(pa.array(order))
    starts = np.cumsum(counts) - counts
    return [
        (int(place), sorted_batch.slice(int(starts[place]), int(counts[place])))
        for place in np.flatnonzero(counts)
    ]


def _hashes(column: pa.Array) -> Any:
    """Returns a hash a row, as an array of uint64; each value is hashed once."""
    encoded = column.dictionary_encode() if _is_hashable(column.type) else None
    if encoded is None:
        values = column.to_pylist()
        return np.array([_hash(value) for value in values], dtype=np.uint64)
    known = [_hash(value) for value in encoded.dictionary.to_pylist()]
    table = np.array([*known, _NULL], dtype=np.uint64)
    places = pc.fill_null(encoded.indices, len(known))
    return table[places.to_numpy(zero_copy_only=False)]


def _is_hashable(kind: pa.DataType) -> bool:
    return not pa.types.is_nested(kind)


def _hash(value: Any) -> int:
    if value is None:
        return _NULL
    digest = blake2b(canonical_key(value), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def canonical_key(value: Any) -> bytes:  # noqa: PLR0911 - one line a type
    """Returns bytes that are equal for values that SQL holds for equal.

    Numbers are their DOUBLE: some different ones share it, and so a partition, which
    costs nothing but balance.

    >>> from decimal import Decimal
    >>> canonical_key(1) == canonical_key(1.0) == canonical_key(Decimal("1.00"))
    True
    >>> canonical_key("1") == canonical_key(1)
    False
    """
    match value:
        case bool():
            return b"b1" if value else b"b0"
        case str():
            return b"s" + value.encode("utf-8", "surrogatepass")
        case bytes():
            return b"x" + value
        case list() | tuple():
            return b"l" + b"".join(_member(each) for each in value)
        case dict():
            return b"d" + b"".join(_member(each) for each in value.values())
        case _ if hasattr(value, "__float__"):
            number = float(value)
            # All NaNs are one to SQL, and so are both zeros.
            bits = b"nan" if math.isnan(number) else struct.pack(">d", number + 0.0)
            return b"n" + bits
        case _:
            return b"o" + str(value).encode()


def _member(value: Any) -> bytes:
    encoded = b"" if value is None else canonical_key(value)
    return struct.pack(">i", -1 if value is None else len(encoded)) + encoded
