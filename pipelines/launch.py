"""From checked options to a finished job: runner, run directory, progress, counters.

    check_runner -> PipelineOptions
    start_run    -> Run: its id, its directory, what its workers know of it
    Run.watch    -> the counters of the finished job

What a command does before and after is its own: see ``copy_command``.
"""

import logging
import math
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineResult

from pipelines.beam_flags import check_beam_flags, is_flink, is_local
from pipelines.flags import flags_of
from pipelines.job import run_watched
from pipelines.job_server import JOB_SERVER_LOG, running_job_server
from pipelines.run_directory import RunDirectory, make_run_id
from pipelines.run_options import RunOptions
from pipelines.runner_checks import refuse_wrong
from pipelines.runner_profiles import read_profile, with_local_parts
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableRef
from transforms.ledger.errors import LedgerUnreachableError
from transforms.ledger.leases import LEASE_SECONDS
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.patience import patiently
from transforms.ledger.progress import read_progress
from transforms.ledger.receipts import read_chains, read_segments, total_of
from transforms.ledger.store import RUNS, LedgerStore, Row
from transforms.metrics import counters_of
from transforms.run_context import RunContext
from transforms.stop import clear_stop, request_stop
from transforms.throttle.clock import SystemClock

__all__ = [
    "ExitCode",
    "Run",
    "check_run_dir",
    "check_runner",
    "debugging",
    "resume_run",
    "shares_files",
    "start_run",
]


_PAID_READ_SECONDS = 5.0  # where every read of the progress costs read units


class ExitCode(IntEnum):
    """What the command's exit code says."""

    DONE = 0
    REJECTED = 1
    BAD_INPUT = 2
    FAILED = 3


@contextmanager
def debugging(options: RunOptions) -> Iterator[None]:
    """Shows where an error is from, if ``--debug`` asks for it."""
    try:
        yield
    except Exception:
        if options.debug:
            traceback.print_exc()
        raise


def check_runner(
    options: RunOptions, beam_words: Sequence[str], *ours: type[Any]
) -> PipelineOptions:
    """Returns Beam's options for the words after ``--``.

    Args:
        options: tells how many workers share the rates.
        beam_words: the words.
        ours: the options classes of the command, whose flags belong before ``--``.

    Raises:
        UserError: a flag nobody knows, or workers that contradict each other.
    """
    known = frozenset(one.option for each in ours for one in flags_of(each).values())
    profile = read_profile(options.runner_profile) if options.runner_profile else []
    words = with_local_parts([*profile, *beam_words])
    beam_options = check_beam_flags(words, known)
    _share_workers(options, beam_options)
    return beam_options


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun: it has a directory, and nothing was read yet.

    Attributes:
        beam_options: Beam's.
        directory: where it keeps what it notes.
        context: what its workers know of it.
        command: that began it, and may go on with it.
    """

    beam_options: PipelineOptions
    directory: RunDirectory
    context: RunContext
    command: str = "copy"

    def pipeline(self) -> beam.Pipeline:
        """Returns an empty pipeline on the run's runner."""
        return beam.Pipeline(options=self.beam_options)

    def watch(
        self, pipeline: beam.Pipeline, show: Callable[[Mapping[str, int]], None]
    ) -> dict[str, int]:
        """Runs the pipeline to its end; returns its counters by full name.

        Args:
            pipeline: what to run.
            show: is given the counts so far, some times a second; empty where the
                workers cannot report while they run.

        Raises:
            JobStoppedError: the job failed.
            KeyboardInterrupt: somebody stopped it.
        """
        log = self.directory.path / JOB_SERVER_LOG
        with running_job_server(pipeline.options, log):
            try:
                # The job server is also who knows the counters.
                return counters_of(self._run(pipeline, show))
            except JobStoppedError as error:
                if not log.exists():
                    raise
                raise JobStoppedError(
                    f"{error}; the whole story is in {log}, and what the workers said "
                    "in the logs of the cluster"
                ) from error

    def _run(
        self, pipeline: beam.Pipeline, show: Callable[[Mapping[str, int]], None]
    ) -> PipelineResult:
        ledger, run = self.context.ledger, self.context
        if ledger is None:
            return run_watched(pipeline, lambda: show({}))
        reader = _ProgressReader(open_store(ledger), self.context.run_id)
        interval = _PAID_READ_SECONDS if ledger.serves_hosts else 0.0
        try:
            return run_watched(
                pipeline,
                lambda: show(reader.read(interval)),
                lambda: request_stop(run),
            )
        except KeyboardInterrupt as interrupt:
            if not run.accounted:
                raise
            raise KeyboardInterrupt(f"goes on with: {self._resumption}") from interrupt
        except JobStoppedError as error:
            if not run.accounted or "--resume" in str(error):
                raise
            raise JobStoppedError(f"{error}; go on with: {self._resumption}") from error

    @property
    def _resumption(self) -> str:
        return f"beam-dynamodb {self.command} --resume {self.directory.path}"

    def follow_up(self, name: str) -> "Run":
        """Returns a run of its own for a job that follows, in the same ledger."""
        context = replace(self.context, run_id=f"{self.context.run_id}-{name}")
        if context.ledger is not None:
            open_store(context.ledger).put_many([Row(RUNS, context.run_id, 1, b"")])
        return replace(self, directory=self.directory.below(name), context=context)

    def receipts(self) -> dict[str, int] | None:
        """Returns the counts of the run's receipts; None where none are written.

        Raises:
            JobStoppedError: the job ended well, and yet some receipts are missing.
        """
        run = self.context
        if run.ledger is None or not run.accounted:
            return None
        store = open_store(run.ledger)
        segments = patiently(lambda: read_segments(store, run.run_id)) or 0
        chains = patiently(lambda: read_chains(store, run.run_id))
        done = sum(chain.is_done for chain in chains.values())
        if not segments or done < segments:
            raise JobStoppedError(
                f"the receipts of {segments - done:,} of {segments:,} segments are not "
                f"complete; go on with: beam-dynamodb copy --resume {run.run_id}"
            )
        return total_of(chains.values())


