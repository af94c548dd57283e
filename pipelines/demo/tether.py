"""Starts a command that cannot outlive the process that asked for it.

Run by path, never imported: ``python -I tether.py PARENT_PID COMMAND…``. On Linux the
kernel is asked to kill this process when its parent dies, even by ``kill -9``
(prctl(2), PR_SET_PDEATHSIG; execve(2) keeps it), and then this process *becomes* the
command: same pid, nothing in between. It is a program of its own because code between
fork and exec (``preexec_fn``) may deadlock where there are threads, as Beam's.

Elsewhere the command starts all the same, and ends when its engine is stopped.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: Sequence[str]) -> None:
    """Becomes the command, tied to the parent.

    Args:
        arguments: The parent's process id, then the command and its arguments.

    Raises:
        SystemExit: The parent was gone before the tie was made.
    """
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606 (no shell and no child: the point)


if __name__ == "__main__":
    main(sys.argv[1:])
