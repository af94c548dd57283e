"""What ``beam-dynamodb backup`` takes."""

from dataclasses import dataclass, field
from typing import Literal

from pipelines import conversions as convert
from pipelines.conversions import Columns
from pipelines.flags import flag
from pipelines.run_options import RUN_GROUP
from pipelines.source_options import SourceOptions
from transforms.archive.parquet_types import Schema, parse_schema
from transforms.archive.partitions import PartitionBy, parse_partition_by
from transforms.dynamodb.errors import UserError

__all__ = ["BackupOptions"]

_ITEMS = "What to keep"
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
        _ = self.wanted_schema, self.partitions

    @property
    def wanted_schema(self) -> Schema | None:
        """The columns that were asked for; None to guess them."""
        return parse_schema(self.schema) if self.schema else None

    @property
    def partitions(self) -> PartitionBy | None:
        """The directories that were asked for."""
        return parse_partition_by(self.partition_by) if self.partition_by else None
