"""What can go wrong with the ledger, by what the caller does about it.

Bad input (a path that can't be written, a table that may not be used) is a
`UserError` from `LedgerStore.prepare`, before anything is read or written.
"""

from transforms.dynamodb.errors import JobStoppedError, RetryableError

__all__ = ["LedgerError", "LedgerUnreachableError"]


class LedgerError(JobStoppedError):
    """The run's ledger cannot be used, and will not be by waiting."""


class LedgerUnreachableError(RetryableError):
    """The ledger did not answer in time; a write may have been applied.

    Callers try again until their own deadline, and spend nothing meanwhile that
    the ledger has not granted.
    """
