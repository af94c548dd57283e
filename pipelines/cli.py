"""The command ``beam-dynamodb``."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from pipelines.command_line import parse_copy
from pipelines.flags import build, did_you_mean
from pipelines.help_text import COMMAND_HELP, copy_help
from pipelines.job_file import read_job_file
from pipelines.launch import ExitCode, launch_copy
from pipelines.options import CopyOptions, RouteOptions
from transforms.dynamodb.errors import BeamDynamoDBError, UserError

__all__ = ["copy_options", "main", "run"]

_COMMANDS = ("copy",)


def main() -> int:
    """Runs the command of this process; the entry point of the console script."""
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        _leave_at_once()


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


def copy_options(words: Sequence[str]) -> tuple[CopyOptions, list[str]]:
    """Returns the options of a copy, and the words for Beam.

    Args:
        words: the command line after ``copy``.

    Raises:
        UserError: a word, or a field of the job file, that cannot be understood.
    """
    said = parse_copy(words, CopyOptions, RouteOptions)
    in_file, targets = (
        read_job_file(said.job, CopyOptions, RouteOptions) if said.job else ({}, [])
    )
    routes = tuple(
        build(RouteOptions, target, where=f"to {target.get('to', '?')}")
        for target in said.targets or targets
    )
    options: CopyOptions = build(CopyOptions, in_file | said.copy, targets=routes)
    return options, said.beam


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


def _leave_at_once() -> NoReturn:
    """Ends this process though Beam's threads would go on, and says so.

    What they send until then is whole items, so the targets stay sound.
    """
    print(
        "beam-dynamodb: stopped; what was written stays, and running it again is safe",
        file=sys.stderr,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitCode.FAILED)
