"""The command ``beam-dynamodb``."""

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

__all__ = ["main"]

_STOPPED = 3  # ExitCode.FAILED, which is Beam's side of the import below


def main() -> int:
    """Runs the command of this process; the entry point of the console script.

    Returns:
        0 done, 1 items rejected, 2 bad input, 3 failed or stopped.
    """
    # Beam warns of extras that are not installed while it is imported, and of type
    # hints while a pipeline is built; none of it helps whoever copies a table.
    logging.getLogger().setLevel(logging.ERROR)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as `… &` in a script
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        from pipelines.commands import run  # noqa: PLC0415 - not before the line above

        return run(sys.argv[1:])
    except KeyboardInterrupt as interrupt:
        _leave_at_once(str(interrupt))


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Makes SIGTERM mean what Ctrl-C means.

    Beam's threads fail when their workers are ended; nobody who stops a job wants
    their tracebacks after its last line.
    """
    threading.excepthook = lambda _: None
    raise KeyboardInterrupt


def _leave_at_once(remedy: str) -> NoReturn:
    """Ends this process though Beam's threads would go on, and says so.

    What they send until then is whole items, so the targets stay sound.
    """
    print(
        "beam-dynamodb: stopped; what was written stays, and "
        f"{remedy or 'running it again is safe'}",
        file=sys.stderr,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_STOPPED)
