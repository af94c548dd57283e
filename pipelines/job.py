"""A running job: started, watched, and stopped when somebody says so."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.runner import PipelineResult, PipelineState

from transforms.dynamodb.errors import BeamDynamoDBError, JobStoppedError

__all__ = ["run_watched"]

_POLL_SECONDS = 0.25
_CANCEL_SECONDS = 10.0
_FINISH_SECONDS = 30.0
# The last line of a worker's traceback, as Beam hands it on: "a.b.SomeError: text".
_LAST_ERROR = re.compile(r"^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*): (\S.*)$", re.MULTILINE)


def run_watched(
    pipeline: beam.Pipeline,
    watch: Callable[[], None],
    ask_to_stop: Callable[[], bool] = lambda: False,
) -> PipelineResult:
    """Runs a pipeline to its end, and calls ``watch`` a few times a second meanwhile.

    Call it from the main thread, where Python delivers signals.

    Args:
        pipeline: what to run.
        watch: called a few times a second.
        ask_to_stop: called when somebody stops it; asks the workers to finish what
            is on its way, and tells whether they can hear that.

    Raises:
        JobStoppedError: the job failed; says with which error.
        Exception: of ``watch``; the job is stopped then.
        KeyboardInterrupt: somebody stops it. Worker processes are ended then, and a
            job on a cluster is cancelled.
    """
    job = _Job(pipeline)
    before = _descendants()
    job.start()
    try:
        while not job.ended.wait(_POLL_SECONDS):
            watch()
    except BaseException:  # a signal, or a watcher that has seen enough
        try:
            if ask_to_stop():
                job.ended.wait(_FINISH_SECONDS)
        finally:  # a second signal does not wait
            if not job.ended.is_set():
                job.cancel()
            _end(_descendants() - before)
        raise
    return job.outcome()


class _Job(threading.Thread):
    """Runs the pipeline beside the main thread, which signals must reach at once."""

    def __init__(self, pipeline: beam.Pipeline) -> None:
        super().__init__(name="beam-dynamodb job", daemon=True)
        self.ended = threading.Event()
        self._pipeline = pipeline
        self._result: PipelineResult | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Runs the pipeline; never raises."""
        try:
            self._result = self._pipeline.run()
            self._result.wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            self._error = error
        finally:
            self.ended.set()

    def cancel(self) -> None:
        """Asks the runner to stop, and waits a little; a local one cannot be asked."""
        if self._result is None:
            return
        canceller = threading.Thread(target=self._cancel, daemon=True)
        canceller.start()
        canceller.join(_CANCEL_SECONDS)

    def _cancel(self) -> None:
        with suppress(Exception):
            assert self._result is not None
            self._result.cancel()

    def outcome(self) -> PipelineResult:
        """Returns the result of a job that has ended well."""
        if self._error is not None:
            raise JobStoppedError(_explain(self._error)) from self._error
        assert self._result is not None
        if self._result.state != PipelineState.DONE:
            raise JobStoppedError(
                f"the runner says the job is {self._result.state}; see its log"
            )
        return self._result


def _explain(error: BaseException) -> str:
    """Returns the text of the error that a worker raised, not its traceback."""
    if isinstance(error, BeamDynamoDBError):
        return f"the job failed: {error}"
    found = _LAST_ERROR.findall(str(error))
    if not found:
        return f"the job failed: {type(error).__name__}: {error}"
    kind, text = found[-1]
    return f"the job failed: {text} ({kind})"


def _descendants() -> set[int]:
    """Returns the processes that this one started, and those that they started."""
    children: dict[int, list[int]] = {}
    for process, parent in _processes():
        children.setdefault(parent, []).append(process)
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        new = children.get(waiting.pop(), [])
        found.update(new)
        waiting += new
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """Yields every process of this host with its parent."""
    if Path("/proc/self/stat").exists():
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it ended meanwhile
                # "12 (a name) S 7 …": the name may hold anything, ")" included.
                yield int(status.parent.name), int(_fields(status)[1])
        return
    listing = subprocess.check_output(["/bin/ps", "-A", "-o", "pid=,ppid="], text=True)
    for line in listing.splitlines():
        process, parent = line.split()
        yield int(process), int(parent)


def _fields(status: Path) -> list[str]:
    return status.read_text().rpartition(")")[2].split()


def _end(processes: set[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
