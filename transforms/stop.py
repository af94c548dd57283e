"""Asks the workers of this host to stop: they finish what is on its way.

    launcher: request_stop --> a file beside the run's ledger
    scan:     stop_requested, before each page --> no more pages
    restore:  stop_if_asked, before each page --> the job fails, to be run again

Workers on other hosts can't see it; there the runner cancels the job.
"""

from pathlib import Path

from transforms.dynamodb.errors import JobStoppedError
from transforms.run_context import RunContext

__all__ = [
    "StoppedError",
    "clear_stop",
    "request_stop",
    "stop_if_asked",
    "stop_requested",
]


class StoppedError(JobStoppedError):
    """Somebody stopped the run; it can be resumed."""


def request_stop(run: RunContext) -> bool:
    """Asks; returns whether workers can hear it."""
    path = _path(run)
    if path is None:
        return False
    path.touch()
    return True


def clear_stop(run: RunContext) -> None:
    """Forgets that somebody asked."""
    path = _path(run)
    if path is not None:
        path.unlink(missing_ok=True)


def stop_requested(run: RunContext) -> bool:
    """Tells whether somebody asked."""
    path = _path(run)
    return path is not None and path.exists()


def stop_if_asked(run: RunContext | None) -> None:
    """Fails a step of a run that may simply be run again, if somebody asked.

    Raises:
        StoppedError: somebody did.
    """
    if run is not None and stop_requested(run):
        raise StoppedError("the run was stopped; run it again, which is safe")


def _path(run: RunContext) -> Path | None:
    if run.ledger is None or not isinstance(run.ledger.where, Path):
        return None
    return run.ledger.where.with_name(f"stop-{run.run_id}")
