"""The checks before a restore: backup and targets fit, and so do the changes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transforms.archive.sources import Backup
from transforms.archive.table_description import create_table, key_schema
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.expressions import parse_condition
from transforms.dynamodb.tables import TableDescription
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.capacity import plan_rate
from transforms.planning.keys import check_keys
from transforms.planning.plan import PlannedRoute
from transforms.planning.regions import check_region
from transforms.routes import Route
from transforms.throttle.clock import SystemClock
from transforms.throttle.rate import RateError

__all__ = ["RestoreRequest", "check_restore", "create_targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """What somebody wants restored.

    Attributes:
        base: a full backup; None to apply changes alone.
        changes: incremental exports, in any order.
        routes: where the items go.
        filter, columns: for all routes.
    """

    base: Backup | None
    changes: tuple[Backup, ...]
    routes: tuple[Route, ...]
    filter: str | None = None
    columns: Mapping[str, str] | None = None


def check_restore(
    request: RestoreRequest, transport: TransportConfig
) -> tuple[PlannedRoute, ...]:
    """Describes every target and returns at what rate it is written.

    Raises:
        UserError: anything in the request that is wrong, or that the tables refute.
        JobStoppedError: the service does not let us look.
    """
    check_backups(request.base, request.changes)
    if request.filter is not None:
        parse_condition(request.filter)
    for route in request.routes:
        check_region(route.target)
    found = worker_loop().run(_describe_all(request.routes, transport))
    manifest = request.base.manifest if request.base else None
    for route, table in zip(request.routes, found, strict=True):
        if manifest is not None and manifest.table:
            check_keys(
                route=route.name,
                source=(manifest.source, key_schema(manifest.table)),
                target=(route.target.display, table.keys),
                mappings=(
                    ("the backup's columns", manifest.columns),
                    ("the columns of all routes", request.columns),
                    ("its columns", route.columns),
                ),
            )
    return tuple(
        _plan_route(route, table)
        for route, table in zip(request.routes, found, strict=True)
    )


def _plan_route(route: Route, table: TableDescription) -> PlannedRoute:
    try:
        return PlannedRoute(route, table, plan_rate(route.write, table, "write"))
    except RateError as error:
        raise UserError(f"route {route.name}: {error}") from error


async def _describe_all(
    routes: Sequence[Route], transport: TransportConfig
) -> list[TableDescription]:
    clients = [client_for(route.target, transport) for route in routes]
    return await asyncio.gather(*(client.describe_table() for client in clients))


def create_targets(
    base: Backup | None, routes: Sequence[Route], transport: TransportConfig
) -> None:
    """Makes every target as the backup's table was.

    Raises:
        UserError: the backup does not know its table, or a target exists.
    """
    if base is None or base.manifest is None or not base.manifest.table:
        raise UserError(
            "--create-table: only a backup of beam-dynamodb's knows its table; create "
            "the target yourself"
        )
    for route in routes:
        client = client_for(route.target, transport)
        worker_loop().run(create_table(client, base.manifest.table, SystemClock()))


def check_backups(base: Backup | None, changes: Sequence[Backup]) -> None:
    """Refuses backups of the wrong kind, and changes that leave a gap in time.

    Raises:
        UserError: names the backup.
    """
    if base is not None and base.kind != "full":
        raise UserError(
            f"--backup: {base.path} holds changes alone; give it as --changes, and as "
            "--backup the full export before it"
        )
    for each in changes:
        if each.kind != "incremental":
            raise UserError(f"--changes: {each.path} is a full export; give --backup")
    known = sorted((each.moments, each) for each in changes if each.moments is not None)
    covered = base.moments[1] if base is not None and base.moments else None
    for (begin, end), each in known:
        if covered is not None and begin > covered:
            raise UserError(
                f"--changes: {each.path} begins at {begin}, and what is before it ends "
                f"at {covered}; the changes between are missing, add their export"
            )
        if covered is not None and end <= covered:
            raise UserError(
                f"--changes: {each.path} ends at {end}, and {covered} is covered "
                "already; leave it out"
            )
        covered = end
