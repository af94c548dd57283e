"""The options of every pipeline that reads a table: which one, and how fast."""

from dataclasses import dataclass, field

from pipelines import conversions as convert
from pipelines.flags import flag
from pipelines.run_options import RunOptions
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.key_schema import KeySchema
from transforms.dynamodb.tables import TableRef
from transforms.throttle.rate import Rate

__all__ = ["PERCENT", "TABLE", "SourceOptions", "chosen_rate"]

_SOURCE = "What to read"

_DEFAULT_PERCENT = 50.0
TABLE = "REGION/TABLE"
"""What stands for a table in the help."""

PERCENT = (
    "percent of the table's capacity: of its provisioned units, or on demand of its "
    "maximum or warm throughput. Above 0, up to 150"
)
"""What a percent is of, for the help."""


def chosen_rate(percent: Rate | None, units: Rate | None, side: str) -> Rate:
    """Returns the rate that was said in one of two ways, or half the capacity.

    Raises:
        UserError: it was said in both.
    """
    if percent and units:
        raise UserError(
            f"--{side}-percent {percent} and --{side}-units {units} both give the "
            "rate; keep one"
        )
    return percent or units or Rate.percent(_DEFAULT_PERCENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions(RunOptions):
    """The table that is read, and how; base of what copies it somewhere."""

    source: str = field(
        metadata=flag(_SOURCE, "the table to read", metavar=TABLE, convert=convert.text)
    )
    source_endpoint: str | None = field(
        default=None,
        metadata=flag(_SOURCE, "service URL", metavar="URL", convert=convert.text),
    )
    source_profile: str | None = field(
        default=None,
        metadata=flag(_SOURCE, "AWS profile", metavar="NAME", convert=convert.text),
    )
    source_role: str | None = field(
        default=None,
        metadata=flag(_SOURCE, "role to assume", metavar="ARN", convert=convert.text),
    )
    source_external_id: str | None = field(
        default=None,
        metadata=flag(
            _SOURCE, "the role's external id", metavar="ID", convert=convert.text
        ),
    )
    source_account: str | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "the table's account, if not the caller's",
            metavar="ID",
            convert=convert.account,
        ),
    )
    source_keys: KeySchema | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "its keys, as id:S,day:N, if it may not be described; then rates are "
            "absolute",
            metavar="KEYS",
            convert=convert.keys,
        ),
    )
    read_percent: Rate | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            f"{PERCENT}; 50 by default",
            metavar="P",
            convert=convert.percent,
        ),
    )
    read_units: Rate | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "read capacity units a second, or 'unlimited'",
            metavar="U",
            convert=convert.units,
        ),
    )
    segments: int | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "parallel scan segments, 1 to 1,000,000; chosen from the size by default",
            metavar="N",
            convert=convert.whole_number(1, 1_000_000, "segments"),
        ),
    )
    consistent: bool = field(
        default=False,
        metadata=flag(
            _SOURCE,
            "strongly consistent reads, at twice the units",
            convert=convert.switch,
        ),
    )
    index: str | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "read this index of the table instead",
            metavar="NAME",
            convert=convert.text,
        ),
    )
    page_limit: int | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "items a page at most; 1 MB by default",
            metavar="N",
            convert=convert.whole_number(1, 1_000_000, "items"),
        ),
    )
    endpoint: str | None = field(
        default=None,
        metadata=flag(
            _SOURCE,
            "service URL of every table that names none of its own",
            metavar="URL",
            convert=convert.text,
        ),
    )

    @property
    def read(self) -> Rate:
        """The rate to read at."""
        return chosen_rate(self.read_percent, self.read_units, "read")

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
            keys=self.source_keys,
        )
