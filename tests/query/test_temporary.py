"""Temporary directories of queries: each its own, and none is left for good."""

import signal
import subprocess
import sys

from transforms.query.temporary import sweep, temporary_directory

HOLD = """
import sys
from transforms.query.temporary import temporary_directory
with temporary_directory(sys.argv[1]) as path:
    print(path, flush=True)
    sys.stdin.read()
"""


def held(parent) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_directory_goes_with_its_query_and_is_for_its_owner_alone(tmp_path):
    with temporary_directory(str(tmp_path)) as path:
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "spilled").mkdir()
        assert path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_query_left_goes_with_the_next_and_nothing_else(tmp_path):
    with held(tmp_path) as killed, held(tmp_path) as alive:
        assert killed.stdout is not None
        assert alive.stdout is not None
        left, kept = killed.stdout.readline().strip(), alive.stdout.readline().strip()
        others = tmp_path / "beam-dynamodb-query-of-somebody"
        others.mkdir()
        sweep(str(tmp_path))
        assert len(list(tmp_path.iterdir())) == 3
        killed.send_signal(signal.SIGKILL)
        killed.wait(20)
        with temporary_directory(str(tmp_path)) as own:
            assert {str(each) for each in tmp_path.iterdir()} == {
                kept,
                str(others),
                str(own),
            }
            assert left not in {kept, str(own)}
        alive.communicate(timeout=20)
    assert list(tmp_path.iterdir()) == [others]
