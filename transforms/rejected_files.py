"""Rejected items as files of the run directory: gzip, a line of JSON each.

    rejected/<route>/0000042-9f3a….jsonl.gz      of one page, written before its receipt

A page that is read again writes its file again, under the same name: no item is kept
twice, and none is lost with a killed worker. The directory is a path of any Beam
file system.
"""

import gzip
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.items import Item, Origin
from transforms.ledger.receipts import counted_pages
from transforms.ledger.store import LedgerStore
from transforms.receipts import RejectedItem

__all__ = [
    "RejectedFile",
    "RejectedFiles",
    "list_rejected",
    "rejected_line",
]

_SUFFIX = ".jsonl.gz"
_FIRST = "first"
_PAGE_NAME = re.compile(rf"(\d{{7,}})-({_FIRST}|[0-9a-f]+){re.escape(_SUFFIX)}")


class RejectedFiles:
    """Keeps the rejected items of one route.

    Args:
        directory: of all routes; made when something is rejected.
        route: the route's name.
    """

    def __init__(self, directory: str, route: str) -> None:
        self._directory = FileSystems.join(directory, route)

    def keep(self, origin: Origin | None, rejected: Sequence[RejectedItem]) -> None:
        """Writes the rejected items of a page; they are there when it returns.

        Raises:
            JobStoppedError: they can't be written, so the page can't be settled.
        """
        path = FileSystems.join(self._directory, _file_name(origin))
        try:
            with suppress(OSError, BeamIOError):  # it is there
                FileSystems.mkdirs(self._directory)
            _write_whole(path, _compressed(rejected))
        except (OSError, BeamIOError) as error:
            raise JobStoppedError(
                f"rejected items cannot be kept in {self._directory}: {error}; make "
                "room there, or name another --run-dir"
            ) from error


def _compressed(rejected: Sequence[RejectedItem]) -> bytes:
    lines = "".join(f"{rejected_line(each)}\n" for each in rejected)
    return gzip.compress(lines.encode(), mtime=0)


def rejected_line(rejected: RejectedItem) -> str:
    """Returns one rejected item as a line of JSON."""
    line = {
        "route": rejected.route,
        "reason": rejected.reason,
        "attempts": rejected.attempts,
        "item": msgspec.Raw(rejected.item.wire),
    }
    return msgspec.json.encode(line).decode()


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file of rejected items, as it is found in a run's directory.

    Attributes:
        path: on a Beam file system.
        route: whose items they are.
    """

    path: str
    route: str

    @property
    def page(self) -> tuple[int, bytes] | None:
        """The segment and the page's digest; None for items of no page."""
        name = _PAGE_NAME.fullmatch(self.path.rsplit("/", 1)[-1])
        if name is None:
            return None
        return int(name[1]), b"" if name[2] == _FIRST else bytes.fromhex(name[2])

    def read(self) -> list[RejectedItem]:
        """Returns the items.

        Raises:
            UserError: the file is none of ours.
        """
        return _read_file(self.path)

    def replace(self, rejected: Sequence[RejectedItem]) -> None:
        """Writes these items in place of what is there; with none the file goes."""
        if rejected:
            _write_whole(self.path, _compressed(rejected))
        else:
            FileSystems.delete([self.path])


def list_rejected(
    directory: str, store: LedgerStore | None, run_id: str
) -> list[RejectedFile]:
    """Returns the files of a run's rejected items, route by route.

    Args:
        directory: of all routes; its last part is also the name of the count:
            ``rejected`` or ``superseded``.
        store: the ledger in which receipts tell which pages count. A file of a page
            that was read again since, without such an item, is left out. Without
            one, all files count.
        run_id: the run.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    paths = _files(directory)
    files = [RejectedFile(path, path.rsplit("/", 2)[-2]) for path in paths]
    if store is None:
        return files
    kind = directory.rstrip("/").rsplit("/", 1)[-1]
    counted = {
        route: counted_pages(store, run_id, f"{kind}/{route}")
        for route in {file.route for file in files}
    }
    return [f for f in files if f.page is None or f.page in counted[f.route]]


def _read_file(path: str) -> list[RejectedItem]:
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.GZIP) as file:
            return [_rejected(line) for line in file.read().splitlines()]
    except (OSError, BeamIOError, msgspec.DecodeError) as error:
        raise UserError(
            f"{path} cannot be read as rejected items ({error}); name the run's "
            "directory"
        ) from error


class _Line(msgspec.Struct):
    route: str
    reason: str
    attempts: int
    item: msgspec.Raw


_LINE = msgspec.json.Decoder(_Line)


def _rejected(line: bytes) -> RejectedItem:
    read = _LINE.decode(line)
    return RejectedItem(read.route, read.reason, read.attempts, Item(bytes(read.item)))


def _files(directory: str) -> list[str]:
    pattern = FileSystems.join(directory, "*", f"*{_SUFFIX}")
    (matched,) = FileSystems.match([pattern])
    return sorted(found.path for found in matched.metadata_list)


def _file_name(origin: Origin | None) -> str:
    if origin is None:
        return f"{uuid.uuid4().hex}{_SUFFIX}"
    return f"{origin.segment:07}-{origin.page.hex() or _FIRST}{_SUFFIX}"


def _write_whole(path: str, data: bytes) -> None:
    """Writes a file that is never there in part."""
    # An object store shows an object when it is whole; a local file needs a rename.
    is_local = "://" not in path
    written = f"{path}.part" if is_local else path
    with FileSystems.create(
        written, compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        file.write(data)
    if is_local:
        FileSystems.rename([written], [path])
