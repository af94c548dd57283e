"""``beam-dynamodb copy``: checks, plan, run, account."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from pipelines import copy_tables
from pipelines.account import Account, make_account
from pipelines.command_line import read_options
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.launch import ExitCode, check_runner, debugging, start_run
from pipelines.options import CopyOptions, RouteOptions
from pipelines.progress import ProgressPrinter
from pipelines.run_directory import RunDirectory
from pipelines.run_spec import RunSpec, provide
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.checks import check_copy
from transforms.throttle.clock import SystemClock

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb copy --source REGION/TABLE [options]
           --to REGION/TABLE [its options] [--to REGION/TABLE [its options] …]
           [-- BEAM FLAGS]

Scans a table once, in parallel, and writes its items to one table or several. Each
target has its own filter, columns and rate. Both ends are checked before anything is
written, and the last line printed is the account of the items.

Examples
  beam-dynamodb copy --source eu-west-1/orders --read-percent 10 \\
      --to us-east-1/orders --dry-run

  beam-dynamodb copy --source eu-west-1/testtable --read-percent 10 \\
      --to us-west-2/kgpai.uswest.test --write-percent 40 \\
          --filter "day >= '2013-06-01'" --columns uuid_hash,day,name,value \\
      --to us-east-1/kgpai.useast.test --write-percent 40

  beam-dynamodb copy --job job.yaml --read-percent 5 -- --runner=FlinkRunner
"""

_TAIL = f"""\
The job file
  --job FILE              read options from a YAML file: the names above with _ for -,
                          and the targets as a list under 'to', each with 'to' and
                          its own options. What is said here too takes the file's
                          place; any --to here takes the place of the whole list.

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb copy``."""
    return draw_help(_HEAD, _TAIL, CopyOptions, RouteOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Checks, runs and accounts for a copy, in the foreground.

    Progress goes to standard error; the plan and the account to standard output, of
    which the account in one line is the last.

    Raises:
        UserError: bad input; nothing was written.
        JobStoppedError: the job failed, or its accounts do not balance.
        KeyboardInterrupt: somebody stopped it.
    """
    options, beam_words = read_options(words, CopyOptions, RouteOptions)
    with debugging(options):
        return _copy(options, beam_words)


def _copy(options: CopyOptions, beam_words: Sequence[str]) -> ExitCode:
    beam_options = check_runner(options, beam_words, CopyOptions, RouteOptions)
    request = copy_tables.copy_request(options)
    plan = check_copy(request, TransportConfig(kind=options.transport))
    print("\n".join(plan.lines()), flush=True)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE
    started = start_run(options, beam_options, request.source)
    options = copy_tables.planned_options(options, plan)
    options = replace(options, run_dir=str(started.directory.path))
    spec = RunSpec(options=options, target=RouteOptions, run=started.context)
    run_spec = provide(beam_options, spec)
    pipeline = started.pipeline()
    copy_tables.build(pipeline, options, run_spec)
    names = [planned.route.name for planned in plan.routes]
    progress = ProgressPrinter(
        sys.stderr,
        monotonic=SystemClock().monotonic,
        routes=names,
        expected_items=plan.source.item_count,
    )
    counters = started.watch(pipeline, progress.show)
    progress.finish(counters)
    return _conclude(make_account(counters, names), started.directory)


def _conclude(account: Account, directory: RunDirectory) -> ExitCode:
    print("\n".join(account.table()))
    if account.rejected:
        print(f"rejected items are kept in {directory.rejected}")
    print(account.line(), flush=True)
    if not account.balances:
        raise JobStoppedError(
            "the accounts do not balance: scanned is not written + filtered + skipped "
            "+ superseded + rejected on every route; run it again, which is safe, and "
            "please report it"
        )
    return ExitCode.REJECTED if account.rejected else ExitCode.DONE
