"""A store that fails in the middle of a file: read on from there, or said."""

import io
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystems import FileSystems

from transforms.archive import files
from transforms.archive.errors import FileSystemError, StoreRefusalError
from transforms.archive.files import open_file

CONTENT = bytes(range(256)) * 16_384  # 4 MiB: several reads


class StoreError(OSError):
    def __init__(self, code: int) -> None:
        super().__init__(f"the store says {code}")
        self.code = code


class Unsteady(io.BytesIO):
    """Fails every other read, and has lost its place then, as Beam's buffer does."""

    def __init__(self, code: int, failures: int) -> None:
        super().__init__(CONTENT)
        self.code, self.failures, self.reads = code, failures, 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > 1 and self.failures:
            self.failures -= 1
            super().seek(7)
            raise StoreError(self.code)
        return super().read(size)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(file: Unsteady) -> Unsteady:
        monkeypatch.setattr(FileSystems, "open", lambda *_, **__: file)
        monkeypatch.setattr(files, "full_jitter", lambda *_, **__: iter([0.0] * 99))
        return file

    return give


def read_all() -> bytes:
    with open_file("s3://bucket/key") as file:
        return file.read()


def test_a_store_that_is_busy_half_way_is_read_on_from_there(store):
    file = store(Unsteady(503, 5))
    assert read_all() == CONTENT
    assert file.failures == 0


def test_seeking_and_reading_lines_go_through_it(store):
    store(Unsteady(503, 1))
    with open_file("s3://bucket/key") as file:
        assert file.read(3) == CONTENT[:3]
        assert file.seek(-5, io.SEEK_END) == len(CONTENT) - 5
        assert file.read() == CONTENT[-5:]
        file.seek(0)
        assert b"".join(file) == CONTENT


def test_a_store_that_stays_busy_half_way_is_an_error_of_the_store(store):
    file = store(Unsteady(503, 99))
    with pytest.raises(FileSystemError, match="stayed busy for 12 tries"):
        read_all()
    assert file.reads == 13


def test_a_store_that_forbids_it_half_way_is_asked_once(store):
    file = store(Unsteady(403, 99))
    with pytest.raises(StoreRefusalError, match="no permission"):
        read_all()
    assert file.reads == 2


def test_a_store_that_is_busy_for_long_is_given_up_by_the_clock(store, monkeypatch):
    file = store(Unsteady(503, 99))
    monkeypatch.setattr(files, "_MOST_SECONDS", -1.0)
    with pytest.raises(FileSystemError, match="stayed busy for 1 tries"):
        read_all()
    assert file.reads == 2


def test_a_file_on_a_disk_reads_as_it_is(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with open_file(str(path)) as file:
        assert file.read(10) == CONTENT[:10]
        assert file.read() == CONTENT[10:]
