"""The options of each pipeline: one field, one flag, one field of the job file.

``CopyOptions`` is what ``beam-dynamodb copy`` takes; each ``--to`` begins one
``RouteOptions``. What a flag means is written once, in the field.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.flags import flag
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.routes import Route
from transforms.throttle.rate import Rate

__all__ = ["CopyOptions", "RouteOptions", "parse_columns"]

Columns = Mapping[str, str]

_SOURCE = "What to read"
_ITEMS = "What to keep, for all targets (before the first --to)"
_TARGET = "Where to write (each --to begins a target; what follows it is its own)"
_RUN = "The run"

_DEFAULT_PERCENT = 50.0
_TABLE = "REGION/TABLE"
_PERCENT = (
    "percent of the table's capacity: of its provisioned units, or on demand of its "
    "maximum or warm throughput. Above 0, up to 150"
)
_COLUMNS = (
    "attributes to keep, as A,B; A:B writes A under the name B; * is every one. A "
    "name with a comma or colon in it needs the job file's mapping"
)
_FILTER = "keep the items for which this is true, in DynamoDB's condition grammar"


def parse_columns(said: Any) -> Columns | None:
    """Reads columns as source name to target name; None for every attribute.

    Args:
        said: ``"A,B:C"`` or ``"*"``, a list of ``"A"`` and ``"B:C"``, or (in a job
            file) a mapping of source to target names.

    Raises:
        UserError: an empty name, or a name that is said twice on one side.

    >>> parse_columns("uuid_hash,day:when")
    {'uuid_hash': 'uuid_hash', 'day': 'when'}
    """
    if said == "*":
        return None
    pairs = _column_pairs(said)
    for side, names in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
        _refuse_bad_names(side, names)
    return dict(pairs)


def _column_pairs(said: Any) -> list[tuple[str, str]]:
    if isinstance(said, Mapping):
        return [(str(source), str(target)) for source, target in said.items()]
    words = said.split(",") if isinstance(said, str) else [str(word) for word in said]
    pairs = []
    for word in words:
        source, colon, target = word.strip().partition(":")
        pairs.append((source.strip(), target.strip() if colon else source.strip()))
    return pairs


def _refuse_bad_names(side: str, names: tuple[str, ...]) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise UserError(f"{name!r} is said {times} times as a {side} name; say it once")
    if "" in names or ("*" in names and side == "source"):
        raise UserError(
            f"the columns {', '.join(names)!r} hold an empty name or a * among others; "
            "give names as A,B:C, or * alone"
        )


def _whole(lowest: int, highest: int, unit: str) -> Any:
    def convert(said: Any) -> int:
        text = str(said).replace(",", "").replace("_", "")
        if not re.fullmatch(r"-?\d+", text) or not lowest <= int(text) <= highest:
            raise UserError(
                f"give a number of {unit} from {lowest:,} to {highest:,}, not {said}"
            )
        return int(text)

    return convert


def _percent(said: Any) -> Rate:
    return Rate.parse_percent(str(said))


def _units(said: Any) -> Rate:
    text = str(said).strip()
    return Rate.parse(f"{text}/s" if re.fullmatch(r"[\d.]+", text) else text)


def _text(said: Any) -> str:
    if not isinstance(said, str) or not said.strip():
        raise UserError(f"give a text, not {said!r}")
    return said


def _account(said: Any) -> str:
    if not re.fullmatch(r"\d{12}", str(said)):
        raise UserError(f"an AWS account is 12 digits (quoted in a file), not {said}")
    return str(said)


def _switch(said: Any) -> bool:
    if not isinstance(said, bool):
        raise UserError(f"give true or false, not {said!r}")
    return said


def _rate(percent: Rate | None, units: Rate | None, side: str) -> Rate:
    if percent and units:
        raise UserError(
            f"--{side}-percent {percent} and --{side}-units {units} both give the "
            "rate; keep one"
        )
    return percent or units or Rate.percent(_DEFAULT_PERCENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """One target of a copy: a table, and what goes there at what rate."""

    to: str = flag(
        _TARGET,
        "a table to write to. Repeat it for more: the source is read once",
        metavar=_TABLE,
        convert=_text,
    )
    name: str | None = flag(
        _TARGET,
        "what to call this target in accounts; else its region",
        metavar="NAME",
        default=None,
        convert=_text,
    )
    write_percent: Rate | None = flag(
        _TARGET,
        "percent of the table's capacity, as --read-percent; 50 by default",
        metavar="P",
        default=None,
        convert=_percent,
    )
    write_units: Rate | None = flag(
        _TARGET,
        "write capacity units a second, or 'unlimited'",
        metavar="U",
        default=None,
        convert=_units,
    )
    filter: str | None = flag(
        _TARGET,
        "as above, for this target alone; names are those before its own --columns",
        metavar="EXPR",
        default=None,
        convert=_text,
    )
    columns: Columns | None = flag(
        _TARGET,
        "as above, for this target alone",
        metavar="A,B:C",
        default=None,
        convert=parse_columns,
    )
    mode: Literal["put", "delete"] = flag(
        _TARGET,
        "put replaces whole items; delete removes the items that have the same key",
        metavar="MODE",
        default="put",
        choices=("put", "delete"),
    )
    endpoint: str | None = flag(
        _TARGET, "service URL", metavar="URL", default=None, convert=_text
    )
    profile: str | None = flag(
        _TARGET, "AWS profile", metavar="NAME", default=None, convert=_text
    )
    role: str | None = flag(
        _TARGET, "role to assume", metavar="ARN", default=None, convert=_text
    )
    external_id: str | None = flag(
        _TARGET, "the role's external id", metavar="ID", default=None, convert=_text
    )
    account: str | None = flag(
        _TARGET,
        "the table's account, if not the caller's",
        metavar="ID",
        default=None,
        convert=_account,
    )

    @property
    def write(self) -> Rate:
        """The rate to write at."""
        return _rate(self.write_percent, self.write_units, "write")

    def table(self, endpoint: str | None) -> TableRef:
        """Returns the table; ``endpoint`` is that of all tables, if one was said."""
        return TableRef.parse(
            self.to,
            endpoint_url=self.endpoint or endpoint,
            profile=self.profile,
            role_arn=self.role,
            external_id=self.external_id,
            account=self.account,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """Everything that ``beam-dynamodb copy`` takes, checked word by word."""

    source: str = flag(_SOURCE, "the table to read", metavar=_TABLE, convert=_text)
    source_endpoint: str | None = flag(
        _SOURCE, "service URL", metavar="URL", default=None, convert=_text
    )
    source_profile: str | None = flag(
        _SOURCE, "AWS profile", metavar="NAME", default=None, convert=_text
    )
    source_role: str | None = flag(
        _SOURCE, "role to assume", metavar="ARN", default=None, convert=_text
    )
    source_external_id: str | None = flag(
        _SOURCE, "the role's external id", metavar="ID", default=None, convert=_text
    )
    source_account: str | None = flag(
        _SOURCE,
        "the table's account, if not the caller's",
        metavar="ID",
        default=None,
        convert=_account,
    )
    read_percent: Rate | None = flag(
        _SOURCE,
        f"{_PERCENT}; 50 by default",
        metavar="P",
        default=None,
        convert=_percent,
    )
    read_units: Rate | None = flag(
        _SOURCE,
        "read capacity units a second, or 'unlimited'",
        metavar="U",
        default=None,
        convert=_units,
    )
    segments: int | None = flag(
        _SOURCE,
        "parallel scan segments, 1 to 1,000,000; chosen from the size by default",
        metavar="N",
        default=None,
        convert=_whole(1, 1_000_000, "segments"),
    )
    consistent: bool = flag(
        _SOURCE,
        "strongly consistent reads, at twice the units",
        default=False,
        convert=_switch,
    )
    index: str | None = flag(
        _SOURCE,
        "read this index of the table instead",
        metavar="NAME",
        default=None,
        convert=_text,
    )
    page_limit: int | None = flag(
        _SOURCE,
        "items a page at most; 1 MB by default",
        metavar="N",
        default=None,
        convert=_whole(1, 1_000_000, "items"),
    )
    filter: str | None = flag(
        _ITEMS,
        f"{_FILTER}. It is evaluated once an item, however many targets there are",
        metavar="EXPR",
        default=None,
        convert=_text,
    )
    columns: Columns | None = flag(
        _ITEMS, _COLUMNS, metavar="A,B:C", default=None, convert=parse_columns
    )
    endpoint: str | None = flag(
        _ITEMS,
        "service URL of every table that names none of its own",
        metavar="URL",
        default=None,
        convert=_text,
    )
    workers: int = flag(
        _RUN,
        "worker processes, which share every rate; 1 by default",
        metavar="N",
        default=1,
        convert=_whole(1, 10_000, "workers"),
    )
    on_reject: Literal["collect", "fail"] = flag(
        _RUN,
        "an item the service refuses is kept in the run directory and the rest goes "
        "on (collect, the default), or stops the job (fail)",
        metavar="WHAT",
        default="collect",
        choices=("collect", "fail"),
    )
    run_dir: str | None = flag(
        _RUN,
        "where the run keeps its progress and rejected items; by default "
        ".beam-dynamodb/runs/ and the run's name",
        metavar="DIR",
        default=None,
        convert=_text,
    )
    transport: Literal["auto", "wire", "botocore"] = flag(
        _RUN,
        "how requests travel: wire is fast, botocore takes proxies; auto chooses",
        metavar="HOW",
        default="auto",
        choices=("auto", "wire", "botocore"),
    )
    dry_run: bool = flag(
        _RUN,
        "check both ends, print what would be done, and write nothing",
        default=False,
        convert=_switch,
    )
    debug: bool = flag(
        _RUN, "show where in the code an error is from", default=False, convert=_switch
    )
    targets: tuple[RouteOptions, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a copy to nowhere, and a rate that is said twice."""
        if not self.targets:
            raise UserError("--to is missing: name a table to write to")
        _ = self.read, [target.write for target in self.targets]

    @property
    def read(self) -> Rate:
        """The rate to read at."""
        return _rate(self.read_percent, self.read_units, "read")

    @property
    def source_table(self) -> TableRef:
        """The table to read."""
        return TableRef.parse(
            self.source,
            endpoint_url=self.source_endpoint or self.endpoint,
            profile=self.source_profile,
            role_arn=self.source_role,
            external_id=self.source_external_id,
            account=self.source_account,
        )

    def routes(self) -> list[Route]:
        """Returns a route a target, in the order said."""
        tables = [target.table(self.endpoint) for target in self.targets]
        regions = Counter(table.region for table in tables)
        return [
            Route(
                name=target.name or _default_name(table, regions),
                target=table,
                filter=target.filter,
                columns=target.columns,
                write=target.write,
                mode=target.mode,
            )
            for target, table in zip(self.targets, tables, strict=True)
        ]


def _default_name(table: TableRef, regions: Counter[str]) -> str:
    """The region; with the table's name where two targets are in that region."""
    return (
        table.region if regions[table.region] == 1 else f"{table.region}.{table.name}"
    )
