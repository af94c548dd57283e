"""One backup, from checked options to its manifest and its account."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from apache_beam.io.filesystems import FileSystems

from pipelines import backup_table
from pipelines.account import Account, make_account
from pipelines.backup_options import BackupOptions
from pipelines.launch import ExitCode, check_run_dir, check_runner, start_run
from pipelines.progress import ProgressPrinter
from pipelines.run_directory import RunDirectory
from transforms.archive.errors import FileSystemError
from transforms.archive.exports import begin_manifest, new_directory
from transforms.archive.files import join, write_bytes
from transforms.archive.manifest import STARTED, read_manifest
from transforms.archive.parquet_inference import infer_schema
from transforms.archive.parquet_types import Schema
from transforms.archive.sampling import sample_items
from transforms.archive.table_description import capture_table
from transforms.archive.write_backup import BACKUP, BackupSpec
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.planning.checks import check_source
from transforms.planning.plan import CopyPlan
from transforms.throttle.clock import SystemClock

__all__ = ["run_backup"]


def run_backup(
    options: BackupOptions, beam_words: Sequence[str]
) -> tuple[ExitCode, str | None]:
    """Checks, runs and accounts for one backup of one table.

    Returns: the exit code, and the backup's directory; None for a dry run.

    Raises:
        UserError: bad input; nothing was written.
        JobStoppedError: the job failed, or its accounts do not balance.
    """
    beam_options = check_runner(options, beam_words, BackupOptions)
    if options.on_reject == "collect" or options.delete_after_verify:
        check_run_dir(options, beam_options)
    FileSystems.set_options(beam_options)
    request = backup_table.backup_request(options)
    plan = check_source(request, options.transport_config)
    print("\n".join([*plan.lines(), f"{options.format} files below {options.to}"]))
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE, None
    directory = new_directory(options.to, options.format)
    _check_writable(directory)
    started = start_run(options, beam_options, request.source)
    spec = _spec(options, plan, directory, started.context.run_id)
    print(f"backup in {directory}", flush=True)
    options = replace(options, run_dir=started.directory.kept)
    pipeline = started.pipeline()
    backup_table.build(pipeline, options, plan, spec, started.context)
    progress = ProgressPrinter(
        sys.stderr,
        monotonic=SystemClock().monotonic,
        routes=[BACKUP],
        expected_items=plan.source.item_count,
    )
    counters = started.watch(pipeline, progress.show)
    progress.finish(counters)
    account = make_account(counters, [BACKUP])
    return _conclude(account, directory, started.directory), directory


def _check_writable(directory: str) -> None:
    """Writes the file that the service's exports begin with, too.

    Raises:
        UserError: no permission, no bucket, another region.
    """
    try:
        backup_id = directory.rpartition("/")[2]
        write_bytes(join(directory, STARTED), backup_id.encode())
    except FileSystemError as error:
        raise UserError(f"--to: {error}") from error


def _spec(
    options: BackupOptions, plan: CopyPlan, directory: str, run_id: str
) -> BackupSpec:
    table = plan.request.source
    client = client_for(table, options.transport_config)
    schema = _schema(options, plan, client)
    head = begin_manifest(
        directory,
        run_id=run_id,
        source=table.display,
        table=worker_loop().run(capture_table(client)),
        schema=schema,
        partition_by=None if options.partitions is None else str(options.partitions),
        lossless=options.lossless,
        filter=options.filter,
        columns=options.columns,
    )
    return BackupSpec(
        directory=directory,
        head=head,
        table_arn=plan.source.arn,
        table_id=plan.source.table_id,
        schema=schema,
        partition_by=options.partitions,
        file_bytes=options.file_mb * 1_000_000,
    )


def _schema(
    options: BackupOptions, plan: CopyPlan, client: DynamoDBClient
) -> Schema | None:
    """Returns Parquet's columns: those asked for, or a guess from a sample."""
    if options.format != "parquet" or options.wanted_schema is not None:
        return options.wanted_schema
    sample = worker_loop().run(
        sample_items(
            client,
            index=plan.request.index,
            item_filter=options.filter,
            columns=options.columns,
        )
    )
    schema = infer_schema(sample, options.numbers)
    print(f"schema, guessed from {len(sample):,} items: {schema}")
    return schema


def _conclude(account: Account, directory: str, run: RunDirectory) -> ExitCode:
    manifest = read_manifest(directory)
    if manifest is None:
        raise JobStoppedError(f"{directory} has no manifest; run the backup again")
    print("\n".join(account.table()))
    if account.rejected:
        print(f"rejected items are kept in {run.rejected}")
    size = sum(file.bytes for file in manifest.files)
    print(
        f"{len(manifest.files):,} files, {size:,} bytes, {manifest.items:,} items, "
        f"digest {manifest.digest}"
    )
    print(account.line(), flush=True)
    if not account.balances or manifest.items != account.routes[0].written:
        raise JobStoppedError(
            f"the accounts do not balance: the manifest has {manifest.items:,} items, "
            "and scanned is to be written + filtered + rejected; do not rely on this "
            "backup, make another, and please report it"
        )
    return ExitCode.REJECTED if account.rejected else ExitCode.DONE
