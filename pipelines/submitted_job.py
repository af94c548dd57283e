"""A job that a cluster's own client program submits, waits for and cancels."""

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from apache_beam.metrics.metric import MetricResults
from apache_beam.runners.runner import PipelineResult, PipelineState

from transforms.dynamodb.errors import JobStoppedError

__all__ = ["EndedJob", "SubmittedJob"]

_CANCEL_SECONDS = 8.0


class EndedJob(PipelineResult):
    """A job that ended well; its counters are the ledger's to tell."""

    def __init__(self) -> None:
        super().__init__(PipelineState.DONE)  # type: ignore[no-untyped-call]

    def wait_until_finish(self, duration: int | None = None) -> str:
        """Returns at once: it has ended."""
        del duration
        return PipelineState.DONE

    def metrics(self) -> MetricResults:
        """None: neither `flink run` nor `spark-submit` tells them."""
        return _NoMetrics()


class SubmittedJob(PipelineResult):
    """A job whose client runs; it lives as long as its client.

    Args:
        command: the client's, as ``flink run -sae …``.
        log: gets what it says.
        jar: removed when it has ended.
    """

    def __init__(self, command: list[str], log: Path, jar: Path) -> None:
        super().__init__(PipelineState.RUNNING)  # type: ignore[no-untyped-call]
        self._name, self._log, self._jar = Path(command[0]).name, log, jar
        with log.open("wb") as kept:
            self._client = subprocess.Popen(  # noqa: S603 - our own list, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=kept,
                stderr=subprocess.STDOUT,
            )

    def wait_until_finish(self, duration: int | None = None) -> str:
        """Waits for its end.

        Raises:
            JobStoppedError: it failed, or was cancelled; says what the client said.
        """
        del duration
        code = self._client.wait()
        self._jar.unlink(missing_ok=True)
        if code == 0:
            self._state = PipelineState.DONE
            return PipelineState.DONE
        self._state = PipelineState.FAILED
        lines = self._log.read_text(errors="replace").strip().splitlines()
        raise JobStoppedError(
            f"{self._name} ended with {code}: {_last_error(lines)}; the whole story is "
            f"in {self._log}"
        )

    def cancel(self) -> str:
        """Asks the client to end, which cancels the job on the cluster first."""
        self._client.terminate()
        with suppress(subprocess.TimeoutExpired):  # then it is killed with the others
            self._client.wait(_CANCEL_SECONDS)
        return PipelineState.CANCELLED

    def metrics(self) -> MetricResults:
        """None: neither `flink run` nor `spark-submit` tells them."""
        return _NoMetrics()


def _last_error(lines: list[str]) -> str:
    causes = [line for line in lines if "Error: " in line or "Exception: " in line]
    return (causes or lines or ["it said nothing"])[-1].strip()


class _NoMetrics(MetricResults):
    def query(self, filter: Any = None) -> dict[str, list[Any]]:  # noqa: A002
        """Returns nothing of each kind."""
        del filter
        return {self.COUNTERS: [], self.DISTRIBUTIONS: [], self.GAUGES: []}
