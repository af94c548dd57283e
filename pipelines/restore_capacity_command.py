"""``beam-dynamodb restore-capacity RUN``: what a run that crashed left boosted."""

from collections.abc import Sequence

from pipelines.help_text import EXIT_CODES_HELP
from pipelines.launch import ExitCode
from pipelines.made_ready import kept_boosts, undo_boosts
from pipelines.run_directory import RunDirectory
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.transport import TransportConfig

__all__ = ["help_text", "run"]

_HELP = f"""\
usage: beam-dynamodb restore-capacity RUN

Puts back the write capacity that a copy raised with --boost-write and could not put
back itself, because it was killed. RUN is the run's name, or its directory. Doing it
twice is as good as once.

Example
  beam-dynamodb restore-capacity 20261124-041500-1f2e3d

{EXIT_CODES_HELP}"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb restore-capacity``."""
    return _HELP


def run(words: Sequence[str]) -> ExitCode:
    """Puts the capacities of a run's targets back.

    Raises:
        UserError: no such run.
        JobStoppedError: the service does not let us.
    """
    if len(words) != 1 or words[0].startswith("-"):
        raise UserError("name one run, as beam-dynamodb restore-capacity RUN")
    directory = RunDirectory.of_run(words[0])
    boosts = kept_boosts(directory)
    if not boosts:
        print(f"{directory.path} left no table boosted")
        return ExitCode.DONE
    undo_boosts(boosts, directory, TransportConfig())
    for each in boosts:
        print(f"{each.table.display} has {each.write_before:,} WCU again")
    return ExitCode.DONE
