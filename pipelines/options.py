"""The options of each pipeline: one field, one flag, one field of the job file.

``CopyOptions`` is what ``beam-dynamodb copy`` takes; each ``--to`` begins one
``RouteOptions``. What a flag means is written once, in the field.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipelines import conversions as convert
from pipelines.conversions import Columns, TypedColumns
from pipelines.flags import flag
from pipelines.outcome_options import OutcomeOptions
from pipelines.source_options import TABLE, chosen_rate
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.key_schema import KeySchema
from transforms.dynamodb.tables import TableRef
from transforms.routes import MODES, Mode, Route
from transforms.selection import Selection, parse_sample
from transforms.throttle.rate import Rate
from transforms.typed_columns import MISFITS, Misfit

__all__ = ["CopyOptions", "RouteOptions", "routes_of"]

_ITEMS = "What to keep, for all targets (before the first --to)"
_EXPORT = "Reading through an export, at no read units"
_COST = "What it may cost"
_TARGET = "Where to write (each --to begins a target; what follows it is its own)"

_COLUMNS = (
    "attributes to keep, as A,B; A:B writes A under the name B; * is every one. A "
    "name with a comma or colon in it needs the job file's mapping"
)
_FILTER = "keep the items for which this is true, in DynamoDB's condition grammar"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """One target of a copy: a table, and what goes there at what rate."""

    to: str = field(
        metadata=flag(
            _TARGET,
            "a table to write to. Repeat it for more: the source is read once",
            metavar=TABLE,
            convert=convert.text,
        )
    )
    name: str | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "what to call this target in accounts; else its region",
            metavar="NAME",
            convert=convert.text,
        ),
    )
    write_percent: Rate | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "percent of the table's capacity, as --read-percent; 50 by default",
            metavar="P",
            convert=convert.percent,
        ),
    )
    write_units: Rate | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "write capacity units a second, or 'unlimited'",
            metavar="U",
            convert=convert.units,
        ),
    )
    filter: str | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "as above, for this target alone; names are those before its own --columns",
            metavar="EXPR",
            convert=convert.text,
        ),
    )
    columns: TypedColumns | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "as above, for this target alone; B:C:TYPE says which type (S, N, SS …) it "
            "must have",
            metavar="A,B:C",
            convert=convert.typed_columns,
        ),
    )
    misfit: Misfit = field(
        default="reject",
        metadata=flag(
            _TARGET,
            "what becomes of a column of another type than said: reject the item (the "
            "default), write null, or keep it as it is",
            metavar="WHAT",
            choices=MISFITS,
        ),
    )
    map: str | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "instead of columns: what becomes of an item, as '*, concat(name, day) AS "
            "id' (docs/mapping.md), or a function's name, package.module:function",
            metavar="MAPPING",
            convert=convert.text,
        ),
    )
    hash_key: str | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "where the key of the mapping's hash() is: env:NAME, file:PATH, ssm:NAME "
            "or secretsmanager:NAME",
            metavar="WHERE",
            convert=convert.text,
        ),
    )
    mode: Mode = field(
        default="overwrite",
        metadata=flag(
            _TARGET,
            "where an item with the same key is: overwrite replaces it (the default), "
            "if-absent keeps it, newer replaces it if --newer-by says so, merge sets "
            "the attributes copied and keeps the others, delete removes it",
            metavar="MODE",
            choices=MODES,
        ),
    )
    newer_by: str | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "for --mode newer: the target's attribute, a number or an ISO time, that "
            "says which item is newer",
            metavar="ATTR",
            convert=convert.text,
        ),
    )
    endpoint: str | None = field(
        default=None,
        metadata=flag(_TARGET, "service URL", metavar="URL", convert=convert.text),
    )
    profile: str | None = field(
        default=None,
        metadata=flag(_TARGET, "AWS profile", metavar="NAME", convert=convert.text),
    )
    role: str | None = field(
        default=None,
        metadata=flag(_TARGET, "role to assume", metavar="ARN", convert=convert.text),
    )
    external_id: str | None = field(
        default=None,
        metadata=flag(
            _TARGET, "the role's external id", metavar="ID", convert=convert.text
        ),
    )
    account: str | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "the table's account, if not the caller's",
            metavar="ID",
            convert=convert.account,
        ),
    )

    keys: KeySchema | None = field(
        default=None,
        metadata=flag(
            _TARGET,
            "its keys, as --source-keys, if it may not be described",
            metavar="KEYS",
            convert=convert.keys,
        ),
    )

    @property
    def write(self) -> Rate:
        """The rate to write at."""
        return chosen_rate(self.write_percent, self.write_units, "write")

    def table(self, endpoint: str | None) -> TableRef:
        """Returns the table; ``endpoint`` is that of all tables, if one was said."""
        return TableRef.parse(
            self.to,
            endpoint_url=self.endpoint or endpoint,
            profile=self.profile,
            role_arn=self.role,
            external_id=self.external_id,
            account=self.account,
            keys=self.keys,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions(OutcomeOptions):
    """Everything that ``beam-dynamodb copy`` takes, checked word by word."""

    via_export: bool = field(
        default=False,
        metadata=flag(
            _EXPORT,
            "have the service export the source to --export-to, wait, and copy from "
            "that; point-in-time recovery must be on",
            convert=convert.switch,
        ),
    )
    export_to: str | None = field(
        default=None,
        metadata=flag(
            _EXPORT,
            "where the export goes, as s3://bucket/prefix; it stays there",
            metavar="PATH",
            convert=convert.text,
        ),
    )
    catch_up: bool = field(
        default=False,
        metadata=flag(
            _EXPORT,
            "then export what has changed since, and apply it: the newest change of a "
            "key wins, deletes are deleted",
            convert=convert.switch,
        ),
    )
    filter: str | None = field(
        default=None,
        metadata=flag(
            _ITEMS,
            f"{_FILTER}. It is evaluated once an item, however many targets there are",
            metavar="EXPR",
            convert=convert.text,
        ),
    )
    columns: Columns | None = field(
        default=None,
        metadata=flag(_ITEMS, _COLUMNS, metavar="A,B:C", convert=convert.columns),
    )
    sample: str | None = field(
        default=None,
        metadata=flag(
            _ITEMS,
            "a part of the items, as 1%, chosen by their keys: the same in every run",
            metavar="P%",
            convert=convert.sample,
        ),
    )
    limit: int | None = field(
        default=None,
        metadata=flag(
            _ITEMS,
            "read this many items at most; one worker reads them, and stops there",
            metavar="N",
            convert=convert.whole_number(1, 10**12, "items"),
        ),
    )
    expired: Literal["keep", "skip"] = field(
        default="keep",
        metadata=flag(
            _ITEMS,
            "what becomes of items past the source's time to live that are not deleted "
            "yet: keep (the default) or skip, which counts them",
            metavar="WHAT",
            choices=("keep", "skip"),
        ),
    )
    push_down: bool = field(
        default=True,
        metadata=flag(
            _ITEMS,
            "let the service filter, project and query by key where every target's "
            "wishes are known; each target applies its own all the same (the default)",
            convert=convert.switch,
        ),
    )
    max_cost: float | None = field(
        default=None,
        metadata=flag(
            _COST,
            "US dollars; a copy that is estimated to cost more, or of which the cost "
            "is not known, is refused before anything is written",
            metavar="D",
            convert=convert.dollars,
        ),
    )
    estimate_by: int = field(
        default=2_000,
        metadata=flag(
            _COST,
            "items that plan and --max-cost read, at the read rate, to estimate by; "
            "2,000 by default",
            metavar="N",
            convert=convert.whole_number(1, 1_000_000, "items"),
        ),
    )
    yes: bool = field(
        default=False,
        metadata=flag(
            _COST,
            "go on without asking; at a terminal a copy first says what it takes and "
            "costs, and asks",
            convert=convert.switch,
        ),
    )
    targets: tuple[RouteOptions, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a copy to nowhere, and a rate that is said twice."""
        if not self.targets:
            raise UserError("--to is missing: name a table to write to")
        _ = self.read, [target.write for target in self.targets]
        if self.via_export != (self.export_to is not None):
            raise UserError("--via-export and --export-to go together")
        if self.catch_up and not self.via_export:
            raise UserError("--catch-up is for --via-export; say that too")

    @property
    def selection(self) -> Selection | None:
        """Which of the source's items take part; None if all do."""
        if self.sample is None and self.expired == "keep":
            return None
        part = None if self.sample is None else parse_sample(self.sample)
        return Selection(self.source_table, part, self.expired == "skip")

    def routes(self) -> list[Route]:
        """Returns a route a target, in the order said."""
        return routes_of(self.targets, self.endpoint)


