"""Options of a copy about what does not go as it should: bad items, slow targets."""

from dataclasses import dataclass, field
from typing import Literal

from pipelines import conversions as convert
from pipelines.flags import flag
from pipelines.run_options import ON_REJECT, RUN_GROUP
from pipelines.source_options import SourceOptions
from transforms.reject_limit import RejectLimit
from transforms.spool import Isolation

__all__ = ["OutcomeOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeOptions(SourceOptions):
    """What becomes of items that no target takes, and of targets that take none."""

    on_reject: Literal["collect", "fail"] = field(default="collect", metadata=ON_REJECT)
    max_rejected: RejectLimit | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "stop the job when more items than this are rejected: a number, or a "
            "percentage of those scanned",
            metavar="N|P%",
            convert=convert.reject_limit,
        ),
    )
    keep_superseded: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP,
            "keep items that gave way to another one of the same key in the run "
            "directory, as the rejected are, instead of only counting them",
            convert=convert.switch,
        ),
    )
    show_keys: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP,
            "say the keys of rejected items; by default errors and reports say their "
            "digests, and the keys stand in the rejected files alone",
            convert=convert.switch,
        ),
    )
    isolate_routes: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP,
            "let no target hold up the others: what a slow or unreachable one has not "
            "taken yet waits on the worker's disk",
            convert=convert.switch,
        ),
    )
    spool_bytes: int = field(
        default=Isolation().spool_bytes,
        metadata=flag(
            RUN_GROUP,
            "for --isolate-routes: how much may wait for one target in one worker, as "
            "500MB or 10GB (the default); above it that target holds the others up",
            metavar="SIZE",
            convert=convert.byte_count,
        ),
    )
