"""``beam-dynamodb query``: SQL over tables of several regions."""

import random
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import query_tables
from pipelines.command_line import read_options
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.launch import ExitCode, check_runner, debugging
from pipelines.query_aside import KeptAside
from pipelines.query_cost import check_cost, cost_lines
from pipelines.query_insert import run_inserts
from pipelines.query_options import QueryOptions, TableOptions
from pipelines.query_output import (
    write_csv,
    write_json,
    write_parquet,
    write_table,
    writing,
)
from pipelines.query_progress import QueryProgress
from pipelines.run_directory import RunDirectory, make_run_id
from transforms.query.inserts import parse_inserts
from transforms.query.local import run_locally
from transforms.query.plan import QueryPlan, QueryRequest, check_query
from transforms.query.reading import Reading
from transforms.query.schema import quote_name
from transforms.query.statement import Statement, parse_query
from transforms.throttle.clock import SystemClock

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb query 'SELECT …' [options]
           [--table NAME=REGION/TABLE [its options] …] [-- BEAM FLAGS]

Runs SQL, in DuckDB's dialect, over DynamoDB tables of any regions and over backups,
and reads of them no more than the query needs. Nothing is written but the result,
which INSERT INTO "REGION/TABLE" SELECT … makes items of a table.

Examples
  beam-dynamodb query "SELECT c.country, count(*), sum(o.total) FROM orders o
      JOIN customers c ON c.id = o.customer GROUP BY ALL" \\
      --table orders=eu-west-1/orders --read-percent 10 \\
          --schema 'id VARCHAR, customer VARCHAR, total DECIMAL(38,2)' \\
      --table customers=us-east-1/customers

  beam-dynamodb query 'SELECT * FROM "eu-west-1/orders" LIMIT 10'

  beam-dynamodb query "SELECT day, sum(total) FROM 's3://backup/orders/*.parquet'
      GROUP BY day" --out csv --to totals.csv

  beam-dynamodb query 'INSERT INTO "us-west-2/late" SELECT * FROM "eu-west-1/orders"
      WHERE days > 31'

  beam-dynamodb query 'EXPLAIN SELECT count(*) FROM "eu-west-1/orders"'
"""

_TAIL = f"""\
The job file
  --job FILE              read options from a YAML file: the names above with _ for -,
                          and the tables as a list under 'table', each with 'table'
                          and its own options.

EXPLAIN before the query, or --dry-run, prints what would be read and what it takes.
Progress goes to standard error, the result alone to standard output.

Without --runner-profile and -- the query runs in this process, on one machine. With
one of them, even --runner=DirectRunner, it is cut into stages for Beam's runners.

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb query``."""
    return draw_help(_HEAD, _TAIL, QueryOptions, TableOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Checks and runs a query, and writes its result.

    Raises:
        UserError: bad input; nothing was read but samples.
        JobStoppedError: a read failed, an item does not fit, or memory and disk do
            not suffice.
        KeyboardInterrupt: somebody stopped it.
    """
    words = list(words)
    if words and not words[0].startswith("-"):
        words[:1] = ["--sql", words[0]]
    options, beam_words = read_options(words, QueryOptions, TableOptions)
    with debugging(options):
        return _query(options, beam_words)


def _query(options: QueryOptions, beam_words: Sequence[str]) -> ExitCode:
    on_beam_words = bool(beam_words or options.runner_profile)
    beam_options = PipelineOptions([])
    if on_beam_words:
        beam_options = check_runner(options, beam_words, QueryOptions, TableOptions)
    FileSystems.set_options(beam_options)  # of backups, and of where results are kept
    kept = KeptAside(lambda: _run_directory(options))
    reading = Reading(
        # Samples and queries on one machine: nobody shares the rate.
        run=replace(options.run_context(_run_id()), workers=1),
        transport=options.transport_config,
        misfits=options.misfits,
        keep_aside=kept.keep,
    )
    text = options.text
    if options.out == "dynamodb":
        assert options.to is not None
        text = f"INSERT INTO {quote_name(options.to)} {text}"
    inserts = parse_inserts(text)
    if inserts:
        plans = [_checked(options, parse_query(one.select), reading) for one in inserts]
        pairs = list(zip(inserts, plans, strict=True))
        return run_inserts(options, pairs, reading, beam_words)
    request = parse_query(text)
    plan = _checked(options, request, reading)
    on_beam = None
    if on_beam_words:
        on_beam = query_tables.prepare(options, plan, beam_options)
    if options.dry_run or request.explains:
        stages = on_beam.lines() if on_beam else []
        print("\n".join([*plan.lines(), *cost_lines(plan), *stages]))
        check_cost(plan, options.max_cost)
        return ExitCode.DONE
    check_cost(plan, options.max_cost)
    if on_beam is not None:
        with on_beam.run(reading) as result:
            _write(options, plan, on_beam.schema, result.batches)
        return _say_aside(result.aside)
    progress = QueryProgress(plan, sys.stderr, SystemClock().monotonic)
    with (
        closing(kept),
        run_locally(
            plan, reading, memory_mb=options.memory_mb, show=progress.show
        ) as running,
    ):
        progress.clear()
        _write(options, plan, running.schema, running)
        progress.finish(running.counts)
    return _say_aside(kept.directory)


def _say_aside(place: Path | str | None) -> ExitCode:
    if place is None:
        return ExitCode.DONE
    print(f"items that do not fit are kept in {place}", file=sys.stderr)
    return ExitCode.REJECTED


def _checked(
    options: QueryOptions, statement: Statement, reading: Reading
) -> QueryPlan:
    request = QueryRequest(
        statement=statement,
        tables=options.tables(),
        inline=options.inline,
        sample_items=options.sample,
    )
    return check_query(request, reading)


def _write(
    options: QueryOptions,
    plan: QueryPlan,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
) -> None:
    if options.out == "parquet":
        assert options.to is not None
        write_parquet(schema, batches, options.to)
        return
    writers = {"table": write_table, "csv": write_csv, "json": write_json}
    write = writers[options.out]
    with writing(options.to, sys.stdout) as stream:
        write(plan.result, batches, stream)
        stream.flush()


def _run_id() -> str:
    return make_run_id(SystemClock().wall(), random.SystemRandom())


def _run_directory(options: QueryOptions) -> Path:
    return RunDirectory.create(options.run_dir, _run_id()).path
