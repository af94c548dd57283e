"""``beam-dynamodb backup``: a table or the old ones of a series, and what is next."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from pipelines.backup_options import BackupOptions
from pipelines.backup_run import resume_backup, run_backup
from pipelines.command_line import read_options
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.launch import ExitCode, debugging
from pipelines.old_items import cutoff_of, is_pattern, old_tables, older_filter
from pipelines.resume import open_resumed, resumed_words
from pipelines.verified_deletes import list_tables, verify_backup
from transforms.dynamodb.errors import UserError
from transforms.throttle.clock import SystemClock

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb backup --source REGION/TABLE --to PATH [options]
           [-- BEAM FLAGS]
       beam-dynamodb backup --resume RUN [-- BEAM FLAGS]

Scans a table once, in parallel, and writes its items to files: the service's own
export layout, or Parquet. A manifest comes last, with checksums, counts and a digest
of all items; without it a backup is not whole and restore refuses it.

Examples
  beam-dynamodb backup --source eu-west-1/orders --read-percent 10 \\
      --to s3://my-backups/orders -- --s3_region_name=eu-west-1

  beam-dynamodb backup --source eu-west-1/orders --to /backups \\
      --filter "day >= '2013-06-01'" --columns uuid_hash,day,value

  beam-dynamodb backup --source eu-west-1/events --older-than 90d --by day \\
      --to s3://my-archive/events --delete-after-verify --delete-percent 20

  beam-dynamodb backup --source eu-west-1/events_%Y_%m --older-than 90d \\
      --to s3://my-archive --drop-after-verify --yes
"""

_TAIL = f"""\
Going on
  --resume RUN            go on with a backup that was stopped or killed, by its run's
                          name or directory: what is in complete files is not read
                          again. The options are the run's own.

The job file
  --job FILE              read options from a YAML file: the names above with _ for -

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb backup``."""
    return draw_help(_HEAD, _TAIL, BackupOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Backs up, and verifies, deletes or drops if that is asked for.

    Raises:
        UserError: bad input; nothing was written.
        JobStoppedError: a job failed, or its accounts do not balance; what was not
            verified is not deleted.
        KeyboardInterrupt: somebody stopped it.
    """
    run_name, left = resumed_words(words)
    if run_name is not None:
        return _resume(run_name, left)
    options, beam_words = read_options(left, BackupOptions)
    with debugging(options):
        if is_pattern(options.source):
            return _back_up_series(options, beam_words)
        options = _only_old_items(options)
        _ask(options, options.source)
        return _back_up(options, beam_words)


def _only_old_items(options: BackupOptions) -> BackupOptions:
    """Puts the age into the filter."""
    if options.older_than is None or options.by is None:
        return options
    cutoff = cutoff_of(options.older_than, SystemClock().wall())
    condition = older_filter(options.by, options.time_format, cutoff)
    if options.filter is not None:
        condition = f"({condition}) AND ({options.filter})"
    print(f"items with {condition}")
    return replace(options, filter=condition, older_than=None, by=None)


def _back_up_series(options: BackupOptions, beam_words: Sequence[str]) -> ExitCode:
    """Backs up each table whose whole period is old, oldest first."""
    assert options.older_than is not None  # the options have seen to it
    region, _, pattern = options.source.partition("/")
    cutoff = cutoff_of(options.older_than, SystemClock().wall())
    names = [name for name, _ in old_tables(list_tables(options), pattern, cutoff)]
    if not names:
        print(f"no table {pattern} has ended by {cutoff:%Y-%m-%d}")
        return ExitCode.DONE
    print(f"tables that ended by {cutoff:%Y-%m-%d}: {', '.join(names)}")
    _ask(options, options.source)
    worst = ExitCode.DONE
    for name in names:
        run_dir = f"{options.run_dir}/{name}" if options.run_dir else None
        one = replace(
            options, source=f"{region}/{name}", older_than=None, run_dir=run_dir
        )
        worst = max(worst, _back_up(one, beam_words))
    return worst


def _resume(run_name: str, words: Sequence[str]) -> ExitCode:
    """Goes on with a backup, and with what was to come after it."""
    resumed, options, beam_words = open_resumed(
        run_name, words, "backup", BackupOptions
    )
    with debugging(options):
        _ask(options, options.source)
        code, directory = resume_backup(resumed, options, beam_words)
        return _verify(options, beam_words, code, directory)


def _back_up(options: BackupOptions, beam_words: Sequence[str]) -> ExitCode:
    code, directory = run_backup(options, beam_words)
    return _verify(options, beam_words, code, directory)


def _verify(
    options: BackupOptions,
    beam_words: Sequence[str],
    code: ExitCode,
    directory: str | None,
) -> ExitCode:
    if directory is None or not (options.verify or options.deletes):
        return code
    if code is not ExitCode.DONE:
        print("some items are not in the backup, so nothing is deleted")
        return code
    return verify_backup(options, beam_words, directory)


def _ask(options: BackupOptions, name: str) -> None:
    """Has the name typed before anything that deletes begins.

    Raises:
        UserError: another name was typed, or nobody is there to type.
    """
    if not options.deletes or options.yes or options.dry_run:
        return
    what = "tables" if options.drop_after_verify else "items of"
    if not sys.stdin.isatty():
        raise UserError(
            f"this deletes {what} {name}, and nobody can type its name here; say --yes"
        )
    typed = input(f"This deletes {what} {name} after the backup. Type that name: ")
    if typed.strip() != name:
        raise UserError(f"{typed!r} is not {name!r}; nothing was done")