class _ProgressReader:
    """Reads the progress, no more often than told; keeps what it read last."""

    def __init__(self, store: LedgerStore, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._clock = SystemClock()
        self._read_at = -math.inf
        self._counts: Mapping[str, int] = {}

    def read(self, interval_seconds: float) -> Mapping[str, int]:
        """Returns the counts, old ones while the ledger does not answer."""
        now = self._clock.monotonic()
        if now - self._read_at >= interval_seconds:
            self._read_at = now
            with suppress(LedgerUnreachableError):
                self._counts = read_progress(self._store, self._run_id)
        return self._counts


def check_run_dir(options: RunOptions, beam_options: PipelineOptions) -> None:
    """Refuses to keep rejected items where only the worker that wrote them looks.

    For every command that keeps some, before anything is read.

    Raises:
        UserError: workers are on other machines, and no place is named.
    """
    if options.run_dir is None and not shares_files(beam_options):
        raise UserError(
            "--run-dir is missing: workers on other machines keep rejected items "
            "there, so name a place that all of them share, as s3://BUCKET/PREFIX"
        )


def start_run(
    options: RunOptions,
    beam_options: PipelineOptions,
    beside: TableRef | None = None,
) -> Run:
    """Makes the run directory and says where it is; makes the ledger.

    Args:
        options: may name the directory and the ledger.
        beam_options: tell where the workers run.
        beside: the table that is read, or the first that is written where none is: a
            DynamoDB ledger is in its region if no other is named, at its endpoint,
            and used with its credentials.

    Raises:
        UserError: the runner lacks something; or the directory cannot be made, or has
            an earlier run's ledger; or the ledger can't be used, or not by those
            workers.
    """
    chosen = _said_ledger(options, beam_options, beside)
    refuse_wrong(beam_options)
    if is_local(beam_options) and not options.debug:
        _quieten(beam_options)
    run_id = make_run_id(SystemClock().wall(), random.SystemRandom())
    directory = RunDirectory.create(options.run_dir, run_id)
    print(f"run {run_id} in {directory.path}", flush=True)
    ledger = _choose_ledger(chosen, directory, beam_options)
    if ledger is not None:
        store = open_store(ledger)
        store.prepare()
        store.put_many([Row(RUNS, run_id, 1, b"")])
    return Run(beam_options, directory, options.run_context(run_id, ledger))


def resume_run(
    directory: RunDirectory,
    context: RunContext,
    beam_options: PipelineOptions,
    options: RunOptions,
) -> Run:
    """Goes on with a run whose epoch is new.

    Waits until the leases of whoever wrote before have ended: a request of theirs
    that is on its way now would come after ours.

    Raises:
        UserError: the runner lacks something.
    """
    refuse_wrong(beam_options)
    if is_local(beam_options) and not options.debug:
        _quieten(beam_options)
    clear_stop(context)
    print(
        f"run {context.run_id} goes on in {directory.path}, after {LEASE_SECONDS:g} s "
        "in which earlier workers end",
        flush=True,
    )
    worker_loop().run(SystemClock().sleep(LEASE_SECONDS))
    return Run(beam_options, directory, context)


def _said_ledger(
    options: RunOptions, beam_options: PipelineOptions, beside: TableRef | None
) -> LedgerLocation | None:
    if not options.ledger:
        return None
    said = LedgerLocation.parse(options.ledger, beside, options.transport_config)
    if not (said.serves_hosts or shares_files(beam_options)):
        raise UserError(
            f"--ledger {said} serves the processes of one host, and this runner's "
            "workers may be on others; give dynamodb:REGION/TABLE"
        )
    return said


def _choose_ledger(
    chosen: LedgerLocation | None,
    directory: RunDirectory,
    beam_options: PipelineOptions,
) -> LedgerLocation | None:
    if not shares_files(beam_options):
        if chosen is None:
            print(
                "no --ledger: each worker keeps to an even share of every rate, and "
                "the share of a worker that is idle or gone is not used",
                file=sys.stderr,
            )
        return chosen
    return chosen or LedgerLocation.in_directory(directory.path)


def _quieten(beam_options: PipelineOptions) -> None:
    """Keeps the tracebacks that Beam logs away: the error itself is said at the end."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    worker = beam_options.view_as(WorkerOptions)
    worker.default_sdk_harness_log_level = (
        worker.default_sdk_harness_log_level or "CRITICAL"
    )


def _share_workers(options: RunOptions, beam_options: PipelineOptions) -> None:
    """Makes the runner use as many workers as the rates are shared by."""
    direct = beam_options.view_as(DirectOptions)
    if not is_local(beam_options):
        if options.workers is None:
            raise UserError(
                "--workers is missing: each worker takes its share of every rate, so "
                "say how many Python workers this runner starts"
            )
        flink = beam_options.view_as(FlinkRunnerOptions)
        if is_flink(beam_options) and flink.parallelism < 1:
            flink.parallelism = options.workers
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


def shares_files(beam_options: PipelineOptions) -> bool:
    """True if the workers run on this host, where one SQLite file serves them all."""
    portable = beam_options.view_as(PortableOptions)
    return is_local(beam_options) or portable.environment_type == "LOOPBACK"
