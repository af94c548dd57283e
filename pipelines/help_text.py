"""The help: drawn from the options, in the order people say things."""

import textwrap
from itertools import groupby
from typing import Any

from pipelines.flags import Flag, flags_of
from pipelines.run_options import RUN_GROUP

__all__ = ["BEAM_FLAGS_HELP", "EXIT_CODES_HELP", "draw_help"]

BEAM_FLAGS_HELP = """\
Beam's own flags
  They come after --, and one that neither Beam nor a runner knows is refused. Without
  --runner the job runs in this process, on Beam's FnApiRunner, and nothing is
  downloaded; --runner=DirectRunner means the same.
"""

EXIT_CODES_HELP = """\
Exit codes
  0 done   1 some items were rejected   2 bad input, nothing was written
  3 the job failed or was stopped, or its accounts do not balance
"""

_WIDTH = 80
_COLUMN = 26


def draw_help(
    head: str, tail: str, options: type[Any], target: type[Any] | None = None
) -> str:
    """Returns the help of a command.

    Args:
        head: usage, what it does, examples; ends in a newline.
        tail: what is not about one option.
        options: the pipeline's options class; the group ``The run`` comes last.
        target: the options class of its targets, drawn before the run.
    """
    own = flags_of(options).values()
    run = [one for one in own if one.group == RUN_GROUP]
    targets = flags_of(target).values() if target else ()
    ordered = [*(one for one in own if one not in run), *targets, *run]
    groups = groupby(ordered, key=lambda one: one.group)
    drawn = [f"{group}\n{_draw_group(list(flags))}" for group, flags in groups]
    return "\n".join([head, *drawn, tail])


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
