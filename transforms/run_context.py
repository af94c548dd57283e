"""RunContext: what every step of one run knows about the run."""

from dataclasses import dataclass

__all__ = ["RunContext"]


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of one pipeline, as the workers see it.

    Attributes:
        run_id: names the run in logs, files and progress rows.
        progress_path: the run's ledger, a SQLite file that every worker of this
            host can write; None where no such file is shared, and then nothing
            is recorded.
        workers: worker processes that share each table's rate, 1 or more. A
            worker spends at most ``rate / workers``.
    """

    run_id: str
    progress_path: str | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuses a run that nobody works on."""
        if self.workers < 1:
            raise ValueError(f"workers must be 1 or more, got {self.workers}")
