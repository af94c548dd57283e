"""The options that every pipeline has: about its run, not about its tables."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines import conversions as convert
from pipelines.flags import flag, flags_of, said_form
from transforms.dynamodb.transport_types import TransportConfig
from transforms.ledger.location import LedgerLocation
from transforms.run_context import RunContext

__all__ = ["ON_REJECT", "RUN_GROUP", "RunOptions", "said_of_run"]

RUN_GROUP = "The run"

ON_REJECT = flag(
    RUN_GROUP,
    "an item the service refuses is kept in the run directory while the rest "
    "goes on (collect, the default), or stops the job (fail)",
    metavar="WHAT",
    choices=("collect", "fail"),
)
"""Of commands that write items to tables."""
"""Heading of these options in every command's help, where it comes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a job runs and where it keeps what it notes; base of all options classes."""

    runner_profile: str | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "what runs it: local, prism, flink, spark, or a file of Beam flags; what "
            "is said after -- wins over the file's",
            metavar="NAME",
            convert=convert.text,
        ),
    )
    workers: int | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "worker processes, which share every rate; 1 by default, and to be said "
            "where the runner is not this process",
            metavar="N",
            convert=convert.whole_number(1, 10_000, "workers"),
        ),
    )
    run_dir: str | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "where the run keeps its progress and rejected items; by default "
            ".beam-dynamodb/runs/ and the run's name. Where the workers are on other "
            "machines, a place that all of them share, as s3://BUCKET/PREFIX",
            metavar="DIR",
            convert=convert.text,
        ),
    )
    ledger: str | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "where the workers share rates and report: sqlite:PATH (a local disk) for "
            "those of one host, dynamodb:TABLE or dynamodb:REGION/TABLE (made on "
            "demand) for a cluster's; by default a file in the run directory where "
            "the workers run on this host, and none elsewhere",
            metavar="WHERE",
            convert=convert.text,
        ),
    )
    pause_file: str | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "wait while this file exists, on each worker's host (on a cluster: "
            "beam-dynamodb rate RUN --set 0)",
            metavar="FILE",
            convert=convert.text,
        ),
    )
    rate_schedule: str | None = field(
        default=None,
        metadata=flag(
            RUN_GROUP,
            "rates by the time of day, for every table, such as '08:00-20:00=10%, "
            "20:00-08:00=80%; Europe/Berlin'; other times keep the table's own rate",
            metavar="TIMES",
            convert=convert.schedule,
        ),
    )
    transport: Literal["auto", "wire", "botocore"] = field(
        default="auto",
        metadata=flag(
            RUN_GROUP,
            "how requests travel: wire is fast, botocore takes proxies; auto chooses",
            metavar="HOW",
            choices=("auto", "wire", "botocore"),
        ),
    )
    deadline: int = field(
        default=600,
        metadata=flag(
            RUN_GROUP,
            "seconds for which a request is tried again without any progress, before "
            "the job stops; 600 by default. Waiting for a rate does not count",
            metavar="SECONDS",
            convert=convert.whole_number(1, 86_400, "seconds"),
        ),
    )
    dry_run: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP,
            "check both ends, print what would be done, and write nothing",
            convert=convert.switch,
        ),
    )
    debug: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP, "show where in the code an error is from", convert=convert.switch
        ),
    )

    def run_context(
        self, run_id: str, ledger: LedgerLocation | None = None
    ) -> RunContext:
        """Returns what the workers of a run of these options know of it."""
        pause_file = self.pause_file and str(Path(self.pause_file).absolute())
        return RunContext(
            run_id=run_id,
            ledger=ledger,
            workers=self.workers or 1,
            pause_file=pause_file,
            rate_schedule=self.rate_schedule,
        )

    @property
    def transport_config(self) -> TransportConfig:
        """How the job's requests travel, and how long they are tried."""
        return TransportConfig(kind=self.transport, deadline_seconds=self.deadline)


def said_of_run(options: RunOptions) -> dict[str, Any]:
    """Returns what was said of the run, as a job file says it.

    A command that runs another one hands it on whole: an option that is new here
    must not be forgotten there.
    """
    known = flags_of(RunOptions)
    return {name: one for name, one in said_form(options).items() if name in known}
