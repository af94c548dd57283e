"""What ``beam-dynamodb restore`` takes; its targets are those of a copy."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines import conversions as convert
from pipelines.conversions import Columns
from pipelines.flags import flag
from pipelines.options import RouteOptions, routes_of
from pipelines.run_options import ON_REJECT, RunOptions
from transforms.dynamodb.errors import UserError
from transforms.routes import Route

__all__ = ["RestoreOptions"]

_BACKUP = "What to read"
_ITEMS = "What to keep, for all targets (before the first --to)"


def _paths(said: Any) -> tuple[str, ...]:
    """Reads paths: text with commas between, or a list."""
    words = said.split(",") if isinstance(said, str) else said
    paths = tuple(str(word).strip() for word in words)
    if not paths or "" in paths:
        raise UserError(f"give paths as A,B, not {said!r}")
    return paths


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions(RunOptions):
    """Everything that ``beam-dynamodb restore`` takes, checked word by word."""

    backup: str | None = field(
        default=None,
        metadata=flag(
            _BACKUP,
            "a backup's directory, or one with a single backup in it: ours, a full "
            "export of the service's (JSON or Ion), or one of the EMR connector's",
            metavar="PATH",
            convert=convert.text,
        ),
    )
    changes: tuple[str, ...] = field(
        default=(),
        metadata=flag(
            _BACKUP,
            "incremental exports to apply after it, or by themselves: newest wins, "
            "deletes are applied",
            metavar="PATH,PATH",
            convert=_paths,
        ),
    )
    no_manifest: bool = field(
        default=False,
        metadata=flag(
            _BACKUP,
            "take every data file below --backup, though no manifest vouches for them",
            convert=convert.switch,
        ),
    )
    filter: str | None = field(
        default=None,
        metadata=flag(
            _ITEMS,
            "keep the items for which this is true, in DynamoDB's condition grammar",
            metavar="EXPR",
            convert=convert.text,
        ),
    )
    columns: Columns | None = field(
        default=None,
        metadata=flag(
            _ITEMS,
            "attributes to keep, as A,B; A:B writes A under the name B; * is every one",
            metavar="A,B:C",
            convert=convert.columns,
        ),
    )
    endpoint: str | None = field(
        default=None,
        metadata=flag(
            _ITEMS,
            "service URL of every table that names none of its own",
            metavar="URL",
            convert=convert.text,
        ),
    )
    create_table: bool = field(
        default=False,
        metadata=flag(
            _ITEMS,
            "make the targets as the backup's table was: keys, indexes, TTL, tags",
            convert=convert.switch,
        ),
    )
    on_reject: Literal["collect", "fail"] = field(default="collect", metadata=ON_REJECT)
    targets: tuple[RouteOptions, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a restore of nothing, or to nowhere, and a rate said twice."""
        if not self.targets:
            raise UserError("--to is missing: name a table to write to")
        if self.backup is None and not self.changes:
            raise UserError("--backup is missing: name a backup, or --changes alone")
        _ = [target.write for target in self.targets]

    def routes(self) -> list[Route]:
        """Returns a route a target, in the order said."""
        return routes_of(self.targets, self.endpoint)
