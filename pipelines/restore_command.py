"""``beam-dynamodb restore``: find and check the backup, then write it to tables."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace

from apache_beam.io.filesystems import FileSystems

from pipelines import restore_table
from pipelines.account import make_account
from pipelines.command_line import read_options
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.launch import (
    ExitCode,
    Run,
    check_run_dir,
    check_runner,
    debugging,
    start_run,
)
from pipelines.options import RouteOptions
from pipelines.progress import ProgressPrinter
from pipelines.restore_options import RestoreOptions
from pipelines.service_export import export_table
from transforms.archive.errors import DamagedBackupError
from transforms.archive.sources import Backup, find_backup, find_data_files
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.tables import TableRef
from transforms.planning.plan import PlannedRoute
from transforms.planning.restores import (
    RestoreRequest,
    check_restore,
    create_targets,
)
from transforms.throttle.clock import SystemClock

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb restore --backup PATH [--changes PATH,PATH] [options]
           --to REGION/TABLE [its options] [--to REGION/TABLE [its options] …]
           [-- BEAM FLAGS]

Writes a backup to one table or several, each with its own filter, columns and rate.
Manifests are checked first, then the checksum of every file, and only then is anything
written. Incremental exports are applied after the backup.

Examples
  beam-dynamodb restore --backup s3://my-backups/AWSDynamoDB/01795493700500-1a2b3c4d \\
      --to us-west-2/orders --write-percent 40

  beam-dynamodb restore --backup /backups/orders --create-table --to eu-west-1/orders2

  beam-dynamodb restore --via-export eu-west-1/orders --export-to s3://my-exports \\
      --to us-west-2/orders --write-percent 40
"""

_TAIL = f"""\
The job file
  --job FILE              read options from a YAML file: the names above with _ for -,
                          and the targets as a list under 'to'

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb restore``."""
    return draw_help(_HEAD, _TAIL, RestoreOptions, RouteOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Checks, runs and accounts for a restore, in the foreground.

    Raises:
        UserError: bad input, a damaged backup; nothing was written.
        JobStoppedError: the job failed, or its accounts do not balance.
        KeyboardInterrupt: somebody stopped it.
    """
    options, beam_words = read_options(words, RestoreOptions, RouteOptions)
    with debugging(options):
        return _restore(options, beam_words)


def _restore(options: RestoreOptions, beam_words: Sequence[str]) -> ExitCode:
    beam_options = check_runner(options, beam_words, RestoreOptions, RouteOptions)
    if options.on_reject == "collect":
        check_run_dir(options, beam_options)
    FileSystems.set_options(beam_options)
    if options.via_export and options.dry_run:
        print(f"{options.via_export} would be exported to {options.export_to}")
        print("dry run: nothing was written")
        return ExitCode.DONE
    request = _request(options)
    transport = options.transport_config
    for each in (request.base, *request.changes):
        if each is not None:
            print(f"read {each.what}\n  {each.path}\n  {each.size}", flush=True)
    if options.create_table and not options.dry_run:
        create_targets(request.base, request.routes, transport)
    if options.create_table and options.dry_run:
        print("the targets would be created\ndry run: nothing was written")
        return ExitCode.DONE
    planned = check_restore(request, transport)
    for plan in planned:
        print(f"{plan.route.mode} as {plan.route.name}: {plan.route.target.display}")
        print(f"  rate: {plan.write}", flush=True)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE
    started = start_run(options, beam_options)
    options = replace(options, run_dir=started.directory.kept)
    return _run(options, request, planned, started)


def _request(options: RestoreOptions) -> RestoreRequest:
    base: Backup | None = None
    if options.via_export is not None and options.export_to is not None:
        table = TableRef.parse(options.via_export, endpoint_url=options.endpoint)
        base = export_table(table, options.export_to, options.transport_config)
    elif options.backup is not None:
        find = find_data_files if options.no_manifest else find_backup
        base = find(options.backup)
    return RestoreRequest(
        base=base,
        changes=tuple(find_backup(path) for path in options.changes),
        routes=tuple(options.routes()),
        filter=options.filter,
        columns=options.columns,
    )


def _run(
    options: RestoreOptions,
    request: RestoreRequest,
    planned: tuple[PlannedRoute, ...],
    started: Run,
) -> ExitCode:
    pipeline = started.pipeline()
    restore_table.build(pipeline, options, request, planned, started.context)
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
