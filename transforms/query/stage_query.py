"""A planned query as stages: what the command runs on Beam's runners."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.archive.files import join
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.query.aside import plain_name
from transforms.query.cutting import CutQuery
from transforms.query.plan import QueryPlan
from transforms.query.query_items import cut_text
from transforms.query.reading import Reading
from transforms.query.rows import Rows
from transforms.query.run_stages import RunStages, StageOptions
from transforms.query.table_rows import ReadTableRows

__all__ = ["StageRun", "WriteRows", "add_query", "cut_plan", "read_rows"]

_MEGABYTE = 1_000_000
_LIST = "files.json"


def cut_plan(plan: QueryPlan, broadcast_mb: int) -> CutQuery:
    """Cuts a planned query; tables up to `broadcast_mb` go to every worker.

    Raises:
        UserError: it cannot be cut; says why, and the way out.
    """
    if not plan.reads:
        raise UserError(
            "the query reads no table; run it on one machine, without flags of Beam's"
        )
    schemas = {read.name: read.found.schema for read in plan.reads}
    small = [
        read.name
        for read in plan.reads
        if read.found.description is not None
        # A new table's size is not known for hours; then it counts as big.
        and 0 < read.found.description.size_bytes <= broadcast_mb * _MEGABYTE
    ]
    return cut_text(plan.statement.text, schemas, small)[0]


@dataclass(frozen=True, slots=True)
class StageRun:
    """How a query runs on Beam.

    Attributes:
        reading: how tables are read.
        options: of the stages.
        splits: parts of each scan.
        aside: the directory in which workers keep items that do not fit.
    """

    reading: Reading
    options: StageOptions
    splits: int
    aside: str


def add_query(
    pipeline: beam.Pipeline, plan: QueryPlan, cut: CutQuery, run: StageRun
) -> beam.PCollection[Rows]:
    """Adds a query to a pipeline and returns its rows."""
    tables = {
        read.name: pipeline
        | f"Read {read.name}"
        >> ReadTableRows(
            read,
            run.reading,
            run.splits,
            join(run.aside, f"{place:02}-{plain_name(read.name)}"),
        )
        for place, read in enumerate(plan.reads)
    }
    rows: beam.PCollection[Rows] = tables | "Query" >> RunStages(cut.last, run.options)
    return rows


class WriteRows(beam.PTransform[beam.PCollection[Rows], beam.PCollection[str]]):
    """Keeps rows as Arrow files, one a bundle, on any of Beam's file systems.

    Rows of one bundle stay in order, so those of an ORDER BY do, which come from one
    partition. A list of the files is written last: a bundle that was run twice has
    left a file that is not in it.
    """

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory

    def expand(self, pcoll: beam.PCollection[Rows]) -> beam.PCollection[str]:
        """Returns the list's name."""
        name: beam.PCollection[str] = (
            pcoll
            | "Write files" >> beam.ParDo(_WriteFile(self._directory))
            | "All files" >> beam.combiners.ToList()
            | "Write their list" >> beam.Map(_write_list, self._directory)
        )
        return name


class _WriteFile(beam.DoFn):
    """Writes the rows of a bundle to a file of its own."""

    def __init__(self, directory: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._directory = directory

    def start_bundle(self) -> None:
        self._name = ""

    def process(self, rows: Rows) -> None:
        if not self._name:
            self._name = FileSystems.join(self._directory, f"{uuid.uuid4().hex}.arrow")
            self._file = FileSystems.create(self._name)
            self._writer = pa.ipc.new_stream(self._file, rows.batch.schema)
        self._writer.write_batch(rows.batch)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._name:
            self._writer.close()
            self._file.close()
            yield GlobalWindows.windowed_value(self._name)

    def infer_output_type(self, _input_type: object) -> type[str]:
        return str


def _write_list(names: list[str], directory: str) -> str:
    name: str = FileSystems.join(directory, _LIST)
    with FileSystems.create(name) as file:
        file.write(json.dumps(names).encode())
    return name


def read_rows(directory: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows that a finished job has kept.

    Raises:
        JobStoppedError: they are not where the launcher can see them.
    """
    try:
        with FileSystems.open(FileSystems.join(directory, _LIST)) as file:
            names = json.loads(file.read())
        for name in names:
            with FileSystems.open(name) as file, pa.ipc.open_stream(file) as reader:
                yield from reader
    except (OSError, BeamIOError) as error:
        raise JobStoppedError(
            f"the result in {directory} cannot be read here: {error}; name a directory "
            "that workers and launcher share, as --result-dir s3://…"
        ) from error
