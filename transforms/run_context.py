"""RunContext: what every step of one run knows about the run."""

from dataclasses import dataclass

from transforms.ledger.location import LedgerLocation

__all__ = ["RunContext"]


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of one pipeline, as the workers see it.

    Attributes:
        run_id: names the run in logs, files and progress rows.
        ledger: where the workers share rates and report what they did; None where
            no such place is shared, and then nothing is recorded and a worker
            spends at most ``rate / workers``.
        workers: worker processes that share each table's rate, 1 or more.
        epoch: 1 for the first launch, 1 more for each resumption; above 1, what the
            ledger has receipts for is not read again.
        accounted: the routes whose receipts together settle a page; with none, no
            receipts are written, and the run cannot be resumed.
        by_file: receipts are written with the files that hold the pages, as a backup
            has them, and not as pages are settled.
        pause_file: while this file exists the workers of its host spend nothing.
        rate_schedule: a timetable of rates, see `transforms.throttle.schedule`; it
            holds for every table of the run.
    """

    run_id: str
    ledger: LedgerLocation | None = None
    workers: int = 1
    epoch: int = 1
    accounted: tuple[str, ...] = ()
    by_file: bool = False
    pause_file: str | None = None
    rate_schedule: str | None = None

    def __post_init__(self) -> None:
        """Refuses a run that nobody works on."""
        if self.workers < 1:
            raise ValueError(f"workers must be 1 or more, got {self.workers}")
