"""Items that fit no schema, kept by workers as files of the run directory.

    aside/00-<table>/0000042-9f3a….jsonl.gz      of one page: gzip, {"Item": …} a line

A page that is read again writes its file again, under the same name: no item is kept
twice. The files are a backup's, so that a query can read them. The directory is a path
of any Beam file system.
"""

import gzip
from collections.abc import Sequence

import msgspec

from transforms.archive.files import join, write_bytes
from transforms.dynamodb.attribute_values import Wire
from transforms.items import Origin

__all__ = ["AsideFiles", "item_line", "plain_name"]


def item_line(item: Wire) -> bytes:
    """Returns an item as a line of a backup."""
    return msgspec.json.encode({"Item": msgspec.Raw(item)}) + b"\n"


def plain_name(table: str) -> str:
    """Returns a table's name as that of a file.

    >>> plain_name("eu-west-1/orders")
    'eu_west_1_orders'
    """
    return "".join(letter if letter.isalnum() else "_" for letter in table)


class AsideFiles:
    """Keeps the items of one table; travels to the workers.

    Args:
        directory: the table's own; nothing is made there before there is an item.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def keep(self, origin: Origin | None, items: Sequence[Wire]) -> None:
        """Writes the items of a page; they are there when it returns.

        Args:
            origin: the page's place in the scan, which names the file.
            items: those left out, as they came.

        Raises:
            FileSystemError: they cannot be written.
        """
        assert origin is not None  # a scan's items have one
        name = f"{origin.segment:07}-{origin.page.hex() or 'first'}.jsonl.gz"
        lines = b"".join(map(item_line, items))
        write_bytes(join(self._directory, name), gzip.compress(lines, mtime=0))
