"""Files of a backup on any of Beam's file systems: whole or not there, or an error.

A data file is made on the worker's own disk, digested there, then uploaded in one go,
which is tried again as a whole while the store is overloaded (S3's 503 SlowDown). It
goes under a temporary name and gets its own once the whole run has succeeded.
"""

import hashlib
import io
import random
import re
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from transforms.archive.errors import FileSystemError, StoreRefusalError
from transforms.dynamodb.event_loop import worker_loop
from transforms.throttle.backoff import full_jitter
from transforms.throttle.clock import SystemClock

__all__ = [
    "delete_files",
    "exists",
    "join",
    "list_files",
    "md5_base64",
    "move",
    "open_file",
    "read_bytes",
    "upload",
    "write_bytes",
]

_T = TypeVar("_T")

# S3 asks overloaded clients to slow down; minutes of it are normal while it splits
# a prefix (https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html).
_MOST_TRIES = 12
# Beam tries reads and listings again itself, for ten minutes; a turn of ours may be one
# of its own.
_MOST_SECONDS = 600.0
_CHUNK_BYTES = 1024 * 1024
_RAW = CompressionTypes.UNCOMPRESSED  # else Beam packs and unpacks by the name's end
_BUSY = re.compile(
    r"SlowDown|ServiceUnavailable|RequestTimeout|InternalError|timed out"
)
# The answer to a HEAD has no body: 400 is all that it says of another region.
_ELSEWHERE = re.compile(
    r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint"
    r"|\(400\) when calling the HeadObject"
)
_FORBIDDEN, _NOT_FOUND, _REDIRECTED = 403, 404, (301, 307)
_SERVER_ERRORS = 500


def join(base: str, *parts: str) -> str:
    """Joins a directory of any file system and names below it.

    >>> join("s3://bucket/backups/", "data", "x.json.gz")
    's3://bucket/backups/data/x.json.gz'
    """
    return "/".join([base.rstrip("/"), *parts])


