"""The copy: one scan, filtered once, branched to several tables. Wiring only."""

from pathlib import Path

import apache_beam as beam

from pipelines.options import CopyOptions
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.plan import CopyPlan, CopyRequest
from transforms.run_context import RunContext
from transforms.scan import ReadFromDynamoDB
from transforms.write import WriteRejected, WriteToRegions

__all__ = ["build", "copy_request"]


def copy_request(options: CopyOptions) -> CopyRequest:
    """Returns what the options ask for, to be checked."""
    return CopyRequest(
        source=options.source_table,
        read=options.read,
        routes=tuple(options.routes()),
        filter=options.filter,
        columns=options.columns,
        index=options.index,
        consistent=options.consistent,
        segments=options.segments,
        workers=options.workers or 1,
    )


def build(
    pipeline: beam.Pipeline, options: CopyOptions, plan: CopyPlan, run: RunContext
) -> None:
    """Adds the copy to a pipeline.

    Args:
        pipeline: where to add it.
        options: page size, transport, and what becomes of rejected items; they are
            kept below ``options.run_dir``, which must be set to collect them.
        plan: the tables, rates and routes.
        run: the run that the workers report to.
    """
    request = plan.request
    transport = TransportConfig(kind=options.transport)
    routes = [planned.at_rate for planned in plan.routes]
    result = (
        pipeline
        | "Scan the source"
        >> ReadFromDynamoDB(
            request.source,
            read=plan.read.rate,
            consistent=request.consistent,
            segments=plan.segments,
            splits=plan.splits,
            index=request.index,
            page_limit=options.page_limit,
            run=run,
            transport=transport,
        )
        | "Copy to all targets"
        >> WriteToRegions(
            routes,
            filter=request.filter,
            columns=request.columns,
            on_reject=options.on_reject,
            keys_unique=plan.keys_are_unique,
            run=run,
            transport=transport,
        )
    )
    if options.on_reject == "collect" and options.run_dir:
        for route in routes:
            path = Path(options.run_dir, "rejected", route.name)
            rejected = result[route.name].rejected
            _ = rejected | f"Keep rejected of {route.name}" >> WriteRejected(str(path))
