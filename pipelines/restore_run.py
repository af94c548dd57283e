"""The job of a restore: from a checked request to the account of its items."""

import re
import sys
from collections.abc import Sequence

from pipelines import restore_table
from pipelines.account import make_account
from pipelines.launch import ExitCode, Run
from pipelines.progress import ProgressPrinter
from transforms.archive.errors import DamagedBackupError
from transforms.archive.sources import Backup
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.plan import PlannedRoute
from transforms.planning.restores import RestoreRequest
from transforms.receipts import OnReject
from transforms.throttle.clock import SystemClock

__all__ = ["run_restore"]


def run_restore(
    request: RestoreRequest,
    planned: Sequence[PlannedRoute],
    started: Run,
    *,
    on_reject: OnReject,
    transport: TransportConfig,
) -> ExitCode:
    """Runs a restore to its end, and says what became of the items.

    Raises:
        UserError: a file is not what its manifest says; nothing was written.
        JobStoppedError: the job failed, or its accounts do not balance.
    """
    pipeline = started.pipeline()
    restore_table.build(
        pipeline,
        request,
        planned,
        started.context,
        on_reject=on_reject,
        transport=transport,
        rejected_directory=started.directory.rejected,
    )
    names = [plan.route.name for plan in planned]
    backups = [request.base, *request.changes]
    progress = ProgressPrinter(
        sys.stderr,
        monotonic=SystemClock().monotonic,
        routes=names,
        expected_items=sum(each.items or 0 for each in backups if each),
    )
    try:
        counters = started.watch(pipeline, progress.show)
    except JobStoppedError as error:
        raise _as_bad_input(error) from error
    progress.finish(counters)
    account = make_account(counters, names)
    print("\n".join(account.table()))
    if account.rejected:
        print(f"rejected items are kept in {started.directory.rejected}")
    print(account.line(), flush=True)
    if not account.balances or not _is_all_read(account.scanned, backups):
        raise JobStoppedError(
            "the accounts do not balance: read is not written + filtered + superseded "
            "+ rejected on every route, or not what the manifests say; run it again, "
            "which is safe, and please report it"
        )
    return ExitCode.REJECTED if account.rejected else ExitCode.DONE


def _is_all_read(read: int, backups: Sequence[Backup | None]) -> bool:
    """True if as many items were read as the manifests have, where they say."""
    counts = [each.items for each in backups if each]
    known = [count for count in counts if count is not None]
    return len(known) < len(counts) or read == sum(known)


def _as_bad_input(error: JobStoppedError) -> JobStoppedError | UserError:
    """Tells a damaged backup, found before anything was written, from a failure.

    What a worker raises reaches the launcher as text on every runner.
    """
    is_damage = isinstance(error.__cause__, DamagedBackupError)
    text = str(error).removeprefix("the job failed: ")
    if not is_damage and "(DamagedBackupError)" not in text:
        return error
    return DamagedBackupError(re.split(r" \[while running | \(Damaged", text)[0])
