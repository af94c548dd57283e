"""Reads a backup back, or its table again, and compares all of it with the manifest.

files --MD5--> items --digest--> the manifest's? --> 1, or the job stops
table --scan-> items --digest--> the manifest's? --> 1, or the job stops
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms.archive.digest import ContentDigest
from transforms.archive.errors import DamagedBackupError
from transforms.archive.read_backup import ReadBackup, VerifyParts
from transforms.archive.sources import Part
from transforms.items import Item, ItemBatch

__all__ = ["CompareBackup", "CompareItems"]


@dataclass(eq=False)
class CompareItems(beam.PTransform[beam.PCollection[Item], beam.PCollection[int]]):
    """Compares items with a digest; the one element says that they are the same.

    Args:
        content: what they should be.
        what: they are, for the error: "the backup", "the table".

    Raises (in the worker):
        DamagedBackupError: they are not.
    """

    content: ContentDigest
    what: str

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pcoll: beam.PCollection[Item]) -> beam.PCollection[int]:
        """Returns a 1."""
        same: beam.PCollection[int] = (
            pcoll
            | "Digest" >> beam.ParDo(DigestItems())  # type: ignore[no-untyped-call]
            | "Of all" >> beam.CombineGlobally(_total)
            | "Is it" >> beam.Map(partial(_check_content, self.content, self.what))
        )
        return same


@dataclass(eq=False)
class CompareBackup(beam.PTransform[PBegin, beam.PCollection[int]]):
    """Reads a backup back, every file of it, and compares it with its manifest.

    Args:
        parts: of the backup.
        content: what its manifest says it holds.

    Raises (in the worker):
        DamagedBackupError: a file or the whole is not what the manifest says.
    """

    parts: Sequence[Part]
    content: ContentDigest

    def __post_init__(self) -> None:
        """Makes it a transform."""
        super().__init__()

    def expand(self, pbegin: PBegin) -> beam.PCollection[int]:
        """Returns a 1."""
        whole = pbegin | "Check every file" >> VerifyParts(self.parts)
        same: beam.PCollection[int] = (
            pbegin
            | "Read it back" >> ReadBackup(self.parts, whole, None, counts=False)
            | "Compare" >> CompareItems(self.content, "the backup")
        )
        return same


class DigestItems(beam.DoFn):
    """Digests batches of items."""

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(self, batch: ItemBatch) -> Iterator[tuple[int, str]]:
        """Yields a batch's digest: items, and the sum in hexadecimal digits.

        Beam's integers have 64 bits, a digest 128.
        """
        content = ContentDigest.of(batch.wires)
        yield content.items, content.hex

    def infer_output_type(self, _input_type: object) -> type[tuple[int, str]]:
        """Pairs."""
        return tuple[int, str]


def _total(parts: Iterable[tuple[int, str]]) -> tuple[int, str]:
    total = sum((ContentDigest.parse(*part) for part in parts), ContentDigest())
    return total.items, total.hex


def _check_content(expected: ContentDigest, what: str, found: tuple[int, str]) -> int:
    content = ContentDigest.parse(*found)
    if content != expected:
        raise DamagedBackupError(
            f"{what} has {content.items:,} items with digest {content.hex}, the "
            f"manifest says {expected.items:,} and {expected.hex}: nothing was deleted"
        )
    return 1
