"""Options to a finished job: checks, plan, run, progress, account, exit code."""

import logging
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    WorkerOptions,
)

from pipelines import copy_tables
from pipelines.account import Account, make_account
from pipelines.beam_flags import check_beam_flags, is_local
from pipelines.flags import flags_of
from pipelines.job import run_watched
from pipelines.options import CopyOptions, RouteOptions
from pipelines.progress import ProgressPrinter
from pipelines.run_directory import RunDirectory, make_run_id
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.progress import read_progress
from transforms.metrics import counters_of
from transforms.planning.checks import check_copy
from transforms.planning.plan import CopyPlan
from transforms.run_context import RunContext
from transforms.throttle.clock import SystemClock

__all__ = ["ExitCode", "launch_copy"]


class ExitCode(IntEnum):
    """What the command's exit code says."""

    DONE = 0
    REJECTED = 1
    BAD_INPUT = 2
    FAILED = 3


def launch_copy(options: CopyOptions, beam_words: Sequence[str]) -> ExitCode:
    """Checks, runs and accounts for a copy, in the foreground.

    Progress goes to standard error; the plan and the account to standard output, of
    which the account in one line is the last.

    Raises:
        UserError: bad input; nothing was written.
        JobStoppedError: the job failed, or its accounts do not balance.
        KeyboardInterrupt: somebody stopped it.
    """
    ours = [*flags_of(CopyOptions).values(), *flags_of(RouteOptions).values()]
    beam_options = check_beam_flags(beam_words, frozenset(one.option for one in ours))
    _share_workers(options, beam_options)
    request = copy_tables.copy_request(options)
    plan = check_copy(request, TransportConfig(kind=options.transport))
    print("\n".join(plan.lines()), flush=True)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE
    if is_local(beam_options) and not options.debug:
        _quieten(beam_options)
    run_id = make_run_id(SystemClock().wall(), random.SystemRandom())
    directory = RunDirectory.create(options.run_dir, run_id)
    print(f"run {run_id} in {directory.path}", flush=True)
    options = replace(options, run_dir=str(directory.path))
    account = _run(options, beam_options, plan, run_id, directory)
    return _conclude(account, directory)


def _quieten(beam_options: PipelineOptions) -> None:
    """Keeps the tracebacks that Beam logs away: the error itself is said at the end."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    worker = beam_options.view_as(WorkerOptions)
    worker.default_sdk_harness_log_level = (
        worker.default_sdk_harness_log_level or "CRITICAL"
    )


def _share_workers(options: CopyOptions, beam_options: PipelineOptions) -> None:
    """Makes the runner use as many workers as the rates are shared by."""
    direct = beam_options.view_as(DirectOptions)
    if not is_local(beam_options):
        if options.workers is None:
            raise UserError(
                "--workers is missing: each worker takes its share of every rate, so "
                "say how many Python workers this runner starts"
            )
        return
    workers = options.workers or 1
    if direct.direct_num_workers not in (1, workers):
        raise UserError(
            f"--direct_num_workers={direct.direct_num_workers} after -- is not "
            f"--workers {workers}; say --workers alone"
        )
    if workers > 1:
        direct.direct_num_workers = workers
        direct.direct_running_mode = "multi_processing"


def _run(
    options: CopyOptions,
    beam_options: PipelineOptions,
    plan: CopyPlan,
    run_id: str,
    directory: RunDirectory,
) -> Account:
    names = [planned.route.name for planned in plan.routes]
    shares_files = _shares_files(beam_options)
    run = RunContext(
        run_id=run_id,
        progress_path=str(directory.ledger) if shares_files else None,
        workers=plan.request.workers,
    )
    pipeline = beam.Pipeline(options=beam_options)
    copy_tables.build(pipeline, options, plan, run)
    progress = ProgressPrinter(
        sys.stderr,
        monotonic=SystemClock().monotonic,
        routes=names,
        expected_items=plan.source.item_count,
    )

    def counts() -> dict[str, int]:
        return read_progress(directory.ledger) if directory.ledger.exists() else {}

    result = run_watched(pipeline, lambda: progress.show(counts()))
    counters = counters_of(result)
    progress.finish(counters)
    return make_account(counters, names)


def _shares_files(beam_options: PipelineOptions) -> bool:
    """True if the workers run on this host, where one SQLite file serves them all."""
    portable = beam_options.view_as(PortableOptions)
    return is_local(beam_options) or portable.environment_type == "LOOPBACK"


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
