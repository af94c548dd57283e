"""What is done to a copy's targets before it begins, and undone after it.

    plan_targets -> TargetPlan: lines to show, tables as they will be
    TargetPlan.make_ready: created, emptied, boosted      TargetPlan.undo: as before

What is undone is kept in the run directory before it is done, for
``beam-dynamodb restore-capacity``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pipelines import truncate_table
from pipelines.run_directory import RunDirectory
from pipelines.target_options import TargetOptions
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import (
    BeamDynamoDBError,
    JobStoppedError,
    UserError,
)
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableDescription, TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.boosts import Boost, boost, check_boost, restore
from transforms.planning.creation import Creation, create, parse_clone, plan_creation
from transforms.routes import Route
from transforms.throttle.clock import SystemClock

__all__ = ["TargetPlan", "kept_boosts", "made_ready", "plan_targets", "undo_boosts"]

_FILE = "capacity.json"


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What will be done to the targets.

    Attributes:
        creations: tables to make.
        boosts: capacities to raise.
        emptied: routes whose tables are emptied first.
        as_if: by route, tables as they will be when the copy begins.
    """

    creations: tuple[Creation, ...]
    boosts: tuple[Boost, ...]
    emptied: tuple[Route, ...]
    as_if: dict[str, TableDescription]

    @property
    def not_there(self) -> set[TableRef]:
        """Targets that are yet to be made."""
        return {creation.target for creation in self.creations}

    def lines(self) -> list[str]:
        """Says what will be done, for the plan."""
        lines = [line for each in self.creations for line in each.lines()]
        lines += [each.line() for each in self.boosts]
        return lines + [
            f"delete every item of {route.target.display} first"
            for route in self.emptied
        ]

    def make_ready(self, directory: RunDirectory, transport: TransportConfig) -> None:
        """Does it; what must be undone is kept in the run directory beforehand."""
        clock = SystemClock()
        for each in self.creations:
            create(each, transport, clock)
        if self.boosts:
            _keep(directory, self.boosts)
        for one in self.boosts:
            boost(one, transport, clock)
        for route in self.emptied:
            truncate_table.truncate(route, transport)

    def undo(self, directory: RunDirectory, transport: TransportConfig) -> None:
        """Puts the capacities back, and forgets that they were raised.

        Raises:
            JobStoppedError: they could not be; says how to do it later.
        """
        try:
            undo_boosts(kept_boosts(directory), directory, transport)
        except BeamDynamoDBError as error:
            raise JobStoppedError(
                f"the capacity of a target could not be put back: {error}; do it by "
                f"beam-dynamodb restore-capacity {directory.path}"
            ) from error


def plan_targets(
    source: TableRef,
    routes: Sequence[Route],
    targets: Sequence[TargetOptions],
    transport: TransportConfig,
) -> TargetPlan:
    """Says what will be done to the targets; changes nothing. Blocking.

    Raises:
        UserError: something that cannot be done to a table.
    """
    creations: list[Creation] = []
    boosts: list[Boost] = []
    as_if: dict[str, TableDescription] = {}
    for route, options in zip(routes, targets, strict=True):
        if options.create_target and not _exists(route.target, transport):
            creation = plan_creation(
                source,
                route.target,
                parse_clone(options.clone),
                transport,
                warm_write=options.warm_write,
            )
            creations.append(creation)
            as_if[route.name] = creation.as_if()
        if options.boost_write is not None:
            described = as_if.get(route.name) or _describe(route.target, transport)
            one = check_boost(route.target, described, options.boost_write)
            boosts.append(one)
            as_if[route.name] = replace(described, write_units=options.boost_write)
    made = {creation.target for creation in creations}
    emptied = [
        route
        for route, options in zip(routes, targets, strict=True)
        if options.truncate_target is not None and route.target not in made
    ]
    return TargetPlan(tuple(creations), tuple(boosts), tuple(emptied), as_if)


def _describe(table: TableRef, transport: TransportConfig) -> TableDescription:
    return worker_loop().run(client_for(table, transport).describe_table())


def _exists(table: TableRef, transport: TransportConfig) -> bool:
    try:
        _describe(table, transport)
    except UserError:
        return False
    return True


# --- what is kept of a boost ----------------------------------------------------------


def _keep(directory: RunDirectory, boosts: Sequence[Boost]) -> None:
    kept = [asdict(each) for each in boosts]
    _file(directory).write_bytes(msgspec.json.encode(kept))


def kept_boosts(directory: RunDirectory) -> tuple[Boost, ...]:
    """Returns the boosts of a run that were not put back; none if there are none."""
    file = _file(directory)
    if not file.exists():
        return ()
    kept: list[dict[str, Any]] = msgspec.json.decode(file.read_bytes())
    return tuple(
        Boost(
            TableRef(**each["table"]),
            each["write_units"],
            each["read_before"],
            each["write_before"],
            {name: tuple(units) for name, units in each["indexes_before"].items()},
        )
        for each in kept
    )


def undo_boosts(
    boosts: Sequence[Boost], directory: RunDirectory, transport: TransportConfig
) -> None:
    """Puts capacities back; the file goes when all of them are."""
    for each in boosts:
        restore(each, transport, SystemClock())
    if boosts:
        _file(directory).unlink(missing_ok=True)


def _file(directory: RunDirectory) -> Path:
    return directory.path / _FILE


@contextmanager
def made_ready(
    targets: TargetPlan, directory: RunDirectory, transport: TransportConfig
) -> Iterator[None]:
    """Makes the targets ready, and puts back what was raised, however it ends."""
    try:
        targets.make_ready(directory, transport)
        yield
    finally:
        targets.undo(directory, transport)
