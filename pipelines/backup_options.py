"""What ``beam-dynamodb backup`` takes."""

from dataclasses import dataclass, field
from typing import Literal

from pipelines import conversions as convert
from pipelines.conversions import Columns
from pipelines.flags import flag
from pipelines.old_items import cutoff_of, is_pattern
from pipelines.run_options import RUN_GROUP
from pipelines.source_options import SourceOptions, chosen_rate
from transforms.archive.parquet_types import Schema, parse_schema
from transforms.archive.partitions import PartitionBy, parse_partition_by
from transforms.dynamodb.errors import UserError
from transforms.throttle.rate import Rate

__all__ = ["BackupOptions"]

_ITEMS = "What to keep"
_OLD = "What is old, and what becomes of it"
_FILES = "Where to, and in which form"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions(SourceOptions):
    """Everything that ``beam-dynamodb backup`` takes, checked word by word."""

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
    older_than: str | None = field(
        default=None,
        metadata=flag(
            _OLD,
            "back up what is older than this many days, as 90d: items by --by, or "
            "whole tables where --source is a pattern as eu-west-1/events_%Y_%m",
            metavar="DAYS",
            convert=convert.text,
        ),
    )
    by: str | None = field(
        default=None,
        metadata=flag(
            _OLD,
            "the attribute that holds an item's time",
            metavar="NAME",
            convert=convert.text,
        ),
    )
    time_format: Literal["date", "seconds", "milliseconds"] = field(
        default="date",
        metadata=flag(
            _OLD,
            "what --by holds: date is a text as 2013-06-01, by default, with or "
            "without a time after it; seconds and milliseconds are numbers since 1970",
            metavar="FORM",
            choices=("date", "seconds", "milliseconds"),
        ),
    )
    verify: bool = field(
        default=False,
        metadata=flag(
            _OLD,
            "read the backup back and compare count and digest with its manifest",
            convert=convert.switch,
        ),
    )
    delete_after_verify: bool = field(
        default=False,
        metadata=flag(
            _OLD,
            "then delete from the table what was backed up, item by item: read again, "
            "and deleted on condition that it is the same",
            convert=convert.switch,
        ),
    )
    drop_after_verify: bool = field(
        default=False,
        metadata=flag(
            _OLD,
            "then delete the whole table, if a second scan finds what the backup has",
            convert=convert.switch,
        ),
    )
    version_attribute: str | None = field(
        default=None,
        metadata=flag(
            _OLD,
            "an attribute that every write of an item changes, to be compared instead "
            "of all attributes",
            metavar="NAME",
            convert=convert.text,
        ),
    )
    delete_percent: Rate | None = field(
        default=None,
        metadata=flag(
            _OLD,
            "percent of the table's write capacity for deletes, as --read-percent; 50 "
            "by default",
            metavar="P",
            convert=convert.percent,
        ),
    )
    delete_units: Rate | None = field(
        default=None,
        metadata=flag(
            _OLD,
            "write capacity units a second for deletes, or 'unlimited'",
            metavar="U",
            convert=convert.units,
        ),
    )
    yes: bool = field(
        default=False,
        metadata=flag(
            _OLD,
            "delete without asking for the table's name to be typed",
            convert=convert.switch,
        ),
    )
    to: str = field(
        metadata=flag(
            _FILES,
            "a directory on any file system that Beam knows, as s3://bucket/backups; "
            "each backup gets one of its own in it",
            metavar="PATH",
            convert=convert.text,
        )
    )
    format: Literal["dynamodb-json", "parquet"] = field(
        default="dynamodb-json",
        metadata=flag(
            _FILES,
            "dynamodb-json is the service's own export, which ImportTable, Glue and "
            "Athena read; parquet is for queries",
            metavar="FORMAT",
            choices=("dynamodb-json", "parquet"),
        ),
    )
    schema: str | None = field(
        default=None,
        metadata=flag(
            _FILES,
            'parquet: the columns, as "id:string, price:decimal(12,2), '
            'tags:set<string>"; what it does not name is left out. Guessed from a '
            "sample by default, and then nothing is lost: what does not fit goes to "
            "the column _rest",
            metavar="COLUMNS",
            convert=convert.text,
        ),
    )
    numbers: Literal["decimal", "string", "double"] = field(
        default="decimal",
        metadata=flag(
            _FILES,
            "parquet: what a guessed schema makes of numbers; double rounds them",
            metavar="TYPE",
            choices=("decimal", "string", "double"),
        ),
    )
    lossless: bool = field(
        default=False,
        metadata=flag(
            _FILES,
            "parquet: adds the column _item, each item in DynamoDB JSON, from which "
            "it is restored byte for byte",
            convert=convert.switch,
        ),
    )
    partition_by: str | None = field(
        default=None,
        metadata=flag(
            _FILES,
            "parquet: directories by an attribute or a part of it, as "
            '"month=substr(day, 1, 7)"',
            metavar="EXPR",
            convert=convert.text,
        ),
    )
    file_mb: int = field(
        default=256,
        metadata=flag(
            _FILES,
            "megabytes of items a file, before compression; 256 by default",
            metavar="N",
            convert=convert.whole_number(1, 5_000, "megabytes"),
        ),
    )
    on_reject: Literal["collect", "fail"] = field(
        default="collect",
        metadata=flag(
            RUN_GROUP,
            "an item that does not fit the schema is kept in the run directory while "
            "the rest goes on (collect, the default), or stops the job (fail)",
            metavar="WHAT",
            choices=("collect", "fail"),
        ),
    )

    def __post_init__(self) -> None:
        """Refuses what has a meaning for Parquet alone, and a schema that is none."""
        _ = self.read
        said = {
            "--schema": self.schema,
            "--numbers": self.numbers != "decimal",
            "--lossless": self.lossless,
            "--partition-by": self.partition_by,
        }
        for option, is_said in said.items():
            if is_said and self.format != "parquet":
                raise UserError(
                    f"{option} is for Parquet files; say --format parquet too"
                )
        if self.schema is not None and self.numbers != "decimal":
            raise UserError("--numbers is for a guessed schema; --schema says it all")
        _ = self.wanted_schema, self.partitions, self.delete
        self._check_old()

    def _check_old(self) -> None:
        pattern = is_pattern(self.source)
        if self.delete_after_verify and self.drop_after_verify:
            raise UserError(
                "--delete-after-verify and --drop-after-verify exclude each other"
            )
        if pattern and self.older_than is None:
            raise UserError(
                f"--source {self.source} is a pattern of tables; say --older-than too"
            )
        if pattern and self.by is not None:
            raise UserError("--by is for items of one table; leave it out")
        if not pattern and (self.older_than is None) != (self.by is None):
            raise UserError(
                "--older-than and --by go together, as --older-than 90d --by day"
            )
        if self.older_than is not None:
            cutoff_of(self.older_than, 0.0)
        if self.deletes and self.columns is not None:
            raise UserError(
                "--columns changes items, so they cannot be compared with "
                "the table's; leave it out to delete after the backup"
            )
        if self.deletes and self.index is not None:
            raise UserError(
                "--index may lack items of the table; leave it out to "
                "delete after the backup"
            )
        if self.drop_after_verify and (self.filter or self.by):
            raise UserError(
                "--drop-after-verify deletes the whole table; leave "
                "--filter and --by out"
            )

    @property
    def deletes(self) -> bool:
        """Whether something is deleted at the end."""
        return self.delete_after_verify or self.drop_after_verify

    @property
    def delete(self) -> Rate:
        """The rate of deletes."""
        return chosen_rate(self.delete_percent, self.delete_units, "delete")

    @property
    def wanted_schema(self) -> Schema | None:
        """The columns that were asked for; None to guess them."""
        return parse_schema(self.schema) if self.schema else None

    @property
    def partitions(self) -> PartitionBy | None:
        """The directories that were asked for."""
        return parse_partition_by(self.partition_by) if self.partition_by else None