def md5_base64(data: bytes) -> str:
    """Returns the MD5 as AWS's manifests spell it. It finds damage, not forgery."""
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def read_bytes(path: str) -> bytes:
    """Returns a whole, small file.

    Raises:
        FileSystemError: it cannot be read; see `exists` for whether it is there.
    """

    def read() -> bytes:
        with FileSystems.open(path, compression_type=_RAW) as file:
            return file.read()

    return _persist("read", path, read)


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Opens a file to read, from any place in it; busy stores are asked again.

    Raises:
        FileSystemError: it cannot be opened, or, later, read.
    """
    file = _persist("read", path, lambda: FileSystems.open(path, compression_type=_RAW))
    with io.BufferedReader(_PatientFile(path, file), _CHUNK_BYTES) as patient:
        yield patient


class _PatientFile(io.RawIOBase):
    """A file of Beam's, whose reads are tried again from where they began.

    A buffered reader that fails half-way has lost its place, so each try seeks first.
    """

    def __init__(self, path: str, file: Any) -> None:
        super().__init__()
        self._path, self._file = path, file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        place = self.tell()

        def read() -> bytes:
            self._file.seek(place)
            return bytes(self._file.read(len(buffer)))

        data = _persist("read", self._path, read)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def write_bytes(path: str, data: bytes) -> None:
    """Writes a small file: on disks under another name first, so that it is whole.

    Raises:
        FileSystemError: it cannot be written.
    """
    if "://" in path:  # object stores show an object when it is complete
        _persist("write", path, lambda: _create(path, lambda file: file.write(data)))
        return
    draft = f"{path}.part"
    _persist("write", draft, lambda: _create(draft, lambda file: file.write(data)))
    _persist("write", path, lambda: Path(draft).replace(path))


def upload(local: Path, path: str) -> None:
    """Copies a file of this machine's to `path`, in as many tries as it takes.

    Raises:
        FileSystemError: it cannot be written; the store stayed busy.
    """

    def send() -> None:
        with local.open("rb") as source:
            _create(path, lambda file: shutil.copyfileobj(source, file, _CHUNK_BYTES))

    _persist("write", path, send)


def move(source: str, target: str) -> None:
    """Gives a file its final name; fine if an earlier try has done so.

    Raises:
        FileSystemError: it cannot be moved.
    """

    def rename() -> None:
        if not FileSystems.exists(source) and FileSystems.exists(target):
            return
        _make_parent(target)
        FileSystems.rename([source], [target])

    _persist("move", target, rename)


def exists(path: str) -> bool:
    """Tells whether there is a file.

    Raises:
        FileSystemError: nobody would say.
    """
    return _persist("look for", path, lambda: bool(FileSystems.exists(path)))


def list_files(directory: str) -> dict[str, int]:
    """Returns every file below a directory, at any depth, with its size in bytes.

    Raises:
        FileSystemError: it cannot be listed.
    """

    def match() -> list[FileMetadata]:
        (found,) = FileSystems.match([join(directory, "**")])
        return list(found.metadata_list)

    found = _persist("list", directory, match)
    return {each.path: each.size_in_bytes for each in found}


def delete_files(paths: Sequence[str]) -> None:
    """Deletes files; those that are not there are no error.

    Raises:
        FileSystemError: one of them cannot be deleted.
    """
    for path in paths:

        def delete(path: str = path) -> None:
            if FileSystems.exists(path):
                FileSystems.delete([path])

        _persist("delete", path, delete)


def _create(path: str, fill: Callable[[BinaryIO], object]) -> None:
    """Creates a file; what could not be filled is never closed, so never completed."""
    _make_parent(path)
    file = FileSystems.create(path, compression_type=_RAW)
    fill(file)
    file.close()


def _make_parent(path: str) -> None:
    if "://" not in path:  # object stores have no directories to make
        Path(path).parent.mkdir(parents=True, exist_ok=True)


# --- errors ---------------------------------------------------------------------------


def _persist(action: str, path: str, attempt: Callable[[], _T]) -> _T:
    """Tries again while the store is busy; anything else is said at once."""
    delays = full_jitter(random.Random(), base_seconds=0.5)  # noqa: S311  # no secret
    clock = SystemClock()
    deadline = clock.monotonic() + _MOST_SECONDS
    for tries in count(1):
        try:
            return attempt()
        except Exception as error:  # noqa: PERF203 - a request a turn
            what = f"cannot {action} {path}"
            if not _is_busy(error):
                raise StoreRefusalError(_explain(what, error)) from error
            if tries == _MOST_TRIES or clock.monotonic() > deadline:
                raise FileSystemError(
                    f"{what}: the store stayed busy for {tries} tries ({_text(error)})"
                ) from error
            worker_loop().run(clock.sleep(next(delays)))
    raise AssertionError("the last try returns or raises")


def _is_busy(error: BaseException) -> bool:
    code = _status(error)
    return bool(
        (code is not None and code >= _SERVER_ERRORS)
        or isinstance(error, ConnectionError)
        or _BUSY.search(_text(error))
    )


def _explain(what: str, error: BaseException) -> str:
    code, text = _status(error), _text(error)
    if code == _FORBIDDEN or "AccessDenied" in text or "PermissionError" in text:
        return (
            f"{what}: no permission; on S3 the role needs s3:GetObject, s3:PutObject, "
            "s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket there"
        )
    if code in _REDIRECTED or _ELSEWHERE.search(text):
        return (
            f"{what}: the bucket is in another region; name it after --, as "
            f"-- --s3_region_name=REGION ({text})"
        )
    if "NoSuchBucket" in text:
        return f"{what}: there is no such bucket; create it, or correct its name"
    if code == _NOT_FOUND or "No files found" in text or "Not found" in text:
        return f"{what}: there is no such file"
    return f"{what}: {text}"


def _status(error: BaseException) -> int | None:
    """Returns the HTTP status of an error of Beam's, of botocore's, or below either."""
    for each in _causes(error):
        code = getattr(each, "code", None)
        if isinstance(code, int):
            return code
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(status, int):
                return status
    return None


def _text(error: BaseException) -> str:
    said = [f"{type(each).__name__}: {each}" for each in _causes(error)]
    return "; ".join(dict.fromkeys(said))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that Beam wrapped in it."""
    yield error
    details = getattr(error, "exception_details", None)
    if isinstance(error, BeamIOError) and isinstance(details, dict):
        for each in details.values():
            if isinstance(each, BaseException):
                yield from _causes(each)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
