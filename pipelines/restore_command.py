"""``beam-dynamodb restore``: find and check the backup, then write it to tables."""

from collections.abc import Sequence

from apache_beam.io.filesystems import FileSystems

from pipelines.command_line import read_options
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.launch import (
    ExitCode,
    check_run_dir,
    check_runner,
    debugging,
    start_run,
)
from pipelines.options import RouteOptions
from pipelines.restore_options import RestoreOptions
from pipelines.restore_run import run_restore
from transforms.archive.errors import StoreRefusalError
from transforms.archive.sources import Backup, find_backup, find_data_files
from transforms.dynamodb.errors import UserError
from transforms.planning.restores import (
    RestoreRequest,
    check_restore,
    create_targets,
)

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
    return run_restore(
        request,
        planned,
        start_run(options, beam_options, request.routes[0].target),
        on_reject=options.on_reject,
        transport=transport,
    )


def _request(options: RestoreOptions) -> RestoreRequest:
    base: Backup | None = None
    try:
        if options.backup is not None:
            find = find_data_files if options.no_manifest else find_backup
            base = find(options.backup)
        changes = tuple(find_backup(path) for path in options.changes)
    except StoreRefusalError as error:
        raise UserError(f"{error}; nothing was restored") from error
    return RestoreRequest(
        base=base,
        changes=changes,
        routes=tuple(options.routes()),
        filter=options.filter,
        columns=options.columns,
    )
