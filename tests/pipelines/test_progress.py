"""Progress: redrawn on a terminal, a line now and then elsewhere."""

import io
from collections.abc import Callable

from pipelines.progress import ProgressPrinter


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Watch:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def printer(stream: io.StringIO, watch: Callable[[], float]) -> ProgressPrinter:
    return ProgressPrinter(
        stream, monotonic=watch, routes=["oregon"], expected_items=1000
    )


def test_a_file_gets_a_line_every_two_seconds():
    stream, watch = io.StringIO(), Watch()
    progress = printer(stream, watch)
    for _ in range(20):
        watch.now += 0.25
        progress.show({"scanned": 10, "written/oregon": 5})
    assert stream.getvalue().splitlines() == [
        "scanned 10 of about 1,000, 5 items/s; written: oregon 5",
        "scanned 10 of about 1,000, 2 items/s; written: oregon 5",
    ]


def test_a_terminal_has_one_line_redrawn_and_left_at_the_end():
    stream, watch = Terminal(), Watch()
    progress = printer(stream, watch)
    watch.now += 0.5
    progress.show({})
    watch.now += 0.5
    progress.finish({"scanned": 7})
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\x1b[K\n")
