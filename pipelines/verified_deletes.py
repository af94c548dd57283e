"""After a backup: it is read back and compared, then what it holds is deleted."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from apache_beam.io.filesystems import FileSystems

from pipelines.account import make_account
from pipelines.backup_options import BackupOptions
from pipelines.launch import ExitCode, Run, check_runner, start_run
from pipelines.progress import ProgressPrinter
from pipelines.run_directory import RunDirectory
from transforms.archive.compare_backup import CompareBackup, CompareItems
from transforms.archive.delete_backed_up import DELETE, DeleteBackedUp, DeleteSpec
from transforms.archive.files import join
from transforms.archive.manifest import Manifest
from transforms.archive.sources import Backup, find_backup
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.event_loop import worker_loop
from transforms.scan import ReadFromDynamoDB
from transforms.throttle.clock import SystemClock
from transforms.write import WriteRejected

__all__ = ["list_tables", "verify_backup"]

_LISTED = "any"  # ListTables asks for no table


def verify_backup(
    options: BackupOptions, beam_words: Sequence[str], directory: str
) -> ExitCode:
    """Reads a backup back, and deletes items or the table if that is asked for.

    Raises:
        JobStoppedError: the backup, or the table, is not what the manifest says;
            nothing was deleted.
    """
    beam_options = check_runner(options, beam_words, BackupOptions)
    FileSystems.set_options(beam_options)
    backup = find_backup(directory)
    started = start_run(
        replace(options, run_dir=_directory_of(options.run_dir)),
        beam_options,
        options.source_table,
    )
    assert backup.manifest is not None  # it has just been written
    if options.delete_after_verify:
        return _delete_items(options, backup, backup.manifest, started)
    pipeline = started.pipeline()
    content = backup.manifest.content
    _ = pipeline | "Verify the backup" >> CompareBackup(backup.parts, content)
    if options.drop_after_verify:
        _ = (
            pipeline
            | "Scan the table again"
            >> ReadFromDynamoDB(
                options.source_table,
                read=options.read,
                consistent=True,
                run=started.context,
                transport=options.transport_config,
            )
            | "Compare the table" >> CompareItems(content, "the table")
        )
    started.watch(pipeline, lambda _: None)
    print(f"verified: {content.items:,} items read back, digest {content.hex}")
    if options.drop_after_verify:
        _drop(options)
    return ExitCode.DONE


def _directory_of(run_dir: str | None) -> str | None:
    """Returns where this run keeps its notes: below the backup's, and its own.

    An earlier one of a backup that was gone on with may have been here.
    """
    if run_dir is None:
        return None
    places = (join(run_dir, f"verify{number}") for number in ("", *range(2, 1000)))
    return next(place for place in places if not RunDirectory.at(place).ledger.exists())


def _delete_items(
    options: BackupOptions, backup: Backup, manifest: Manifest, started: Run
) -> ExitCode:
    pipeline = started.pipeline()
    kept = pipeline | "Verify, then delete" >> DeleteBackedUp(
        parts=backup.parts,
        content=manifest.content,
        spec=DeleteSpec(
            table=options.source_table,
            read=options.read,
            write=options.delete,
            version_name=options.version_attribute,
            transport=options.transport_config,
        ),
        run=started.context,
    )
    path = join(started.directory.rejected, DELETE)
    _ = kept | "Keep what is kept" >> WriteRejected(path)
    progress = ProgressPrinter(
        sys.stderr,
        monotonic=SystemClock().monotonic,
        routes=[DELETE],
        expected_items=manifest.items,
    )
    counters = started.watch(pipeline, progress.show)
    progress.finish(counters)
    account = make_account(counters, [DELETE])
    (fates,) = account.routes
    print(f"verified: {manifest.items:,} items read back, digest {manifest.digest}")
    print(
        f"deleted {fates.written:,}; changed or gone since the backup {fates.skipped:,}"
    )
    if fates.rejected:
        print(f"{fates.rejected:,} are kept, see {started.directory.rejected}")
    print(account.line(), flush=True)
    if not account.balances or account.scanned != manifest.items:
        raise JobStoppedError(
            "the accounts of the deletes do not balance; nothing is lost, the backup "
            "holds every item. Please report it"
        )
    return ExitCode.REJECTED if fates.rejected else ExitCode.DONE


def _drop(options: BackupOptions) -> None:
    table = options.source_table
    client = client_for(table, options.transport_config)
    body = msgspec.json.encode({"TableName": table.wire_name})
    worker_loop().run(client.call("DeleteTable", body))
    print(f"{table.display} is deleted", flush=True)


def list_tables(options: BackupOptions) -> list[str]:
    """Returns the names of all tables of the source's region.

    Raises:
        UserError, JobStoppedError: they cannot be listed.
    """
    region = options.source.partition("/")[0]
    table = replace(options, source=f"{region}/{_LISTED}", older_than=None).source_table
    client = client_for(table, options.transport_config)
    names: list[str] = []
    request: dict[str, str] = {}
    while True:
        reply = worker_loop().run(
            client.call("ListTables", msgspec.json.encode(request))
        )
        said = msgspec.json.decode(reply)
        names += said.get("TableNames", [])
        if not said.get("LastEvaluatedTableName"):
            return names
        request = {"ExclusiveStartTableName": said["LastEvaluatedTableName"]}
