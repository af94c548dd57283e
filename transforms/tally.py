"""Counts for two readers at once: Beam's counters, and the run's progress rows."""

from apache_beam.metrics.metricbase import Counter

from transforms.ledger.progress import ProgressWriter, progress_writer_for
from transforms.metrics import Metric, WholeUnits
from transforms.run_context import RunContext

__all__ = ["Tally"]


class Tally:
    """Adds to a metric wherever it is watched; made in `DoFn.setup`, never travels.

    Beam's counters are the account at the end of a run; progress rows are what
    can be seen while it runs, since most runners show counters only afterwards.
    """

    def __init__(self, run: RunContext | None) -> None:
        self._run = run if run and run.ledger else None
        self._writer: ProgressWriter | None = None
        # Made once: a small page counts a dozen times, and names cost more than sums.
        self._counters: dict[tuple[str, str | None], tuple[Counter, str]] = {}
        self._fractions: dict[tuple[str, str | None], WholeUnits] = {}

    def add(self, metric: Metric, amount: int, owner: str | None = None) -> None:
        """Adds a whole number; 0 costs nothing."""
        if not amount:
            return
        place = metric.name, owner
        found = self._counters.get(place)
        if found is None:
            found = metric.counter(owner), metric.name_of(owner)
            self._counters[place] = found
        found[0].inc(amount)
        if self._run is not None and self._run.ledger is not None:
            if self._writer is None:
                run_id = self._run.run_id
                self._writer = progress_writer_for(self._run.ledger, run_id)
            self._writer.add(found[1], amount)

    def add_units(
        self, metric: Metric, amount: float, owner: str | None = None
    ) -> None:
        """Adds capacity units, carrying fractions over to the next call."""
        if not amount:
            return
        place = metric.name, owner
        whole = self._fractions.get(place)
        if whole is None:
            whole = self._fractions[place] = WholeUnits()
        self.add(metric, whole.add(amount), owner)

    def flush(self) -> None:
        """Makes progress so far visible to the launcher."""
        if self._writer is not None:
            self._writer.flush()
