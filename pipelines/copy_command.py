"""``beam-dynamodb copy``: checks, plan, run, account."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from apache_beam.io.filesystems import FileSystems

from pipelines import copy_tables
from pipelines.account import Account, make_account, waiting_lines
from pipelines.command_line import read_options
from pipelines.export_copy import copy_via_export
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.kept_items import kept_lines, tie_lines
from pipelines.launch import (
    ExitCode,
    Run,
    check_run_dir,
    check_runner,
    debugging,
    resume_run,
    start_run,
)
from pipelines.made_ready import made_ready, plan_targets
from pipelines.options import CopyOptions
from pipelines.progress import ProgressPrinter
from pipelines.resume import (
    Resumed,
    check_tables,
    keep_run,
    open_resumed,
    resumed_words,
    take_up_run,
)
from pipelines.run_spec import RunSpec, provide
from pipelines.target_options import TargetOptions, targets_of
from transforms.dynamodb.errors import JobStoppedError
from transforms.ledger.location import open_store
from transforms.planning.capacity import check_patience
from transforms.planning.checks import check_copy
from transforms.planning.plan import CopyPlan
from transforms.planning.report import report_copy
from transforms.throttle.clock import SystemClock

__all__ = ["help_text", "run", "run_copy"]

_HEAD = """\
usage: beam-dynamodb copy --source REGION/TABLE [options]
           --to REGION/TABLE [its options] [--to REGION/TABLE [its options] …]
           [-- BEAM FLAGS]
       beam-dynamodb copy --resume RUN [-- BEAM FLAGS]

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

  beam-dynamodb copy --source eu-west-1/orders --via-export --catch-up \\
      --export-to s3://my-exports --to us-west-2/orders -- --s3_region_name=eu-west-1

  beam-dynamodb copy --job job.yaml --read-percent 5 -- --runner=FlinkRunner
"""

_TAIL = f"""\
Going on
  --resume RUN            go on with a run that was stopped or killed, by its name or
                          directory: what has receipts is not read again. The options
                          are the run's own; a table made anew is refused.

The job file
  --job FILE              read options from a YAML file: the names above with _ for -,
                          and the targets as a list under 'to', each with 'to' and
                          its own options. What is said here too takes the file's
                          place; any --to here takes the place of the whole list.

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb copy``."""
    return draw_help(_HEAD, _TAIL, CopyOptions, TargetOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Checks, runs and accounts for a copy, in the foreground.

    Progress goes to standard error; the plan and the account to standard output, of
    which the account in one line is the last.

    Raises:
        UserError: bad input; nothing was written.
        JobStoppedError: the job failed, or its accounts do not balance.
        KeyboardInterrupt: somebody stopped it.
    """
    run_name, left = resumed_words(words)
    if run_name is not None:
        resumed, options, beam_words = open_resumed(run_name, left, "copy", CopyOptions)
        with debugging(options):
            return _resume(resumed, options, beam_words)
    options, beam_words = read_options(left, CopyOptions, TargetOptions)
    with debugging(options):
        return run_copy(options, beam_words)


def run_copy(options: CopyOptions, beam_words: Sequence[str]) -> ExitCode:
    """Runs a copy of checked options; see `run`."""
    if options.via_export:
        return copy_via_export(options, beam_words)
    beam_options = check_runner(options, beam_words, CopyOptions, TargetOptions)
    if options.on_reject == "collect" or options.keep_superseded:
        check_run_dir(options, beam_options)
    request = copy_tables.copy_request(options)
    transport = options.transport_config
    targets = plan_targets(
        request.source, request.routes, targets_of(options.targets), transport
    )
    plan = check_copy(request, transport, targets.as_if)
    if not (options.yes or options.dry_run or plan.index or options.limit):
        check_patience(plan.source, plan.read, consistent=options.consistent)
    print("\n".join([*plan.lines(), *targets.lines()]), flush=True)
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    asks = at_terminal and not (options.yes or options.dry_run)
    if options.max_cost is not None or asks:
        report = report_copy(plan, transport, options.estimate_by, targets.not_there)
        print("\n".join(report.estimate_lines()), flush=True)
        report.check_cost(options.max_cost)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE
    if asks and not _agrees():
        print("nothing was written")
        return ExitCode.BAD_INPUT
    started = start_run(options, beam_options, request.source)
    with made_ready(targets, started.directory, transport):
        if targets.creations:
            plan = check_copy(request, transport)  # now that they are there
        return _begin(started, options, plan)


