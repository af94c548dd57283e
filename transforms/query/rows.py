"""Rows: an Arrow batch as one element, which is what crosses between workers."""

from dataclasses import dataclass

import pyarrow as pa
from apache_beam.coders import Coder, registry

__all__ = ["Rows", "RowsCoder"]

_VERSION = b"\x01"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of a table or a stage.

    Attributes:
        batch: the rows.
    """

    batch: pa.RecordBatch

    def __repr__(self) -> str:
        """Shows no content: rows may end up in a log."""
        return f"<Rows {self.batch.num_rows} of {self.batch.num_columns} columns>"


class RowsCoder(Coder):
    """A version, then Arrow's IPC stream of one batch, its schema included."""

    def encode(self, value: Rows) -> bytes:
        """Returns the rows' bytes."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.batch.schema) as writer:
            writer.write_batch(value.batch)
        return _VERSION + bytes(sink.getvalue())

    def decode(self, encoded: bytes) -> Rows:
        """Returns the rows.

        Raises:
            ValueError: the bytes are of another version.
        """
        if encoded[:1] != _VERSION:
            raise ValueError(
                f"rows in format {encoded[:1]!r}, but this worker reads {_VERSION!r}; "
                "run one version of beam-dynamodb on the launcher and all workers"
            )
        with pa.ipc.open_stream(pa.py_buffer(encoded)[1:]) as reader:
            return Rows(reader.read_next_batch())

    def estimate_size(self, value: Rows) -> int:
        """Returns about the encoded length in bytes, without encoding."""
        return int(value.batch.nbytes) + 512

    def is_deterministic(self) -> bool:
        """False: Arrow leaves what is behind a NULL open."""
        return False

    def to_type_hint(self) -> type[Rows]:
        """Returns the type that this coder is registered for."""
        return Rows

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register_coder(Rows, RowsCoder)
