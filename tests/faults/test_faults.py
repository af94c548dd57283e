"""The copy under every fault that production brings: nothing lost, nothing twice.

Sizes are those of CI; `make test-faults` runs the full ones, and writes the table.
"""

import os
import random
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pipelines import launch
from pipelines.demo.engines import Engine
from tests.faults.harness import (
    EAST,
    ITEMS,
    KILLS,
    OUTAGE_SECONDS,
    PAGE_ITEMS,
    REPORT,
    SEGMENTS,
    SMALL_WRITERS,
    SOURCE,
    THROTTLED,
    WEST,
    Copy,
    Row,
    fill,
    report,
)
from tests.support.faulty_proxy import Faults, FaultyProxy
from tests.support.processes import becomes_true

pytestmark = [
    pytest.mark.dynoxide,
    pytest.mark.usefixtures("credentials"),
]

RANDOM = random.Random(20261124)
PAGES = ITEMS // PAGE_ITEMS

FAULTS = {
    "none": Faults(),
    "throttled 30 %": Faults(seed=1, throttled=0.3),
    "unprocessed 50 %": Faults(seed=3, unprocessed=0.5),
    "500 and 503": Faults(seed=4, internal_errors=0.1, unavailable=0.1),
    "reset before": Faults(seed=5, resets_before=0.1),
    "reset after": Faults(seed=6, resets_after=0.1),
    "truncated": Faults(seed=7, truncated=0.05),
    "corrupted": Faults(seed=8, corrupted=0.05),
    "stalled": Faults(seed=9, stalled=0.01, stall_seconds=min(30, OUTAGE_SECONDS)),
    "expired tokens": Faults(seed=10, expired=0.1),
    "all at once": Faults(
        seed=11,
        throttled=0.05,
        internal_errors=0.05,
        unavailable=0.05,
        resets_before=0.05,
        resets_after=0.05,
        truncated=0.02,
        corrupted=0.02,
        unprocessed=0.1,
    ),
}
CONDITIONAL = {
    "reset after, if-absent": ("if-absent", Faults(seed=12, resets_after=0.05)),
    "reset after, newer": ("newer", Faults(seed=13, resets_after=0.05)),
    "500 and 503, merge": ("merge", Faults(seed=14, internal_errors=0.05)),
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return []


@pytest.fixture(scope="module")
def source(dynoxide: Engine) -> str:
    return fill(dynoxide, ITEMS)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setattr(launch, "LEASE_SECONDS", 0.1)


@pytest.fixture
def proxy(dynoxide: Engine) -> Iterator[FaultyProxy]:
    regions = (SOURCE, "us-east-1", WEST)
    with FaultyProxy({each: dynoxide.endpoint_url(each) for each in regions}) as made:
        yield made


@pytest.fixture
def copy(dynoxide: Engine, proxy: FaultyProxy, source: str, tmp_path: Path) -> Copy:
    return Copy(dynoxide, proxy, source, tmp_path / "run")


def assert_whole(copy: Copy, rows: list[Row], fault: str, output: str) -> Row:
    row = copy.check(fault, output)
    rows.append(row)
    report(rows)
    assert (row.lost, row.duplicated_effects) == (0, 0), output[-2_000:]
    return row


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_under(fault, copy, proxy, rows):
    proxy.faults = FAULTS[fault]
    code, output = copy.run()
    assert code == 0, output[-2_000:]
    row = assert_whole(copy, rows, fault, output)
    named = {each.name for each in fields(Faults)} & set(proxy.recording.faults)
    assert bool(named) == (fault != "none")
    if fault in ("none", "unprocessed 50 %", "reset before", "expired tokens"):
        assert row.repeats == 0


def test_nothing_is_lost_where_most_requests_are_refused(
    dynoxide, proxy, tmp_path, rows
):
    """A tenth of the items: each takes ten times the requests, and their waits."""
    items = ITEMS // 10
    source = fill(dynoxide, items)
    copy = Copy(dynoxide, proxy, source, tmp_path / "run", items=items)
    proxy.faults = Faults(seed=2, throttled=THROTTLED)
    code, output = copy.run()
    assert code == 0, output[-2_000:]
    assert_whole(copy, rows, f"throttled {THROTTLED * 100:.0f} %", output)
    assert "throttled" in proxy.recording.faults


@pytest.mark.parametrize("fault", CONDITIONAL)
def test_conditional_writes_know_their_own_work_under(fault, copy, rows):
    mode, copy.proxy.faults = CONDITIONAL[fault]
    copy = copy.again(mode=mode)
    code, output = copy.run()
    assert code == 0, output[-2_000:]
    assert_whole(copy, rows, fault, output)


def test_a_region_that_goes_away_for_a_while_comes_back(copy, proxy, rows):
    proxy.faults = Faults(stalled=1.0, stall_seconds=0.01)  # slow enough to be hit
    process = copy.start()
    try:
        copy.wait_for_pages(PAGES // 10, process)
        proxy.down_regions.add(WEST)
        threading.Event().wait(OUTAGE_SECONDS)
        proxy.down_regions.discard(WEST)
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, output[-2_000:]
    assert proxy.recording.faults["down"]
    assert_whole(copy, rows, "region away", output)


def test_a_region_that_is_away_does_not_hold_up_the_other_one(copy, proxy, rows):
    """With --isolate-routes: what it has not taken waits on disk."""
    # At full size the other route has a rate, of which it must keep nine tenths.
    rate = ITEMS / OUTAGE_SECONDS / 1.5
    east_units = str(int(rate)) if REPORT else "unlimited"
    copy = copy.again("--isolate-routes", east_units=east_units)
    process = copy.start(before=SMALL_WRITERS)
    try:
        copy.wait_for_pages(1, process)
        proxy.down_regions.add(WEST)
        away = time.monotonic()
        if REPORT:
            threading.Event().wait(OUTAGE_SECONDS)
            assert copy.written(EAST, copy.east, away) >= 0.9 * rate * OUTAGE_SECONDS
        else:
            assert becomes_true(lambda: copy.written(EAST, copy.east) == ITEMS)
        assert copy.written(WEST, copy.west) < ITEMS // 2
        proxy.down_regions.discard(WEST)
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, output[-2_000:]
    assert proxy.recording.faults["down"]
    assert_whole(copy, rows, "region away, routes isolated", output)


def test_an_outage_past_the_deadline_stops_the_job_and_dead_letters_nothing(
    copy, proxy, rows
):
    copy = copy.again("--deadline", "6")
    process = copy.start()
    try:
        copy.wait_for_pages(1, process)
        proxy.down_regions.add(WEST)
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 3, output[-2_000:]
    assert not (copy.directory / "rejected").exists()
    proxy.down_regions.discard(WEST)
    code, output = copy.resume()
    assert code == 0, output[-2_000:]
    assert_whole(copy, rows, "region away, then resumed", output)


def test_credentials_that_stay_expired_stop_the_job(copy, proxy, rows):
    copy = copy.again("--deadline", "6")
    process = copy.start()
    try:
        copy.wait_for_pages(1, process)
        proxy.expired_keys.add("AKIAEXAMPLE")
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 3, output[-2_000:]
    proxy.expired_keys.clear()
    code, output = copy.resume()
    assert code == 0, output[-2_000:]
    assert_whole(copy, rows, "expired credentials, then resumed", output)


def small_files() -> None:
    """No file grows beyond 50 KB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def test_a_limit_of_files_under_the_run_directory_stops_the_job(copy, rows):
    process = copy.start(preexec_fn=small_files)
    try:
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 3, output[-2_000:]
    code, output = copy.resume()
    assert code == 0, output[-2_000:]
    assert_whole(copy, rows, "files limited, then resumed", output)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which is full after some receipts."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, timeout=20).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=20)


def test_a_disk_that_is_full_stops_the_job(dynoxide, proxy, source, tiny_disk, rows):
    copy = Copy(dynoxide, proxy, source, tiny_disk / "run")
    code, output = copy.run()
    assert code == 3, output[-2_000:]
    assert "disk is full" in output
    grow = ["mount", "-o", "remount,size=64m", str(tiny_disk)]
    subprocess.run(grow, check=True, timeout=20)
    code, output = copy.resume()
    assert code == 0, output[-2_000:]
    assert_whole(copy, rows, "full disk, then resumed", output)


def test_sigterm_finishes_what_is_on_its_way(copy, proxy, rows):
    proxy.faults = Faults(stalled=1.0, stall_seconds=0.02)
    process = copy.start()
    try:
        copy.wait_for_pages(PAGES // 4, process)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 3, output[-2_000:]
    assert f"beam-dynamodb copy --resume {copy.directory}" in output
    code, output = copy.resume()
    assert code == 0, output[-2_000:]
    row = assert_whole(copy, rows, "SIGTERM, then resumed", output)
    assert row.repeats == 0


def test_kill_9_at_random_moments(copy, proxy, rows):
    proxy.faults = Faults(stalled=1.0, stall_seconds=0.02)
    words: Any = ()
    kills = 0
    for number in range(KILLS):
        process = copy.start(*words)
        try:
            share = (number + RANDOM.random()) / KILLS
            copy.wait_for_pages(max(1, int(PAGES * share * 0.9)), process)
            kills += process.poll() is None
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=30)
        in_vain = copy.pages_in_vain()
        assert max(in_vain.values()) <= 1, in_vain
        words = ("copy", "--resume", str(copy.directory))
    assert kills == KILLS
    code, output = copy.resume()
    assert code == 0, output[-2_000:]
    row = assert_whole(copy, rows, f"kill -9, {KILLS} times", output)
    # What a killed process had on its way: a page of each segment, on two routes.
    assert row.repeats <= kills * SEGMENTS * PAGE_ITEMS * 2
