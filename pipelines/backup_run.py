"""One backup, from checked options to its manifest and its account.

options --> checks --> run directory, ledger, directory of the backup --> job
--resume --> what the run kept of these -------------------------------> job
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from apache_beam.io.filesystems import FileSystems

from pipelines import backup_table
from pipelines.account import Account, make_account
from pipelines.backup_options import BackupOptions
from pipelines.launch import (
    ExitCode,
    Run,
    check_run_dir,
    check_runner,
    resume_run,
    start_run,
)
from pipelines.progress import ProgressPrinter
from pipelines.resume import Resumed, check_tables, keep_run, take_up_run
from pipelines.run_directory import RunDirectory
from pipelines.run_spec import RunSpec
from transforms.archive.errors import StoreRefusalError
from transforms.archive.exports import begin_manifest, new_directory
from transforms.archive.files import join, write_bytes
from transforms.archive.manifest import STARTED, Manifest, read_manifest
from transforms.archive.parquet_inference import infer_schema
from transforms.archive.parquet_types import Schema, parse_schema
from transforms.archive.sampling import sample_items
from transforms.archive.table_description import capture_table
from transforms.archive.write_files import BACKUP, BackupSpec, is_resumable
from transforms.dynamodb.client import DynamoDBClient, client_for
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.ledger.location import open_store
from transforms.ledger.page_groups import drop_unselected, read_groups, selected
from transforms.ledger.patience import patiently
from transforms.ledger.receipts import total_of_counts
from transforms.planning.checks import check_source
from transforms.planning.plan import CopyPlan
from transforms.run_context import RunContext
from transforms.throttle.clock import SystemClock

__all__ = ["resume_backup", "run_backup"]

_KEPT = "backup.json"


class _KeptBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What a run keeps of its backup, so that it can be gone on with."""

    directory: str
    table_arn: str
    table_id: str
    head: Manifest


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
    started = _with_receipts(start_run(options, beam_options, request.source))
    kept = _begin(options, plan, directory, started.context.run_id)
    options = replace(
        options,
        segments=plan.segments,
        run_dir=started.directory.kept,
        pause_file=started.context.pause_file,
    )
    _keep(started, options, plan, kept)
    return _run(started, options, plan, kept), directory


def resume_backup(
    resumed: Resumed, options: BackupOptions, beam_words: Sequence[str]
) -> tuple[ExitCode, str | None]:
    """Goes on with a backup: files that are complete are not made again.

    Returns: as `run_backup`.

    Raises:
        UserError: the table is another one, or somebody else goes on with the run.
        JobStoppedError: the job failed, or its accounts do not balance.
    """
    beam_options = check_runner(options, beam_words, BackupOptions)
    FileSystems.set_options(beam_options)
    kept = _read_kept(resumed.directory)
    if read_manifest(kept.directory) is not None:
        print(f"the backup in {kept.directory} is whole; nothing is read again")
        run = Run(beam_options, resumed.directory, resumed.spec.run, "backup")
        return _conclude(run, kept.directory, _receipts(run.context)), kept.directory
    plan = check_source(backup_table.backup_request(options), options.transport_config)
    check_tables(resumed.record, plan)
    print("\n".join(plan.lines()), flush=True)
    if options.dry_run:
        print("dry run: nothing was written")
        return ExitCode.DONE, None
    context = take_up_run(resumed, options)
    started = resume_run(resumed.directory, context, beam_options, options)
    groups = drop_unselected(resumed.store, context.run_id, context.epoch)
    items = total_of_counts(group.counts for group in groups)
    print(f"complete already: {make_account(items, [BACKUP]).line()}", flush=True)
    started = replace(started, command="backup")
    return _run(started, options, plan, kept), kept.directory


def _with_receipts(started: Run) -> Run:
    context = started.context
    if context.ledger is not None:
        context = replace(context, accounted=(BACKUP,), by_file=True)
    return replace(started, context=context, command="backup")


def _check_writable(directory: str) -> None:
    """Writes the file that the service's exports begin with, too.

    Raises:
        UserError: no permission, no bucket, another region.
        FileSystemError: the store is busy, and stayed so.
    """
    try:
        backup_id = directory.rpartition("/")[2]
        write_bytes(join(directory, STARTED), backup_id.encode())
    except StoreRefusalError as error:
        raise UserError(f"--to: {error}") from error


def _begin(
    options: BackupOptions, plan: CopyPlan, directory: str, run_id: str
) -> _KeptBackup:
    table = plan.request.source
    client = client_for(table, options.transport_config)
    head = begin_manifest(
        directory,
        run_id=run_id,
        source=table.display,
        table=worker_loop().run(capture_table(client)),
        schema=_schema(options, plan, client),
        partition_by=None if options.partitions is None else str(options.partitions),
        lossless=options.lossless,
        filter=options.filter,
        columns=options.columns,
    )
    return _KeptBackup(
        directory=directory,
        table_arn=plan.source.arn,
        table_id=plan.source.table_id,
        head=head,
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


def _keep(
    started: Run, options: BackupOptions, plan: CopyPlan, kept: _KeptBackup
) -> None:
    """Keeps what is needed to go on with the run, before it begins."""
    spec = RunSpec(options=options, run=started.context)
    started.directory.spec.write_text(spec.to_json(), encoding="utf-8")
    path = started.directory.path / _KEPT
    path.write_bytes(msgspec.json.encode(kept))
    if started.context.ledger is not None:
        store = open_store(started.context.ledger)
        keep_run(store, spec, options, plan)


def _read_kept(directory: RunDirectory) -> _KeptBackup:
    path = directory.path / _KEPT
    try:
        return msgspec.json.decode(path.read_bytes(), type=_KeptBackup)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}), so the run cannot be gone on with; make "
            "the backup again"
        ) from error


def _run(
    started: Run, options: BackupOptions, plan: CopyPlan, kept: _KeptBackup
) -> ExitCode:
    print(f"backup in {kept.directory}", flush=True)
    spec = BackupSpec(
        directory=kept.directory,
        head=kept.head,
        table_arn=kept.table_arn,
        table_id=kept.table_id,
        schema=_kept_schema(options, kept.head),
        partition_by=options.partitions,
        file_bytes=options.file_mb * 1_000_000,
    )
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
    if is_resumable(started.context):
        counters = _receipts(started.context)
    return _conclude(started, kept.directory, counters)


def _kept_schema(options: BackupOptions, head: Manifest) -> Schema | None:
    """Returns the schema that the run began with, whose text tells no guess.

    Beside a guessed one, what has no column is kept in ``_rest``.
    """
    if head.schema is None or options.wanted_schema is not None:
        return options.wanted_schema
    columns = parse_schema(head.schema).columns if head.schema else ()
    return Schema(columns, is_complete=False)


def _receipts(run: RunContext) -> dict[str, int]:
    """Returns the counts of the pages that are in the files of the backup."""
    assert run.ledger is not None  # it has receipts
    store = open_store(run.ledger)
    groups = selected(patiently(lambda: read_groups(store, run.run_id)))
    return total_of_counts(group.counts for group in groups)


def _conclude(started: Run, directory: str, counts: dict[str, int]) -> ExitCode:
    account: Account = make_account(counts, [BACKUP])
    manifest = read_manifest(directory)
    if manifest is None:
        raise JobStoppedError(f"{directory} has no manifest; run the backup again")
    print("\n".join(account.table()))
    if account.rejected:
        print(f"rejected items are kept in {started.directory.rejected}")
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
