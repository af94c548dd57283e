"""The restore: a backup, checked whole, into tables; then changes. Wiring only."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.transforms.combiners import Count

from transforms.archive.apply_changes import ApplyChanges, NewestChanges
from transforms.archive.files import join
from transforms.archive.read_backup import ReadBackup, ReadChanges, VerifyParts
from transforms.archive.sources import Part
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.plan import PlannedRoute
from transforms.planning.restores import RestoreRequest
from transforms.receipts import OnReject, RejectedItem
from transforms.run_context import RunContext
from transforms.write import WriteRejected, WriteToRegions

__all__ = ["build"]


def build(
    pipeline: beam.Pipeline,
    request: RestoreRequest,
    planned: Sequence[PlannedRoute],
    run: RunContext,
    *,
    on_reject: OnReject,
    transport: TransportConfig,
    rejected_directory: str,
) -> None:
    """Adds the restore to a pipeline.

    Args:
        pipeline: where to add it.
        request: the backups, and what to keep of them.
        planned: the targets, at what rates.
        run: the run that the workers report to.
        on_reject: what becomes of an item that a table refuses.
        transport: of the requests to the tables.
        rejected_directory: where refused items are kept.
    """
    routes = [each.at_rate for each in planned]
    base = request.base.parts if request.base else ()
    changes = [part for each in request.changes for part in each.parts]
    verified = pipeline | "Check every file" >> VerifyParts([*base, *changes], run)
    rejected: list[tuple[str, beam.PCollection[RejectedItem]]] = []
    after: dict[str, beam.PCollection[int]] = {}
    if request.base:
        results = (
            pipeline
            | "Read the backup" >> ReadBackup(base, verified, run)
            | "Restore to all targets"
            >> WriteToRegions(
                routes,
                filter=request.filter,
                columns=request.columns,
                on_reject=on_reject,
                keys_unique=_keys_are_unique(base),
                run=run,
                transport=transport,
            )
        )
        for route in routes:
            name = route.name
            count = Count.Globally()
            after[name] = results[name].written | f"Done with {name}" >> count
            if on_reject == "collect":
                rejected.append((name, results[name].rejected))
    if changes:
        applied = (
            pipeline
            | "Read changes" >> ReadChanges(changes, verified, run)
            | "Newest of each key" >> NewestChanges(run)
            | "Apply to all targets"
            >> ApplyChanges(
                routes=routes,
                filter=request.filter,
                columns=request.columns,
                after=after or None,
                on_reject=on_reject,
                run=run,
                transport=transport,
            )
        )
        for name, collections in applied.items():
            rejected += [(name, each) for each in collections]
    for number, (name, items) in enumerate(rejected):
        path = join(rejected_directory, f"{name}-{number}")
        _ = items | f"Keep rejected of {name} {number}" >> WriteRejected(path)


def _keys_are_unique(parts: tuple[Part, ...]) -> bool:
    """A table gives each key once; the old connector's files promise nothing."""
    return all(part.format != "emr" for part in parts)
