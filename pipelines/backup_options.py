"""What ``beam-dynamodb backup`` takes."""

from dataclasses import dataclass, field
from typing import Literal

from pipelines import conversions as convert
from pipelines.conversions import Columns
from pipelines.flags import flag
from pipelines.run_options import RUN_GROUP
from pipelines.source_options import SourceOptions

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
