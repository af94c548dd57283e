"""The commands of ``beam-dynamodb``, and how their errors are said.

A command is a module of this package with ``help_text() -> str`` and
``run(words) -> int``; it is imported when it is asked for.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

from pipelines.flags import did_you_mean
from pipelines.launch import ExitCode
from transforms.dynamodb.errors import BeamDynamoDBError, UserError

__all__ = ["COMMANDS", "Command", "command_help", "run"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: what is typed.
        summary: what it does, in a few words.
        module_name: of this package.
    """

    name: str
    summary: str
    module_name: str

    def module(self) -> ModuleType:
        """Returns the module that helps and runs."""
        return import_module(f"pipelines.{self.module_name}")


COMMANDS = {
    one.name: one
    for one in (
        Command(
            "copy",
            "scan a table once and write its items to tables in other regions",
            "copy_command",
        ),
        Command(
            "template",
            "jobs with parameters: list, show, validate, render, launch, build",
            "template_command",
        ),
        Command(
            "doctor",
            "what a runner needs, and what of it is missing here",
            "doctor_command",
        ),
        Command(
            "plan",
            "what a copy would read, write, take and cost; nothing is written",
            "plan_command",
        ),
        Command(
            "schema",
            "what is in a table: types, presence, sizes, large keys and items",
            "schema_command",
        ),
        Command(
            "restore-capacity",
            "put back what a copy with --boost-write raised, after a crash",
            "restore_capacity_command",
        ),
        Command(
            "policy",
            "print the least that a copy must be allowed, as an IAM policy",
            "policy_command",
        ),
        Command(
            "retry-rejected",
            "write again what the targets of a copy have refused",
            "retry_rejected_command",
        ),
        Command(
            "backup",
            "write a table to files, as the service exports it or in Parquet",
            "backup_command",
        ),
        Command(
            "restore",
            "write a backup, or an export of the service's, to tables",
            "restore_command",
        ),
        Command(
            "rate",
            "show what a running job may spend, or change it",
            "rate_command",
        ),
        Command(
            "query",
            "run SQL over tables of any regions, and over backups",
            "query_command",
        ),
        Command(
            "hive",
            "run a Hive script that moves DynamoDB tables",
            "hive_command",
        ),
        Command(
            "beam-yaml",
            "print the provider file by which Beam YAML has our transforms",
            "beam_yaml_command",
        ),
    )
}
"""By name, in the order of the help."""

_HELP = """\
usage: beam-dynamodb COMMAND …

Moves Amazon DynamoDB tables across regions, on Apache Beam.

Commands
{commands}

  beam-dynamodb COMMAND --help   says what a command takes
  beam-dynamodb --version        says which version this is
"""


def command_help() -> str:
    """Returns the help of ``beam-dynamodb``."""
    width = max(map(len, COMMANDS)) + 2
    lines = (f"  {one.name:{width}}{one.summary}" for one in COMMANDS.values())
    return _HELP.format(commands="\n".join(lines))


def run(words: Sequence[str]) -> int:
    """Runs a command and returns its exit code.

    Args:
        words: the command line, without the program's name.

    Raises:
        KeyboardInterrupt: somebody stopped it; its worker processes are ended, but
            Beam's threads may still hold this process.
    """
    try:
        return _dispatch(list(words))
    except UserError as error:
        return _complain(str(error), ExitCode.BAD_INPUT)
    except BeamDynamoDBError as error:
        return _complain(str(error), ExitCode.FAILED)
    except Exception as error:  # noqa: BLE001 - the last place that could say it
        text = f"unexpected {type(error).__name__}: {error}; --debug shows where"
        return _complain(text, ExitCode.FAILED)


def _dispatch(words: list[str]) -> int:
    name = words[0] if words else "--help"
    if name in ("--help", "-h", "help"):
        print(command_help())
        return ExitCode.DONE if words else ExitCode.BAD_INPUT
    if name == "--version":
        print(f"beam-dynamodb {version('beam-dynamodb')}")
        return ExitCode.DONE
    if name not in COMMANDS:
        raise UserError(
            f"{name!r} is no command{did_you_mean(name, COMMANDS)}; "
            "beam-dynamodb --help lists them"
        )
    module = COMMANDS[name].module()
    ours = words[1 : words.index("--")] if "--" in words else words[1:]
    if {"--help", "-h"} & set(ours):
        print(module.help_text())
        return ExitCode.DONE
    code: int = module.run(words[1:])
    return code


def _complain(text: str, code: ExitCode) -> ExitCode:
    print(f"beam-dynamodb: error: {text}", file=sys.stderr)
    return code
