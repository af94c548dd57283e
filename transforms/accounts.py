"""The book in which a run's steps account for pages, if the run has one."""

from transforms.ledger.page_book import PageBook, page_book_for
from transforms.run_context import RunContext

__all__ = ["book_of"]


def book_of(run: RunContext | None) -> PageBook | None:
    """Returns the calling bundle's book; None where no receipts are written."""
    if run is None or run.ledger is None or not run.accounted:
        return None
    return page_book_for(
        run.ledger, run.run_id, run.epoch, run.accounted, by_file=run.by_file
    )
