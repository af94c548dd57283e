"""``beam-dynamodb retry-rejected``: writes again what a run's targets have refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.help_text import EXIT_CODES_HELP
from pipelines.kept_items import kept_files
from pipelines.launch import ExitCode
from pipelines.options import CopyOptions
from pipelines.run_directory import RunDirectory
from pipelines.run_spec import RunSpec
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.keys import KeyDecoder
from transforms.items import Item
from transforms.limits import limiter_for
from transforms.receipts import RejectedItem
from transforms.rejected_files import RejectedFile
from transforms.routes import Route
from transforms.writer_lanes import Outcome
from transforms.writers import Target

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb retry-rejected RUN

Writes the rejected items of a run again, to the tables and in the modes of that run;
they stand as they were sent, so no filter or mapping is applied. RUN is the run's name
or directory. Items that are taken leave its files, and those refused again stay in
them with their new reasons. Raise the limit, or correct the items, before: edit the
files in rejected/ROUTE/, which hold a line of JSON an item, compressed by gzip.

Example
  beam-dynamodb retry-rejected 20261124-101500-1f2e3d
"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb retry-rejected``."""
    return f"{_HEAD}\n{EXIT_CODES_HELP}"


def run(words: Sequence[str]) -> ExitCode:
    """Writes rejected items again, in this process.

    Raises:
        UserError: no such run.
        JobStoppedError: a table can't be written; nothing is lost.
    """
    if len(words) != 1 or words[0].startswith("-"):
        raise UserError("give one run, by its name or directory; see --help")
    directory = RunDirectory.of_run(words[0])
    spec = RunSpec.parse(directory.read_spec())
    if not isinstance(spec.options, CopyOptions):
        raise UserError(
            f"{directory.path} is the run of a backup: what it rejected does not fit "
            "the schema of its files; correct --schema and make the backup again"
        )
    files = kept_files(f"{spec.options.run_dir}/rejected", spec.run)
    totals: Counter[str] = Counter()
    for route in spec.options.routes():
        of_route = [file for file in files if file.route == route.name]
        if of_route:
            totals.update(_retry(spec, route, of_route))
    print(_account(totals))
    return ExitCode.REJECTED if totals["rejected"] else ExitCode.DONE


def _account(totals: Counter[str]) -> str:
    if not totals:
        return "items: nothing to retry"
    fates = ("written", "superseded", "rejected")
    said = [f"{fate} {totals[fate]:,}" for fate in fates if totals[fate]]
    return f"items: retried {totals['items']:,}; {', '.join(said)}"


@dataclass(frozen=True, slots=True)
class _Retried:
    """A file whose items are on their way, and how often they were tried before."""

    file: RejectedFile
    attempts: int


def _retry(spec: RunSpec, route: Route, files: list[RejectedFile]) -> Counter[str]:
    """Writes the items of all files of a route; many files are on their way at once."""
    writer = _open(spec, route).make_writer(keys_unique=False)
    totals: Counter[str] = Counter()
    try:
        for file in files:
            items = file.read()
            attempts = max((item.attempts for item in items), default=0)
            writer.submit([item.item.wire for item in items], _Retried(file, attempts))
            for outcome in writer.take_finished():
                totals.update(_settle(route, outcome))
        for outcome in writer.drain():
            totals.update(_settle(route, outcome))
    finally:
        writer.close()
    return totals


def _open(spec: RunSpec, route: Route) -> Target:
    transport = spec.options.transport_config
    client = client_for(route.target, transport)
    table = worker_loop().run(client.describe_table())
    limiter = limiter_for(
        route.target, "write", route.write, table, transport=transport
    )
    return Target(route, client, KeyDecoder(table.keys), limiter, transport)


def _settle(route: Route, outcome: Outcome) -> dict[str, int]:
    """Keeps what was refused again in the file it came from."""
    token = outcome.token
    assert isinstance(token, _Retried)  # our own token
    token.file.replace(
        [
            RejectedItem(
                route.name,
                refused.reason,
                token.attempts + refused.attempts,
                Item(refused.wire),
            )
            for refused in outcome.refused
        ]
    )
    return {
        "items": outcome.items,
        "written": outcome.written,
        "superseded": outcome.superseded,
        "rejected": len(outcome.refused),
    }
