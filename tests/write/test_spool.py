"""Items on the worker's disk: first in, first out, and gone with the process."""

import os
import stat
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import spool as spool_module
from transforms.outcomes import Refused
from transforms.spool import Isolation, Spool

PAGES = st.lists(st.binary(max_size=60), max_size=5)


@given(st.lists(st.one_of(PAGES, st.none()), max_size=60))
def test_what_is_put_first_comes_back_first_however_often_the_file_goes_round(steps):
    """`None` takes the oldest; a page that does not fit is not put."""
    spool = Spool(Isolation(spool_bytes=500))
    model: deque[Any] = deque()
    for page in steps:
        if page is None:
            if model:
                stored, items, refused = model.popleft()
                assert spool.take(stored) == (items, refused)
        else:
            refused = [Refused(b"bad", "TooDeep: é", 0)] * (len(page) % 2)
            if spool.has_room(page, refused):
                model.append((spool.put(page, refused), page, refused))
    for stored, items, refused in model:
        assert spool.take(stored) == (items, refused)
    spool.close()


def test_it_has_no_room_beyond_its_size():
    spool = Spool(Isolation(spool_bytes=500))
    while spool.has_room([b"x" * 50], []):
        spool.put([b"x" * 50], [])
    assert os.fstat(spool._open()).st_size <= 500
    assert not spool.has_room([b"x" * 501], [])
    spool.close()


@pytest.mark.parametrize("size", [10, 60_000, 70_000])
def test_what_it_says_it_has_room_for_fits_to_the_last_byte(size):
    """Else the newest items would lie over the oldest ones."""
    page = [b"x" * size] * 3
    with_head = len(msgspec.msgpack.encode((page, [])))
    for spool_bytes in range(with_head - 40, with_head + 40):
        spool = Spool(Isolation(spool_bytes=spool_bytes))
        if spool.has_room(page, []):
            assert spool.take(spool.put(page, [])) == (page, [])
        elif spool_bytes < with_head:
            with pytest.raises(OSError, match="full"):
                spool.put(page, [])
        spool.close()


def test_a_spool_that_was_closed_touches_no_file_any_more(tmp_path):
    """The number of its file may be that of another one by now."""
    spool = Spool(Isolation())
    stored = spool.put([b"x"], [])
    spool.close()
    with (tmp_path / "other").open("w+b") as other:
        other.write(b"of somebody else")
        with pytest.raises(OSError, match="closed"):
            spool.put([b"y"], [])
        with pytest.raises(OSError, match="closed"):
            spool.take(stored)
    assert (tmp_path / "other").read_bytes() == b"of somebody else"


def test_a_spool_is_not_closed_under_whoever_uses_it(monkeypatch):
    spool, closing = Spool(Isolation()), threading.Event()
    spool.put([b"x"], [])
    file, pwrite = spool._open(), os.pwrite

    def close():
        closing.set()
        spool.close()

    def slow(*words):
        closer = threading.Thread(target=close)
        closer.start()
        closing.wait(10)
        closer.join(0.2)
        assert closer.is_alive()
        os.fstat(file)  # it is still open
        return pwrite(*words)

    monkeypatch.setattr(os, "pwrite", slow)
    spool.put([b"y"], [])


def test_nobody_else_finds_the_file_and_nothing_is_left_of_it(tmp_path, monkeypatch):
    seen: list[tuple[int, int]] = []

    def spying_open(path, flags, mode):
        made = os_open(path, flags, mode)
        seen.append((path.parent.stat().st_mode, os.fstat(made).st_mode))
        return made

    os_open = os.open
    monkeypatch.setattr(os, "open", spying_open)
    spool = Spool(Isolation(directory=str(tmp_path)))
    spool.put([b"secret"], [])
    assert [tuple(map(stat.S_IMODE, modes)) for modes in seen] == [(0o700, 0o600)]
    assert not list(tmp_path.iterdir())  # also if the process is killed now
    file = spool._open()
    assert os.fstat(file).st_nlink == 0
    spool.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


MEMORY = Path("/dev/shm")
needs_tmpfs = pytest.mark.skipif(
    not MEMORY.is_dir() or not spool_module._is_in_memory(MEMORY),
    reason="this system has no tmpfs at /dev/shm",
)


def device_of_spool(where):
    spool = Spool(where)
    spool.put([b"item"], [])
    device = os.fstat(spool._open()).st_dev
    spool.close()
    return device


@needs_tmpfs
def test_it_does_not_lie_in_memory_where_there_is_a_disk(monkeypatch, tmp_path, caplog):
    """As where /tmp is a tmpfs: 10 GB of it would be 10 GB of memory."""
    monkeypatch.setattr(tempfile, "tempdir", str(MEMORY))
    monkeypatch.setattr(spool_module, "_LASTING_DIRECTORY", tmp_path)
    assert device_of_spool(Isolation()) == tmp_path.stat().st_dev
    assert not caplog.records


@needs_tmpfs
@pytest.mark.parametrize("directory", [None, str(MEMORY)])
def test_where_there_is_memory_only_it_says_so(monkeypatch, caplog, directory):
    monkeypatch.setattr(tempfile, "tempdir", str(MEMORY))
    monkeypatch.setattr(spool_module, "_LASTING_DIRECTORY", MEMORY)
    assert device_of_spool(Isolation(directory=directory)) == MEMORY.stat().st_dev
    assert "is memory (tmpfs)" in caplog.text


def test_what_was_read_is_given_back_to_the_disk():
    spool = Spool(Isolation())
    spool.take(spool.put([b"x" * 100_000], []))
    spool.put([b"y"], [])
    assert os.fstat(spool._open()).st_size < 100
    spool.close()


def test_it_leaves_room_on_the_disk_for_others(monkeypatch):
    spool = Spool(Isolation())
    stored = spool.put([b"first"], [])
    monkeypatch.setattr(spool_module, "_LEAVE_FREE_BYTES", 10**18)
    with pytest.raises(OSError, match="little space"):
        spool.put([b"second"], [])
    assert spool.take(stored) == ([b"first"], [])
    spool.close()
