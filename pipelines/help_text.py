"""The help: drawn from the options, in the order people say things."""

import textwrap
from itertools import groupby

from pipelines.flags import Flag, flags_of
from pipelines.options import CopyOptions, RouteOptions

__all__ = ["COMMAND_HELP", "copy_help"]

_WIDTH = 80
_COLUMN = 26

COMMAND_HELP = """\
usage: beam-dynamodb COMMAND …

Moves Amazon DynamoDB tables across regions, on Apache Beam.

Commands
  copy        scan a table once and write its items to tables in other regions

  beam-dynamodb copy --help   says what a copy takes
  beam-dynamodb --version     says which version this is
"""

_COPY_HEAD = """\
usage: beam-dynamodb copy --source REGION/TABLE [options]
           --to REGION/TABLE [its options] [--to REGION/TABLE [its options] …]
           [-- BEAM FLAGS]

Scans a table once, in parallel, and writes its items to one table or several. Each
target has its own filter, columns and rate. Both ends are checked before anything is
written, and the last line printed is the account of the items.

Examples
  beam-dynamodb copy --source eu-west-1/orders --read-percent 10 \\
      --to us-east-1/orders --dry-run

  beam-dynamodb copy --source eu-west-1/testtable --read-percent 10 \\
      --to us-west-2/kgpai.uswest.test --write-percent 40 \\
          --filter "day >= '2013-06-01'" --columns uuid_hash,day,name,value \\
      --to us-east-1/kgpai.useast.test --write-percent 40

  beam-dynamodb copy --job job.yaml --read-percent 5 -- --runner=FlinkRunner
"""

_COPY_TAIL = """\
The job file
  --job FILE              read options from a YAML file: the names above with _ for -,
                          and the targets as a list under 'to', each with 'to' and
                          its own options. What is said here too takes the file's
                          place; any --to here takes the place of the whole list.

Beam's own flags
  They come after --, and one that neither Beam nor a runner knows is refused. Without
  --runner the job runs in this process, on Beam's FnApiRunner, and nothing is
  downloaded; --runner=DirectRunner means the same.

Exit codes
  0 done   1 some items were rejected   2 bad input, nothing was written
  3 the job failed or was stopped, or its accounts do not balance
"""


def copy_help() -> str:
    """Returns the help of ``beam-dynamodb copy``."""
    copy, route = flags_of(CopyOptions).values(), flags_of(RouteOptions).values()
    run = [one for one in copy if one.group == "The run"]
    ordered = [*(one for one in copy if one not in run), *route, *run]
    groups = groupby(ordered, key=lambda one: one.group)
    drawn = [f"{group}\n{_draw_group(list(flags))}" for group, flags in groups]
    return "\n".join([_COPY_HEAD, *drawn, _COPY_TAIL])


def _draw_group(flags: list[Flag]) -> str:
    return "".join(_draw(one) for one in flags)


def _draw(one: Flag) -> str:
    head = f"  {one.option} {one.metavar}".rstrip()
    choices = f" ({', '.join(one.choices)})" if one.choices else ""
    if one.choices and all(choice in one.help for choice in one.choices):
        choices = ""
    body = textwrap.wrap(one.help + choices, _WIDTH - _COLUMN)
    gap = " " * _COLUMN
    if len(head) < _COLUMN - 1:
        body[0] = head.ljust(_COLUMN) + body[0]
        return "\n".join([body[0], *(gap + line for line in body[1:])]) + "\n"
    return "\n".join([head, *(gap + line for line in body)]) + "\n"
