"""The copy: one scan, filtered once, branched to several tables. Wiring only."""

from dataclasses import replace

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.value_provider import ValueProvider

from pipelines.options import CopyOptions
from pipelines.run_spec import FromRunSpec, RunSpec
from transforms.account_check import CheckAccounts
from transforms.planning.checks import splits_for
from transforms.planning.plan import CopyPlan, CopyRequest
from transforms.push_down import Demand, demand_of
from transforms.run_context import RunContext
from transforms.scan import ReadFromDynamoDB, ScanTable
from transforms.scan_spec import ScanSpec
from transforms.sink_options import Branches, Program, WriteOptions
from transforms.spool import Isolation
from transforms.write import BranchItems

__all__ = ["build", "copy_request", "planned_options"]


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
        selection=options.selection,
        limit=options.limit,
        push_down=options.push_down,
    )


def planned_options(options: CopyOptions, plan: CopyPlan) -> CopyOptions:
    """Returns the options with what the plan found out, so that no worker need ask."""
    targets = tuple(
        replace(
            target,
            name=planned.route.name,
        )
        for target, planned in zip(options.targets, plan.routes, strict=True)
    )
    return replace(
        options,
        segments=plan.segments,
        targets=targets,
    )


def run_of(spec: RunSpec) -> RunContext:
    """Returns the run itself; for the workers."""
    return spec.run


def scan_of(spec: RunSpec) -> ScanSpec:
    """Returns what a run scans; for the workers."""
    options: CopyOptions = spec.options
    return ReadFromDynamoDB(
        options.source_table,
        read=options.read,
        consistent=options.consistent,
        segments=options.segments,
        splits=splits_for(spec.run.workers, options.segments),
        index=options.index,
        page_limit=options.page_limit,
        limit=options.limit,
        demand=_demand(options),
        run=spec.run,
        transport=options.transport_config,
    ).spec


def _demand(options: CopyOptions) -> Demand | None:
    if not options.push_down:
        return None
    return demand_of(
        options.routes(),
        item_filter=options.filter,
        columns=options.columns,
        selection=options.selection,
        limit=options.limit,
    )


def branches_of(spec: RunSpec) -> Branches:
    """Returns what a run does with the items; for the workers."""
    options: CopyOptions = spec.options
    transport = options.transport_config
    return Branches(
        shared=Program(
            filter=options.filter,
            columns=options.columns,
            run=spec.run,
            selection=options.selection,
            transport=transport,
        ),
        routes=tuple(options.routes()),
        options=WriteOptions(
            on_reject=options.on_reject,
            # An index follows its table with a delay, so it may show an item twice.
            keys_unique=options.index is None,
            run=spec.run,
            transport=transport,
            rejected_directory=_kept_in(options, "rejected"),
            superseded_directory=(
                _kept_in(options, "superseded") if options.keep_superseded else None
            ),
            show_keys=options.show_keys,
            isolation=_isolation(spec),
        ),
    )


def _kept_in(options: CopyOptions, name: str) -> str | None:
    if options.run_dir is None:  # of a run that has not begun
        return None
    joined: str = FileSystems.join(options.run_dir, name)
    return joined


def _isolation(spec: RunSpec) -> Isolation | None:
    """Spools lie in the run directory where that is on this host's disk."""
    options: CopyOptions = spec.options
    if not options.isolate_routes:
        return None
    ledger, directory = spec.run.ledger, options.run_dir
    is_here = ledger is not None and not ledger.serves_hosts
    if not is_here or directory is None or "://" in directory:
        directory = None
    return Isolation(options.spool_bytes, directory)


def build(
    pipeline: beam.Pipeline, options: CopyOptions, run_spec: ValueProvider
) -> None:
    """Adds the copy to a pipeline.

    Args:
        pipeline: where to add it.
        options: what the graph is made of: how many targets there are, and whether
            rejected items are collected. All else comes by the run.
        run_spec: the text of the run's spec, on the workers.
    """
    # Names and regions are the run's: a graph that is built once serves others too.
    labels = [str(number) for number, _ in enumerate(options.targets, start=1)]
    copied = (
        pipeline
        | "Scan the source" >> ScanTable(FromRunSpec(run_spec, scan_of))
        | "Copy to all targets"
        >> BranchItems(FromRunSpec(run_spec, branches_of), labels, options.on_reject)
    )
    _ = (
        [copied[label].written for label in labels]
        | "Receipts of all targets" >> beam.Flatten()
        | "Check the accounts" >> CheckAccounts(FromRunSpec(run_spec, run_of))
    )
