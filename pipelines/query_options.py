"""The options of a query: what its names stand for, and where its result goes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from pipelines import conversions as convert
from pipelines.flags import flag
from pipelines.run_options import RunOptions
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.query.backups import is_backup_path
from transforms.query.columns import MISFIT_POLICIES, MisfitPolicy
from transforms.query.schema import TableSchema, parse_schema, schema_of_mapping
from transforms.query.tables import NamedTable
from transforms.throttle.rate import Rate

__all__ = ["OutputFormat", "QueryOptions", "TableOptions"]

OutputFormat = Literal["table", "csv", "json", "parquet", "dynamodb"]
_FORMATS: tuple[OutputFormat, ...] = ("table", "csv", "json", "parquet", "dynamodb")

_QUERY = "The query, and what its tables have in common (before the first --table)"
_TABLE = "The tables (each --table begins one; what follows it is its own)"
_RESULT = "The result"
_STAGES = "On Beam's runners (flags after --)"

_DEFAULT_PERCENT = 50.0


def read_schema(said: str | dict[str, str]) -> TableSchema:
    """Reads a schema: in words, as a mapping, or from a YAML or JSON file.

    Raises:
        UserError: it cannot be read.
    """
    if isinstance(said, dict):
        return schema_of_mapping(said)
    if not said.endswith((".yaml", ".yml", ".json")):
        return parse_schema(said)
    try:
        loaded = yaml.safe_load(Path(said).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"the schema {said} cannot be read: {error}") from error
    if not isinstance(loaded, dict):
        raise UserError(f"the schema {said} is not a mapping of column names to types")
    return schema_of_mapping(loaded)


def _rate(percent: Rate | None, units: Rate | None) -> Rate | None:
    if percent and units:
        raise UserError(
            f"--read-percent {percent} and --read-units {units} both give the rate; "
            "keep one"
        )
    return percent or units


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """One name of a query."""

    table: str = field(
        metadata=flag(
            _TABLE,
            "NAME=REGION/TABLE, or NAME=PATH of a backup's .parquet or .json.gz files; "
            "without NAME= the query has it in double quotes",
            metavar="NAME=REGION/TABLE",
            convert=convert.text,
        )
    )
    schema: TableSchema | None = field(
        default=None,
        metadata=flag(
            _TABLE,
            "its columns, as 'id VARCHAR, total DECIMAL(38,2)', or a YAML file of "
            "them; else they are inferred from a sample",
            metavar="COLUMNS",
            convert=read_schema,
        ),
    )
    read_percent: Rate | None = field(
        default=None,
        metadata=flag(
            _TABLE, "as above, of this table", metavar="P", convert=convert.percent
        ),
    )
    read_units: Rate | None = field(
        default=None,
        metadata=flag(
            _TABLE, "as above, of this table", metavar="U", convert=convert.units
        ),
    )
    endpoint: str | None = field(
        default=None,
        metadata=flag(_TABLE, "service URL", metavar="URL", convert=convert.text),
    )
    profile: str | None = field(
        default=None,
        metadata=flag(_TABLE, "AWS profile", metavar="NAME", convert=convert.text),
    )
    role: str | None = field(
        default=None,
        metadata=flag(_TABLE, "role to assume", metavar="ARN", convert=convert.text),
    )
    external_id: str | None = field(
        default=None,
        metadata=flag(
            _TABLE, "the role's external id", metavar="ID", convert=convert.text
        ),
    )
    account: str | None = field(
        default=None,
        metadata=flag(
            _TABLE,
            "the table's account, if not the caller's",
            metavar="ID",
            convert=convert.account,
        ),
    )

    @property
    def read(self) -> Rate | None:
        """The rate to read at; None for that of all tables."""
        return _rate(self.read_percent, self.read_units)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions(RunOptions):
    """Everything that ``beam-dynamodb query`` takes."""

    sql: str | None = field(
        default=None,
        metadata=flag(
            _QUERY,
            "the query, if it is not the first word",
            metavar="QUERY",
            convert=convert.text,
        ),
    )
    file: str | None = field(
        default=None,
        metadata=flag(
            _QUERY, "read the query from a file", metavar="PATH", convert=convert.text
        ),
    )
    read_percent: Rate | None = field(
        default=None,
        metadata=flag(
            _QUERY,
            "percent of each table's read capacity; 50 by default",
            metavar="P",
            convert=convert.percent,
        ),
    )
    read_units: Rate | None = field(
        default=None,
        metadata=flag(
            _QUERY,
            "read capacity units a second of each table, or 'unlimited'",
            metavar="U",
            convert=convert.units,
        ),
    )
    consistent: bool = field(
        default=False,
        metadata=flag(
            _QUERY,
            "strongly consistent reads, at twice the units",
            convert=convert.switch,
        ),
    )
    misfits: MisfitPolicy = field(
        default="error",
        metadata=flag(
            _QUERY,
            "an item with a value that its column cannot hold stops the query (error, "
            "the default), has NULL there (null), or is left out and kept in the run "
            "directory (aside); it is counted in any case",
            metavar="WHAT",
            choices=MISFIT_POLICIES,
        ),
    )
    sample: int = field(
        default=1_000,
        metadata=flag(
            _QUERY,
            "items to look at for a schema that is not given; 1,000 by default",
            metavar="N",
            convert=convert.whole_number(1, 1_000_000, "items"),
        ),
    )
    memory_mb: int = field(
        default=2_048,
        metadata=flag(
            _QUERY,
            "memory that DuckDB may use, in MB; 2,048 by default. What does not fit "
            "goes to a temporary directory (TMPDIR)",
            metavar="N",
            convert=convert.whole_number(64, 1_000_000, "MB"),
        ),
    )
    endpoint: str | None = field(
        default=None,
        metadata=flag(
            _QUERY,
            "service URL of every table that names none of its own",
            metavar="URL",
            convert=convert.text,
        ),
    )
    max_cost: float | None = field(
        default=None,
        metadata=flag(
            _QUERY,
            "US dollars; a query that may cost more on demand, or of which the cost is "
            "not known, is refused before it reads",
            metavar="D",
            convert=convert.dollars,
        ),
    )
    broadcast_mb: int = field(
        default=64,
        metadata=flag(
            _STAGES,
            "a table up to this size is given to every worker, in MB; 64 by default",
            metavar="N",
            convert=convert.whole_number(0, 100_000, "MB"),
        ),
    )
    partitions: int = field(
        default=16,
        metadata=flag(
            _STAGES,
            "parts that rows are hashed into to meet; 16 by default, some times the "
            "workers",
            metavar="N",
            convert=convert.whole_number(1, 10_000, "partitions"),
        ),
    )
    result_dir: str | None = field(
        default=None,
        metadata=flag(
            _STAGES,
            "where workers leave the result for the launcher: a directory that they "
            "share, such as s3://bucket/results; below --run-dir by default",
            metavar="DIR",
            convert=convert.text,
        ),
    )
    out: OutputFormat = field(
        default="table",
        metadata=flag(
            _RESULT,
            "its form; table is for people, and the default; dynamodb writes each row "
            "as an item, as INSERT INTO does",
            metavar="FORM",
            choices=_FORMATS,
        ),
    )
    to: str | None = field(
        default=None,
        metadata=flag(
            _RESULT,
            "the file to write; standard output by default. The REGION/TABLE of --out "
            "dynamodb",
            metavar="WHERE",
            convert=convert.text,
        ),
    )
    write_percent: Rate | None = field(
        default=None,
        metadata=flag(
            _RESULT,
            "of INSERT and --out dynamodb: percent of the target's write capacity; 50 "
            "by default",
            metavar="P",
            convert=convert.percent,
        ),
    )
    write_units: Rate | None = field(
        default=None,
        metadata=flag(
            _RESULT,
            "the same in write capacity units a second, or 'unlimited'",
            metavar="U",
            convert=convert.units,
        ),
    )
    targets: tuple[TableOptions, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a query said twice or not at all, and a result without a place."""
        if (self.sql is None) == (self.file is None):
            raise UserError(
                "say one query: beam-dynamodb query 'SELECT …', or --file PATH"
            )
        if self.to is None and self.out in ("parquet", "dynamodb"):
            raise UserError(f"--out {self.out} needs --to: name where it is written")
        _ = self.read, self.write, self.tables()

    @property
    def text(self) -> str:
        """The query."""
        if self.file is None:
            return self.sql or ""
        try:
            return Path(self.file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--file {self.file} cannot be read: {error}") from error

    @property
    def read(self) -> Rate:
        """The rate of tables that have none of their own."""
        given = _rate(self.read_percent, self.read_units)
        return given or Rate.percent(_DEFAULT_PERCENT)

    @property
    def write(self) -> Rate:
        """The rate to write rows at."""
        if self.write_percent and self.write_units:
            raise UserError(
                f"--write-percent {self.write_percent} and --write-units "
                f"{self.write_units} both give the rate; keep one"
            )
        return self.write_percent or self.write_units or Rate.percent(_DEFAULT_PERCENT)

    def tables(self) -> tuple[NamedTable, ...]:
        """Returns the tables that were declared.

        Raises:
            UserError: a name was declared twice, or stands for nothing.
        """
        found: dict[str, NamedTable] = {}
        for target in self.targets:
            one = self._declared(target)
            if one.name.lower() in found:
                raise UserError(f"--table {one.name} was said twice; name each once")
            found[one.name.lower()] = one
        return tuple(found.values())

    def _declared(self, options: TableOptions) -> NamedTable:
        name, equals, place = options.table.partition("=")
        if not equals:
            place = name
        source: TableRef | str = place
        if not is_backup_path(place):
            source = TableRef.parse(
                place,
                endpoint_url=options.endpoint or self.endpoint,
                profile=options.profile,
                role_arn=options.role,
                external_id=options.external_id,
                account=options.account,
            )
        return NamedTable(
            name=name,
            source=source,
            schema=options.schema,
            read=options.read or self.read,
            consistent=self.consistent,
        )

    def inline(self, name: str) -> NamedTable | None:
        """Returns the table that a name stands for by itself, if it does."""
        source: TableRef | str = name
        if not is_backup_path(name):
            if "/" not in name:
                return None
            source = TableRef.parse(name, endpoint_url=self.endpoint)
        return NamedTable(
            name=name, source=source, read=self.read, consistent=self.consistent
        )
