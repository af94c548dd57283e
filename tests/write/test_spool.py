"""Items on the worker's disk: first in, first out, and gone with the process."""

import os
import stat
from collections import deque
from typing import Any

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
