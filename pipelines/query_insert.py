"""INSERT INTO … SELECT: a copy where it is one, else the rows of a query as items."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from pipelines.copy_command import run_copy
from pipelines.flags import build
from pipelines.launch import ExitCode, Run, check_run_dir, check_runner, start_run
from pipelines.options import CopyOptions
from pipelines.query_cost import check_cost, cost_lines
from pipelines.query_options import QueryOptions, TableOptions
from pipelines.query_progress import StageProgress
from pipelines.query_tables import aside_in, aside_of
from pipelines.run_options import said_of_run
from pipelines.target_options import TargetOptions
from transforms import metrics
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableRef
from transforms.planning.checks import splits_for
from transforms.query.inserts import Copied, Insert, copied
from transforms.query.plan import QueryPlan
from transforms.query.reading import Reading
from transforms.query.row_items import RowsToItems
from transforms.query.run_stages import StageOptions
from transforms.query.stage_query import StageRun, add_query, cut_plan
from transforms.throttle.clock import SystemClock
from transforms.write import WriteRejected, WriteToDynamoDB

__all__ = ["run_inserts"]


def run_inserts(
    options: QueryOptions,
    inserts: Sequence[tuple[Insert, QueryPlan]],
    reading: Reading,
    beam_words: Sequence[str],
) -> ExitCode:
    """Runs INSERTs; those that copy one table are one scan of it.

    Raises:
        UserError: a target that is not there, or that the rows have no key for.
        JobStoppedError: the job failed.
    """
    copies = [_copied(plan) for _, plan in inserts]
    sources = {plan.reads[0].found.named.display for _, plan in inserts if plan.reads}
    whole = [each for each in copies if each is not None]
    if len(whole) == len(copies) and len(sources) == 1:
        return run_copy(copy_options(options, inserts, whole), beam_words)
    return _write_rows(options, inserts, reading, beam_words)


def _copied(plan: QueryPlan) -> Copied | None:
    if len(plan.reads) != 1:
        return None
    found = plan.reads[0].found
    if not isinstance(found.named.source, TableRef):
        return None
    return copied(plan.statement.text, found.schema)


def copy_options(
    options: QueryOptions,
    inserts: Sequence[tuple[Insert, QueryPlan]],
    copies: Sequence[Copied],
) -> CopyOptions:
    named = inserts[0][1].reads[0].found.named
    source = named.source
    assert isinstance(source, TableRef)
    given = {
        "source": source.display,
        "source_endpoint": source.endpoint_url,
        "source_profile": source.profile,
        "source_role": source.role_arn,
        "source_external_id": source.external_id,
        "source_account": source.account,
        "read_percent": str(named.read) if named.read.kind == "percent" else None,
        "read_units": None if named.read.kind == "percent" else str(named.read),
        "consistent": named.consistent,
        "max_cost": options.max_cost,
        "endpoint": options.endpoint,
        "yes": True,
    }
    given |= said_of_run(options)
    targets = []
    for (insert, _), copy in zip(inserts, copies, strict=True):
        said: dict[str, Any] = {
            "to": insert.target,
            "write_percent": options.write_percent and str(options.write_percent),
            "write_units": options.write_units and str(options.write_units),
            "filter": copy.condition,
            "columns": copy.columns,
        }
        targets.append(build(TargetOptions, _said(said), where=insert.target))
    return build(CopyOptions, _said(given), targets=tuple(targets))


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


# --- any other query ---


def _write_rows(
    options: QueryOptions,
    inserts: Sequence[tuple[Insert, QueryPlan]],
    reading: Reading,
    beam_words: Sequence[str],
) -> ExitCode:
    beam_options = check_runner(options, beam_words, QueryOptions, TableOptions)
    check_run_dir(options, beam_options)
    FileSystems.set_options(beam_options)
    cuts = [cut_plan(plan, options.broadcast_mb) for _, plan in inserts]
    targets = [_target(options, insert, plan) for insert, plan in inserts]
    for (insert, plan), _ in zip(inserts, targets, strict=True):
        print("\n".join([*plan.lines(), *cost_lines(plan), f"write {insert.target}"]))
        check_cost(plan, options.max_cost)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE
    started = start_run(options, beam_options, targets[0])
    stages = StageRun(
        replace(reading, run=started.context),
        StageOptions(options.partitions, options.memory_mb // 4),
        splits_for(started.context.workers, None),
        aside_in(started.directory),
    )
    pipeline = started.pipeline()
    names = []
    for place, (_, plan) in enumerate(inserts):
        name = targets[place].name if len(inserts) == 1 else f"insert-{place + 1}"
        names.append(name)
        own = stages
        if len(inserts) > 1:
            # Each decodes what it needs, so each has misfits of its own.
            own = replace(stages, aside=f"{stages.aside}/{name}")
        rows = pipeline | f"Query of {name}" >> _Query(plan, cuts[place], own)
        _write(rows, plan, targets[place], name, options=options, started=started)
    progress = StageProgress(inserts[0][1], sys.stderr, SystemClock().monotonic)
    counters = started.watch(pipeline, progress.show)
    progress.finish(counters)
    rejected = _account(counters, names, started)
    aside = aside_of(counters, started.directory)
    if aside is not None:
        print(f"items that do not fit are kept in {aside}", file=sys.stderr)
    return ExitCode.REJECTED if aside else rejected


class _Query(beam.PTransform[Any, Any]):
    """A query under a label of its own."""

    def __init__(self, plan: QueryPlan, cut: Any, stages: StageRun) -> None:
        super().__init__()
        self._plan, self._cut, self._stages = plan, cut, stages

    def expand(self, pbegin: Any) -> Any:
        return add_query(pbegin.pipeline, self._plan, self._cut, self._stages)


def _write(
    rows: Any,
    plan: QueryPlan,
    table: TableRef,
    name: str,
    *,
    options: QueryOptions,
    started: Run,
) -> None:
    columns = [column.name for column in plan.result]
    result = (
        rows
        | f"Items of {name}" >> beam.ParDo(RowsToItems(columns))
        | f"Write {name}"
        >> WriteToDynamoDB(
            table,
            write=options.write,
            on_reject="collect",
            name=name,
            run=started.context,
            transport=options.transport_config,
        )
    )
    path = FileSystems.join(started.directory.rejected, name)
    _ = result.rejected | f"Keep rejected of {name}" >> WriteRejected(path)


def _target(options: QueryOptions, insert: Insert, plan: QueryPlan) -> TableRef:
    """Returns the table, if it is there and the rows have its key."""
    table = TableRef.parse(insert.target, endpoint_url=options.endpoint)
    client = client_for(table, options.transport_config)
    keys = worker_loop().run(client.describe_table()).keys
    names = [column.name for column in plan.result]
    for name in keys.names:
        if name not in names:
            raise UserError(
                f"the rows for {table.display} have no column {name!r}, which is its "
                f"key; they have {', '.join(names)}: name one by AS {name}"
            )
    if len(set(names)) < len(names):
        raise UserError(
            f"two columns of the rows for {table.display} have one name; rename by AS"
        )
    return table


def _account(
    counters: Mapping[str, int], names: Sequence[str], started: Run
) -> ExitCode:
    def count(metric: metrics.Metric, name: str) -> int:
        return counters.get(metric.name_of(name), 0)

    rejected = sum(count(metrics.REJECTED, name) for name in names)
    parts = [
        f"{name}: written {count(metrics.WRITTEN, name):,}, "
        f"superseded {count(metrics.SUPERSEDED, name):,}, "
        f"rejected {count(metrics.REJECTED, name):,}"
        for name in names
    ]
    if rejected:
        print(f"rejected items are kept in {started.directory.rejected}")
    print(f"rows: {'; '.join(parts)}", flush=True)
    return ExitCode.REJECTED if rejected else ExitCode.DONE