def routes_of(targets: Sequence[RouteOptions], endpoint: str | None) -> list[Route]:
    """Returns a route a target, in the order said.

    Args:
        targets: as they were said.
        endpoint: of the targets that name none of their own.

    Raises:
        UserError: a target that cannot be one, with its name.
    """
    tables = [target.table(endpoint) for target in targets]
    regions = Counter(table.region for table in tables)
    return [
        _route(target, table, _default_name(table, regions))
        for target, table in zip(targets, tables, strict=True)
    ]


def _route(target: RouteOptions, table: TableRef, default_name: str) -> Route:
    try:
        return Route(
            name=target.name or default_name,
            target=table,
            filter=target.filter,
            columns=_names(target.columns),
            types=_types(target.columns),
            misfit=target.misfit,
            mapping=target.map,
            hash_key=target.hash_key,
            write=target.write,
            mode=target.mode,
            newer_by=target.newer_by,
        )
    except UserError as error:
        raise UserError(f"to {target.to}: {error}") from error


def _names(columns: TypedColumns | None) -> Columns | None:
    if columns is None:
        return None
    return {
        source: said if isinstance(said, str) else said["as"]
        for source, said in columns.items()
    }


def _types(columns: TypedColumns | None) -> Mapping[str, str] | None:
    return {
        source: said["type"]
        for source, said in (columns or {}).items()
        if not isinstance(said, str)
    } or None


def _default_name(table: TableRef, regions: Counter[str]) -> str:
    """The region; with the table's name where two targets are in that region."""
    return (
        table.region if regions[table.region] == 1 else f"{table.region}.{table.name}"
    )
