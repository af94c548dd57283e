"""How the values of a backup travel between workers: MessagePack, with a version."""

from typing import Any, Generic, TypeVar

import apache_beam as beam
import msgspec

from transforms.archive.data_files import Draft
from transforms.archive.item_lines import Change
from transforms.archive.manifest import FileRecord, Manifest
from transforms.archive.sources import Part

__all__ = ["StructCoder", "register_coders"]

_T = TypeVar("_T", bound=msgspec.Struct)
_VERSION = 1


class StructCoder(beam.coders.Coder, Generic[_T]):
    """A msgspec Struct's fields by name, after a version byte."""

    kind: type[Any]

    def encode(self, value: _T) -> bytes:
        """Returns the value's bytes; equal values have equal bytes."""
        return bytes([_VERSION]) + msgspec.msgpack.encode(value, order="sorted")

    def decode(self, encoded: bytes) -> _T:
        """Returns the value of `encode`'s bytes.

        Raises:
            ValueError: they are of another version.
        """
        if encoded[0] != _VERSION:
            raise ValueError(
                f"a {self.kind.__name__} in format {encoded[0]}, this worker reads "
                f"{_VERSION}; run one version of beam-dynamodb on all workers"
            )
        value: _T = msgspec.msgpack.decode(encoded[1:], type=self.kind)
        return value

    def is_deterministic(self) -> bool:
        """True: names are sorted."""
        return True

    def to_type_hint(self) -> type[Any]:
        """Returns the type that this coder is registered for."""
        return self.kind

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class DraftCoder(StructCoder[Draft]):
    """Of files under their temporary names."""

    kind = Draft


class FileRecordCoder(StructCoder[FileRecord]):
    """Of files under their own names."""

    kind = FileRecord


class PartCoder(StructCoder[Part]):
    """Of what one worker reads."""

    kind = Part


class ChangeCoder(StructCoder[Change]):
    """Of changes in incremental exports."""

    kind = Change


class ManifestCoder(StructCoder[Manifest]):
    """Of finished backups."""

    kind = Manifest


def register_coders() -> None:
    """Makes Beam use these coders; needed where pipelines are built."""
    for coder in (DraftCoder, FileRecordCoder, ManifestCoder, PartCoder, ChangeCoder):
        beam.coders.registry.register_coder(coder.kind, coder)
