"""A query on Beam's runners: cut into stages, run, and its result brought here."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.launch import check_runner, start_run
from pipelines.query_options import QueryOptions, TableOptions
from pipelines.query_progress import StageProgress
from transforms.dynamodb.errors import UserError
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

__all__ = ["BeamQuery", "prepare"]


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
    def run(self, reading: Reading) -> Iterator[Iterator[pa.RecordBatch]]:
        """Runs the query, and gives the batches of its result.

        Raises:
            JobStoppedError: the job failed, or its result cannot be read here.
        """
        with redirect_stdout(sys.stderr):  # standard output is the result's
            started = start_run(self.options, self.beam_options)
        directory = self.options.result_dir or str(
            Path(started.directory.path, "result")
        )
        run = StageRun(
            reading,
            started.context,
            StageOptions(self.options.partitions, self.options.memory_mb // 4),
            splits_for(started.context.workers, None),
        )
        pipeline = started.pipeline()
        _ = add_query(pipeline, self.plan, self.cut, run) | "Result" >> WriteRows(
            directory
        )
        progress = StageProgress(self.plan, sys.stderr, SystemClock().monotonic)
        counters: Mapping[str, int] = started.watch(pipeline, progress.show)
        progress.finish(counters)
        names = self.schema.names
        yield (batch.rename_columns(names) for batch in read_rows(directory))


def prepare(
    options: QueryOptions, plan: QueryPlan, beam_words: Sequence[str]
) -> BeamQuery:
    """Checks that a query can run on the runner of these words.

    Raises:
        UserError: unknown flags, or a query that cannot be cut into stages.
    """
    if options.misfits == "aside":
        raise UserError(
            "--misfits aside keeps items in the run directory of one machine; choose "
            "error or null with flags of Beam's"
        )
    beam_options = check_runner(options, beam_words, QueryOptions, TableOptions)
    return BeamQuery(options, plan, cut_plan(plan, options.broadcast_mb), beam_options)