def _begin(started: Run, options: CopyOptions, plan: CopyPlan) -> ExitCode:
    # What a limit leaves out has no receipt, so such a run can't be gone on with.
    routes = () if options.limit else tuple(_names(plan))
    started = replace(started, context=replace(started.context, accounted=routes))
    planned = copy_tables.planned_options(options, plan)
    planned = replace(
        planned,
        run_dir=started.directory.kept,
        pause_file=started.context.pause_file,  # whole, as a resumption needs it
    )
    spec = RunSpec(options=planned, target=TargetOptions, run=started.context)
    started.directory.spec.write_text(spec.to_json(), encoding="utf-8")
    ledger = started.context.ledger
    if ledger is not None and routes:
        store = open_store(ledger)
        keep_run(store, spec, options, plan)
    return _run(started, spec, plan)


def _resume(
    resumed: Resumed, options: CopyOptions, beam_words: Sequence[str]
) -> ExitCode:
    """Goes on with a run: what has receipts is not read again."""
    beam_options = check_runner(options, beam_words, CopyOptions, TargetOptions)
    request = copy_tables.copy_request(options)
    plan = check_copy(request, options.transport_config)
    check_tables(resumed.record, plan)
    print("\n".join(plan.lines()), flush=True)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE
    context = take_up_run(resumed, options)
    started = resume_run(resumed.directory, context, beam_options, options)
    spec = RunSpec(options=options, target=TargetOptions, run=context)
    return _run(started, spec, plan)


def _run(started: Run, spec: RunSpec, plan: CopyPlan) -> ExitCode:
    FileSystems.set_options(started.beam_options)
    names = _names(plan)
    run_spec = provide(started.beam_options, spec)
    pipeline = started.pipeline()
    copy_tables.build(pipeline, spec.options, run_spec)
    progress = ProgressPrinter(
        sys.stderr,
        monotonic=SystemClock().monotonic,
        routes=names,
        expected_items=plan.source.item_count,
    )
    limit = spec.options.max_rejected

    def show(counts: Mapping[str, int]) -> None:
        progress.show(counts)
        if limit is not None:
            account = make_account(counts, names)
            limit.check(rejected=account.rejected, scanned=account.scanned)

    counters = started.watch(pipeline, show)
    progress.finish(counters)
    counts = started.receipts()
    account = make_account(
        counters if counts is None else counts,
        names,
        is_query=bool(plan.pushed.queries),
    )
    print("\n".join(account.table()))
    for line in _kept_lines(account, spec, plan):
        print(line)
    for line in waiting_lines(counters):
        print(line)
    for line in tie_lines(counters if counts is None else counts, plan):
        print(line)
    code = _conclude(account, is_exact=counts is not None)
    if limit is not None:
        limit.check(rejected=account.rejected, scanned=account.scanned, is_final=True)
    return code


def _agrees() -> bool:
    """Asks at the terminal; anything but yes is no."""
    return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}


def _names(plan: CopyPlan) -> list[str]:
    return [planned.route.name for planned in plan.routes]


def _kept_lines(account: Account, spec: RunSpec, plan: CopyPlan) -> Iterator[str]:
    """Yields what is said of the items that were kept aside."""
    options: CopyOptions = spec.options
    assert options.run_dir is not None  # of a run that has begun
    superseded = sum(route.superseded for route in account.routes)
    kept = ["rejected"] if account.rejected else []
    kept += ["superseded"] if superseded and options.keep_superseded else []
    for what in kept:
        yield from kept_lines(
            what, options.run_dir, spec.run, plan, show_keys=options.show_keys
        )


def _conclude(account: Account, *, is_exact: bool) -> ExitCode:
    if not is_exact:
        print(
            "counts are approximate: without receipts in a ledger, what a runner did "
            "twice may be counted twice"
        )
    print(account.line(), flush=True)
    if not account.balances:
        raise JobStoppedError(
            "the accounts do not balance: scanned is not written + filtered + skipped "
            "+ superseded + rejected on every route; run it again, which is safe, and "
            "please report it"
        )
    return ExitCode.REJECTED if account.rejected else ExitCode.DONE
