"""Items that wait on the worker's disk: what is put first comes back first.

    put(items) --> |  tail . . . head  | --> take()
                   one file, written round and round

The file has lost its name before anything is in it, so nothing is left behind however
the process ends, and nobody else can open it. No Beam here.
"""

import errno
import logging
import os
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from transforms.items import Wire
from transforms.outcomes import Refused

__all__ = ["Isolation", "Spool", "Stored"]

_logger = logging.getLogger(__name__)

_LEAVE_FREE_BYTES = 512 * 1024 * 1024
"""A spool never fills a disk: ledgers and rejected files may be there too."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """Lets each route of a sink write at its own pace.

    Attributes:
        spool_bytes: how much may wait on disk for one route in one worker; above it
            that route holds the scan up, as all do without this.
        directory: on a local disk of each worker; None for the system's temporary
            directory, or /var/tmp if that is memory.
    """

    spool_bytes: int = 10_000_000_000
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Items that are in the spool, as long as they are not taken."""

    size_bytes: int


class Spool:
    """A queue of items in a file. One thread puts, another one takes.

    Args:
        where: how much it holds, and in which directory.
    """

    def __init__(self, where: Isolation) -> None:
        self._where = where
        # Held while the file is used: closed meanwhile, its number may be another's.
        self._using = threading.Lock()
        self._file: int | None = None
        self._is_closed = False
        # Both only grow, until the spool is empty: places are these modulo its size.
        self._head = self._tail = 0

    def has_room(self, items: Sequence[Wire], refused: Sequence[Refused]) -> bool:
        """Tells whether the spool would take them, as far as its own size goes."""
        return _size_at_most(items, refused) <= self._left_bytes()

    def put(self, items: Sequence[Wire], refused: Sequence[Refused]) -> Stored:
        """Writes items behind those that are there.

        Raises:
            OSError: the disk is full, or nearly, or broken, or the spool was closed;
                what was there still is.
        """
        content = (
            [bytes(item) for item in items],
            [(each.wire, each.reason, each.attempts) for each in refused],
        )
        data = msgspec.msgpack.encode(content)
        with self._using:
            file = self._open()
            if self._head == self._tail:  # what was read is given back to the disk
                self._head = self._tail = 0
                os.ftruncate(file, 0)
            if len(data) > self._left_bytes():
                raise OSError(errno.ENOSPC, "the spool is full")
            if _free_bytes(file) < len(data) + _LEAVE_FREE_BYTES:
                raise OSError(errno.ENOSPC, "there is little space left on the disk")
            self._write(file, data)
            self._tail += len(data)
        return Stored(len(data))

    def take(self, stored: Stored) -> tuple[list[bytes], list[Refused]]:
        """Returns the items that were put first of those that are there.

        Args:
            stored: what `put` returned for them.

        Raises:
            OSError: the disk is broken, or the spool was closed.
        """
        with self._using:
            data = self._read(self._open(), stored.size_bytes)
            self._head += stored.size_bytes
        items, refused = _CONTENT.decode(data)
        return items, [Refused(*each) for each in refused]

    def close(self) -> None:
        """Gives the disk back; whatever is in it is lost."""
        with self._using:
            self._is_closed = True
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def _left_bytes(self) -> int:
        return self._where.spool_bytes - (self._tail - self._head)

    def _open(self) -> int:
        if self._is_closed:
            raise OSError(errno.EBADF, "the spool was closed")
        if self._file is None:
            self._file = _nameless_file(_on_disk(self._where.directory))
        return self._file

    def _write(self, file: int, data: bytes) -> None:
        place = self._tail % self._where.spool_bytes
        first = data[: self._where.spool_bytes - place]
        _write_all(file, first, place)
        _write_all(file, data[len(first) :], 0)

    def _read(self, file: int, size: int) -> bytes:
        place = self._head % self._where.spool_bytes
        first = _read_all(file, min(size, self._where.spool_bytes - place), place)
        return first + _read_all(file, size - len(first), 0)


_CONTENT = msgspec.msgpack.Decoder(tuple[list[bytes], list[tuple[bytes, str, int]]])


def _size_at_most(items: Sequence[Wire], refused: Sequence[Refused]) -> int:
    """MessagePack adds at most 5 bytes to a text or a list: three lists are around."""
    sizes = 3 * 5 + sum(map(len, items)) + 5 * len(items)
    return sizes + sum(len(each.wire) + 4 * len(each.reason) + 32 for each in refused)


_LASTING_DIRECTORY = Path("/var/tmp")  # noqa: S108  # by the FHS no memory, unlike /tmp


def _on_disk(directory: str | None) -> Path:
    """Returns where a spool is to lie: on a disk, if there is one to be had."""
    chosen = Path(directory or tempfile.gettempdir())
    if not _is_in_memory(chosen):
        return chosen
    if directory is None and _is_usable(_LASTING_DIRECTORY):
        return _LASTING_DIRECTORY
    _logger.warning(
        "the spool of a route that lags lies in %s, which is memory (tmpfs); put %s on "
        "a disk, or bound it by --spool-bytes",
        chosen,
        "--run-dir" if directory else "TMPDIR",
    )
    return chosen


def _is_usable(directory: Path) -> bool:
    return os.access(directory, os.W_OK | os.X_OK) and not _is_in_memory(directory)


def _is_in_memory(directory: Path) -> bool:
    """Tells whether files there take memory; False where no Linux says so."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    for line in mounts.splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number:
            return kind.split()[0] in ("tmpfs", "ramfs")
    return False


def _nameless_file(directory: Path) -> int:
    """Opens a file that nobody else can find."""
    made = Path(tempfile.mkdtemp(prefix="spool-", dir=directory))  # 0700
    try:
        path = made / "items"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        path.unlink()
    finally:
        with suppress(OSError):
            made.rmdir()
    return file


def _free_bytes(file: int) -> int:
    disk = os.fstatvfs(file)
    return disk.f_bavail * disk.f_frsize


def _write_all(file: int, data: bytes, place: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(file, left, place)
        left, place = left[written:], place + written


def _read_all(file: int, size: int, place: int) -> bytes:
    parts = []
    while size:
        part = os.pread(file, size, place)
        if not part:
            raise OSError(errno.EIO, "the spool ends before its items do")
        parts.append(part)
        size, place = size - len(part), place + len(part)
    return b"".join(parts)
