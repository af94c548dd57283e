"""The backup: one scan, filtered and mapped, into files. Wiring only."""

import apache_beam as beam

from pipelines.backup_options import BackupOptions
from transforms.archive.files import join
from transforms.archive.write_backup import WriteBackup
from transforms.archive.write_files import BackupSpec
from transforms.planning.plan import CopyPlan, CopyRequest
from transforms.run_context import RunContext
from transforms.scan import ReadFromDynamoDB
from transforms.write import FilterAndMapItems

__all__ = ["backup_request", "build"]


def backup_request(options: BackupOptions) -> CopyRequest:
    """Returns what the options ask to be read, to be checked."""
    return CopyRequest(
        source=options.source_table,
        read=options.read,
        routes=(),
        filter=options.filter,
        columns=options.columns,
        index=options.index,
        consistent=options.consistent,
        segments=options.segments,
        workers=options.workers or 1,
    )


def build(
    pipeline: beam.Pipeline,
    options: BackupOptions,
    plan: CopyPlan,
    spec: BackupSpec,
    run: RunContext,
) -> None:
    """Adds the backup to a pipeline.

    Args:
        pipeline: where to add it.
        options: page size, transport, and what becomes of rejected items; they are
            kept below ``options.run_dir``, which must be set to collect them.
        plan: the source, and at what rate it is read.
        spec: the files.
        run: the run that the workers report to.
    """
    request = plan.request
    items = pipeline | "Scan the source" >> ReadFromDynamoDB(
        request.source,
        read=plan.read.rate,
        consistent=request.consistent,
        segments=plan.segments,
        splits=plan.splits,
        index=request.index,
        page_limit=options.page_limit,
        run=run,
        transport=options.transport_config,
    )
    if request.filter or request.columns:
        items |= "Keep what is asked for" >> FilterAndMapItems(
            filter=request.filter, columns=request.columns, run=run
        )
    _ = items | "Write the backup" >> WriteBackup(
        spec=spec,
        on_reject=options.on_reject,
        run=run,
        rejected_directory=options.run_dir and join(options.run_dir, "rejected"),
    )
