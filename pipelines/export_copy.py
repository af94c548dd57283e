"""``copy --via-export``: the source is read through an export, at no read units.

checks --> export, waited for --> restored to all targets --catch-up-->
--> the changes since that moment, exported and applied: deletes too
"""

from collections.abc import Sequence
from dataclasses import replace

from apache_beam.io.filesystems import FileSystems

from pipelines.copy_tables import copy_request
from pipelines.launch import ExitCode, Run, check_run_dir, check_runner, start_run
from pipelines.made_ready import made_ready, plan_targets
from pipelines.options import CopyOptions
from pipelines.restore_run import run_restore
from pipelines.service_export import Exporter
from pipelines.target_options import TargetOptions, targets_of
from transforms.archive.apply_changes import ApplyChanges
from transforms.dynamodb.errors import UserError
from transforms.planning.checks import check_copy
from transforms.planning.plan import CopyPlan
from transforms.planning.restores import RestoreRequest, check_backups

__all__ = ["copy_via_export"]

_NOT_OF_EXPORTS = {
    "index": "an export has no indexes",
    "limit": "an export is read whole",
    "sample": "an export is read whole",
    "consistent": "an export is of one moment",
    "read_percent": "an export spends no read units",
    "read_units": "an export spends no read units",
    "segments": "an export has files",
    "page_limit": "an export has files",
    "max_cost": "the cost of an export is not estimated",
    "max_rejected": "what is rejected is counted at the end",
    "keep_superseded": "what gives way in an export is older",
    "isolate_routes": "all targets are written at one pace",
}


def copy_via_export(options: CopyOptions, beam_words: Sequence[str]) -> ExitCode:
    """Runs a copy whose source is an export.

    Raises:
        UserError: bad input; nothing was exported or written.
        JobStoppedError: the export or the job failed.
    """
    beam_options = check_runner(options, beam_words, CopyOptions, TargetOptions)
    if options.on_reject == "collect":
        check_run_dir(options, beam_options)
    FileSystems.set_options(beam_options)
    _check_fits(options)
    assert options.export_to is not None  # the options have seen to it
    request, transport = copy_request(options), options.transport_config
    exporter = Exporter.of(request.source, options.export_to, transport)
    targets = plan_targets(
        request.source, request.routes, targets_of(options.targets), transport
    )
    plan = check_copy(request, transport, targets.as_if)
    exporter.check()
    print(f"export {request.source.display} to {options.export_to}, at no read units")
    for route in plan.routes:
        print(f"{route.route.mode} as {route.route.name}: {route.route.target.display}")
        print(f"  rate: {route.write}")
    print("\n".join(targets.lines()), flush=True)
    if options.dry_run:
        print("dry run: nothing was exported, nothing was written")
        return ExitCode.DONE
    started = start_run(options, beam_options, request.source)
    with made_ready(targets, started.directory, transport):
        if targets.creations:
            plan = check_copy(request, transport)  # now that they are there
        base, moment = exporter.full()
        whole = RestoreRequest(
            base=base,
            changes=(),
            routes=request.routes,
            filter=options.filter,
            columns=options.columns,
        )
        print(f"copy {base.what}\n  {base.path}\n  {base.size}", flush=True)
        code = _restore(whole, plan, started, options)
        if not options.catch_up:
            return code
        changes = exporter.changes(moment)
        check_backups(None, changes)
        after = replace(whole, base=None, changes=tuple(changes))
        print(f"catch up by {len(changes)} export(s) of changes", flush=True)
        later = started.follow_up("changes")
        return max(code, _restore(after, plan, later, options))


def _check_fits(options: CopyOptions) -> None:
    """Refuses what has no meaning for an export, before there is one.

    Raises:
        UserError: names it.
    """
    for name, reason in _NOT_OF_EXPORTS.items():
        if getattr(options, name) not in (None, False):
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}: {reason}; leave it out, or --via-export")
    if options.expired != "keep":
        raise UserError(
            "--expired skip: an export is read whole; leave it out, or --via-export"
        )
    if options.catch_up:
        ApplyChanges(routes=options.routes())  # refuses what cannot be applied


def _restore(
    request: RestoreRequest, plan: CopyPlan, started: Run, options: CopyOptions
) -> ExitCode:
    return run_restore(
        request,
        plan.routes,
        started,
        on_reject=options.on_reject,
        transport=options.transport_config,
    )
