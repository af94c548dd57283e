"""The two copies that the demonstration makes, as a user would type them.

Each says twice what it copies: once in the words of the command, and once in plain
Python for the independent check.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.demo.engines import Engine
from pipelines.demo.flights import Wire

__all__ = ["COPIES", "REGIONS", "SOURCE_REGION", "SOURCE_TABLE", "Copy", "Target"]

SOURCE_REGION = "eu-west-1"
SOURCE_TABLE = "testtable"

_SUMMER = "2013-06-01"
_LATE_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table that a copy writes to.

    Attributes:
        region: Of the table.
        table: Its name.
        options: What is said of it on the command line, a line each.
        keep: Whether an item of the source, in wire form, belongs here.
        columns: New names by old, of the attributes that are copied; all if None.
    """

    region: str
    table: str
    options: tuple[tuple[str, ...], ...] = ()
    keep: Callable[[Wire], bool] = lambda _: True
    columns: Mapping[str, str] | None = None

    @property
    def display(self) -> str:
        """The table as the command takes it, such as ``us-west-2/testtable``."""
        return f"{self.region}/{self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One run of the command.

    Attributes:
        name: Of its run directory.
        title: What it shows, in a line.
        options: What is said of all targets, a line each.
        targets: Where it writes.
    """

    name: str
    title: str
    options: tuple[tuple[str, ...], ...] = ()
    targets: tuple[Target, ...]

    def command_lines(self, engine: Engine, run_dir: str) -> list[list[str]]:
        """Returns the command's words after ``beam-dynamodb``, as lines to show."""
        source = f"{SOURCE_REGION}/{SOURCE_TABLE}"
        urls = {region: engine.endpoint_url(region) for region in REGIONS}
        shared = len(set(urls.values())) == 1
        endpoint = "--endpoint" if shared else "--source-endpoint"
        lines = [
            ["copy", "--source", source, "--read-percent", "10", "--yes"],
            [endpoint, urls[SOURCE_REGION], "--run-dir", run_dir],
            *map(list, self.options),
        ]
        for target in self.targets:
            lines.append(["--to", target.display, "--write-percent", "40"])
            lines += [] if shared else [["--endpoint", urls[target.region]]]
            lines += map(list, target.options)
        return lines


def _is_from_summer_on(item: Wire) -> bool:
    return bool(item["day"]["S"] >= _SUMMER)


def _is_late(item: Wire) -> bool:
    delay = item["value"]
    return "N" in delay and int(delay["N"]) > _LATE_MINUTES


COPIES = (
    Copy(
        name="two-regions",
        title="one scan, items filtered once, branched to two regions",
        # Filtered here, not by the service, so that the evaluations can be counted.
        options=(("--filter", f"day >= '{_SUMMER}'"), ("--no-push-down",)),
        targets=(
            Target(region="us-west-2", table="testtable", keep=_is_from_summer_on),
            Target(region="us-east-1", table="testtable", keep=_is_from_summer_on),
        ),
    ),
    Copy(
        name="two-filters",
        title="everything to the east, a filtered and mapped part to the west",
        targets=(
            Target(region="us-east-1", table="kgpai.useast.test"),
            Target(
                region="us-west-2",
                table="kgpai.uswest.test",
                options=(
                    ("--filter", f"day >= '{_SUMMER}' AND value > {_LATE_MINUTES}"),
                    ("--columns", "uuid_hash,day,name,value:minutes_late"),
                ),
                keep=lambda item: _is_from_summer_on(item) and _is_late(item),
                columns={
                    "uuid_hash": "uuid_hash",
                    "day": "day",
                    "name": "name",
                    "value": "minutes_late",
                },
            ),
        ),
    ),
)

REGIONS = (
    SOURCE_REGION,
    *sorted({target.region for copy in COPIES for target in copy.targets}),
)
