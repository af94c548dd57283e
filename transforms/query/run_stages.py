"""From stages to a Beam pipeline: one step a stage, each node once."""

import itertools
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsList

from transforms.query.duck import DEFAULT_MEMORY_MB
from transforms.query.rows import Rows
from transforms.query.stage_dofns import PartitionRows, RunMap, RunPartition
from transforms.query.stages import Flattened, Input, Map, Node, Partitioned, Scan

__all__ = ["RunStages", "StageOptions"]


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How stages run.

    Attributes:
        partitions: how many a hash partitioning makes; some times the workers.
        memory_mb: the cap of each DuckDB; a worker process has one a step.
    """

    partitions: int = 16
    memory_mb: int = DEFAULT_MEMORY_MB // 4


class RunStages(beam.PTransform[Any, beam.PCollection[Rows]]):
    """Runs a query's stages over the rows of its tables.

    Args:
        last: the stage whose rows come out.
        options: how.
    """

    def __init__(self, last: Node, options: StageOptions) -> None:
        super().__init__()
        self._last, self._options = last, options

    def expand(self, tables: Any) -> beam.PCollection[Rows]:
        """Returns the rows of the last stage.

        Args:
            tables: a mapping of the rows of each table, by its name in the query.
        """
        return _Builder(dict(tables), self._options).build(self._last)


class _Builder:
    def __init__(
        self, tables: dict[str, beam.PCollection[Rows]], options: StageOptions
    ) -> None:
        self._tables, self._options = tables, options
        self._built: dict[Node, beam.PCollection[Rows]] = {}
        self._numbers = itertools.count(1)
        self._root = next(iter(tables.values())).pipeline

    def build(self, node: Node) -> beam.PCollection[Rows]:
        """Returns a node's rows; a node that two stages read is run once."""
        if node not in self._built:
            self._built[node] = self._make(node, f"{next(self._numbers)}")
        return self._built[node]

    def _make(self, node: Node, number: str) -> beam.PCollection[Rows]:
        match node:
            case Scan(name):
                return self._tables[name]
            case Flattened(sources):
                parts = tuple(map(self.build, sources))
                every: beam.PCollection[Rows] = (
                    parts | f"All of {number}" >> beam.Flatten()
                )
                return every
            case Map():
                source = self.build(node.source)
                rows: beam.PCollection[Rows] = (
                    source
                    | f"In each bundle {number}"
                    >> beam.ParDo(
                        RunMap(node, self._options.memory_mb),
                        *self._sides(node.broadcasts),
                    )
                )
                return rows
            case Partitioned():
                return self._partitioned(node, number)

    def _partitioned(self, node: Partitioned, number: str) -> beam.PCollection[Rows]:
        parts = [
            self.build(each.node)
            | f"To partitions {number}.{place}"
            >> beam.ParDo(PartitionRows(each.keys, self._options.partitions, place))
            for place, each in enumerate(node.inputs)
        ]
        if not any(each.keys for each in node.inputs):
            # One place has a result though no row comes there: count(*) is 0.
            nobody = (0, (-1, Rows(pa.record_batch([pa.nulls(0)], names=["none"]))))
            parts.append(
                self._root
                | f"At least once {number}"
                >> beam.Create([nobody]).with_output_types(tuple[int, tuple[int, Rows]])
            )
        rows: beam.PCollection[Rows] = (
            tuple(parts)
            | f"Both sides {number}" >> beam.Flatten()
            | f"By partition {number}" >> beam.GroupByKey()
            | f"In partitions {number}"
            >> beam.ParDo(
                RunPartition(node, self._options.memory_mb),
                *self._sides(node.broadcasts),
            ).with_output_types(Rows)
        )
        return rows

    def _sides(self, broadcasts: tuple[Input, ...]) -> list[AsList]:
        return [AsList(self.build(each.node)) for each in broadcasts]
