"""A query on Beam's runners: cut into stages, run, and its result brought here."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace

import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.launch import check_run_dir, start_run
from pipelines.query_options import QueryOptions
from pipelines.query_progress import StageProgress
from pipelines.run_directory import RunDirectory
from transforms import metrics
from transforms.planning.checks import splits_for
from transforms.query.cutting import CutQuery
from transforms.query.plan import QueryPlan
from transforms.query.reading import Reading
from transforms.query.run_stages import StageOptions
from transforms.query.stage_query import (
    StageRun,
    WriteRows,
    add_query,
    cut_plan,
    read_rows,
)
from transforms.query.stages import draw_stages
from transforms.throttle.clock import SystemClock

__all__ = ["BeamQuery", "BeamResult", "aside_in", "aside_of", "prepare"]


@dataclass(frozen=True, slots=True)
class BeamResult:
    """What a query has given.

    Attributes:
        batches: its rows.
        aside: where items that do not fit are kept; None if all fitted.
    """

    batches: Iterator[pa.RecordBatch]
    aside: str | None


def aside_of(counters: Mapping[str, int], directory: RunDirectory) -> str | None:
    """Returns where a finished job has kept items aside, if it did."""
    kept = counters.get(metrics.KEPT_ASIDE.name, 0)
    return aside_in(directory) if kept else None


def aside_in(directory: RunDirectory) -> str:
    """Returns where a run keeps items that do not fit."""
    return f"{directory.kept}/aside"


@dataclass(frozen=True, slots=True)
class BeamQuery:
    """A query that can run on Beam.

    Attributes:
        options: as said.
        plan: what is read.
        cut: its stages.
        beam_options: the runner's.
    """

    options: QueryOptions
    plan: QueryPlan
    cut: CutQuery
    beam_options: PipelineOptions

    def lines(self) -> list[str]:
        """Returns the stages as people read them."""
        return [
            "stages, the last first",
            *(f"  {x}" for x in draw_stages(self.cut.last)),
        ]

    @property
    def schema(self) -> pa.Schema:
        """The result's, as Arrow has it."""
        return self.cut.arrow_schema()

    @contextmanager
    def run(self, reading: Reading) -> Iterator["BeamResult"]:
        """Runs the query, and gives its result.

        Raises:
            JobStoppedError: the job failed, or its result cannot be read here.
        """
        with redirect_stdout(sys.stderr):  # standard output is the result's
            started = start_run(self.options, self.beam_options, self.plan.table)
        directory = self.options.result_dir or f"{started.directory.kept}/result"
        run = StageRun(
            replace(reading, run=started.context),
            StageOptions(self.options.partitions, self.options.memory_mb // 4),
            splits_for(started.context.workers, None),
            aside_in(started.directory),
        )
        pipeline = started.pipeline()
        _ = add_query(pipeline, self.plan, self.cut, run) | "Result" >> WriteRows(
            directory
        )
        progress = StageProgress(self.plan, sys.stderr, SystemClock().monotonic)
        counters: Mapping[str, int] = started.watch(pipeline, progress.show)
        progress.finish(counters)
        names = self.schema.names
        batches = (batch.rename_columns(names) for batch in read_rows(directory))
        yield BeamResult(batches, aside_of(counters, started.directory))


def prepare(
    options: QueryOptions, plan: QueryPlan, beam_options: PipelineOptions
) -> BeamQuery:
    """Checks that a query can run on a runner of Beam's.

    Raises:
        UserError: it cannot be cut into stages, or keeps items where the launcher
            will not find them.
    """
    if options.misfits == "aside":
        check_run_dir(options, beam_options)
    return BeamQuery(options, plan, cut_plan(plan, options.broadcast_mb), beam_options)
