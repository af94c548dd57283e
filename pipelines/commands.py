"""What each command of ``beam-dynamodb`` does, and how its errors are said."""

# ruff: noqa: T201 - the command talks on stdout

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

from pipelines.command_line import copy_options
from pipelines.flags import did_you_mean
from pipelines.help_text import COMMAND_HELP, copy_help
from pipelines.launch import ExitCode, launch_copy
from transforms.dynamodb.errors import BeamDynamoDBError, UserError

__all__ = ["run"]

_COMMANDS = ("copy",)


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
    command = words[0] if words else "--help"
    if command in ("--help", "-h", "help"):
        print(COMMAND_HELP)
        return ExitCode.DONE if words else ExitCode.BAD_INPUT
    if command == "--version":
        print(f"beam-dynamodb {version('beam-dynamodb')}")
        return ExitCode.DONE
    if command not in _COMMANDS:
        raise UserError(
            f"{command!r} is no command{did_you_mean(command, _COMMANDS)}; "
            "beam-dynamodb --help lists them"
        )
    ours = words[1 : words.index("--")] if "--" in words else words[1:]
    if {"--help", "-h"} & set(ours):
        print(copy_help())
        return ExitCode.DONE
    return _copy(words[1:])


def _copy(words: list[str]) -> int:
    options, beam_words = copy_options(words)
    try:
        return launch_copy(options, beam_words)
    except Exception:
        if options.debug:
            traceback.print_exc()
        raise


def _complain(text: str, code: ExitCode) -> ExitCode:
    print(f"beam-dynamodb: error: {text}", file=sys.stderr)
    return code
