"""A copy on a cluster is finished by --resume, whatever became of its launcher."""

import os
import signal

import pytest

from tests.runners.scenarios import ACCOUNT, ITEMS, account, finish, job_servers
from tests.support.processes import becomes_true

pytestmark = [pytest.mark.runner, pytest.mark.dynoxide, pytest.mark.timeout(600)]


def test_a_copy_goes_on_after_its_launcher_and_job_server_are_killed(copy_on_each):
    copy = copy_on_each
    process = copy.start(copy.words("--read-units", "8"))
    assert copy.begins()
    assert any(becomes_true(lambda: copy.settled() > 0) for _ in range(3))
    servers = job_servers(process)
    assert servers
    for pid in (process.pid, *servers):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    settled = copy.settled()
    assert settled < ITEMS
    process = copy.resume()
    # Flink's job goes on without a launcher, until the run is taken from it.
    assert any(becomes_true(lambda: copy.epoch == 2) for _ in range(3))
    earlier = set(copy.scanned_by_worker())
    code, printed = finish(process)
    assert code == 0, printed
    assert account(printed) == ACCOUNT
    assert copy.targets_are_right()
    again = [n for who, n in copy.scanned_by_worker().items() if who not in earlier]
    assert 0 < sum(again) <= ITEMS - settled
