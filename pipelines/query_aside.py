"""Items that fit no schema, kept in the run directory."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

from transforms.dynamodb.attribute_values import Wire
from transforms.query.aside import item_line, plain_name

__all__ = ["KeptAside"]


class KeptAside:
    """Writes items as gzip JSON lines, DynamoDB JSON inside; a file a table.

    Args:
        make_directory: makes the directory, when the first item comes.
    """

    def __init__(self, make_directory: Callable[[], Path]) -> None:
        self._make_directory = make_directory
        self._files: dict[str, gzip.GzipFile] = {}
        self.directory: Path | None = None

    def keep(self, table: str, items: Sequence[Wire]) -> None:
        """Adds items of a table."""
        file = self._files.get(table)
        if file is None:
            file = self._files[table] = self._open(table)
        for item in items:
            file.write(item_line(item))

    def close(self) -> None:
        """Ends the files."""
        for file in self._files.values():
            file.close()

    def _open(self, table: str) -> gzip.GzipFile:
        if self.directory is None:
            self.directory = self._make_directory() / "aside"
            self.directory.mkdir(exist_ok=True)
        place = self.directory / f"{len(self._files):02}-{plain_name(table)}.jsonl.gz"
        return gzip.open(place, "wb")
