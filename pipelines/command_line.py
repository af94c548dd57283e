"""The words of a command line, as values of options.

``--to`` begins a target, and the options that both a copy and a target have
(``--filter``, ``--columns``, ``--endpoint``) belong to the target they follow. All
other options mean one thing only, and may stand anywhere before ``--``.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from pipelines.beam_flags import beam_options
from pipelines.flags import Flag, build, did_you_mean, flags_of
from pipelines.job_file import read_job_file
from pipelines.options import CopyOptions, RouteOptions
from transforms.dynamodb.errors import UserError

__all__ = ["CopyWords", "copy_options", "parse_copy"]


@dataclass(slots=True)
class CopyWords:
    """What was said, by field name, before any conversion.

    Attributes:
        copy: the copy's own options.
        targets: one mapping a ``--to``, in the order said.
        job: path of the job file, if one was named.
        beam: the words after ``--``.
    """

    copy: dict[str, Any] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)
    job: str | None = None
    beam: list[str] = field(default_factory=list)


def copy_options(words: Sequence[str]) -> tuple[CopyOptions, list[str]]:
    """Returns the options of a copy, and the words for Beam.

    Args:
        words: the command line after ``copy``.

    Raises:
        UserError: a word, or a field of the job file, that cannot be understood.
    """
    said = parse_copy(words)
    in_file, targets = read_job_file(said.job) if said.job else ({}, [])
    routes = tuple(
        build(RouteOptions, target, where=f"to {target.get('to', '?')}")
        for target in said.targets or targets
    )
    options: CopyOptions = build(CopyOptions, in_file | said.copy, targets=routes)
    return options, said.beam


def parse_copy(words: Sequence[str]) -> CopyWords:
    """Sorts the words after ``copy`` into the copy, its targets, and Beam's.

    Raises:
        UserError: an unknown option (with the nearest known one), one in a place
            where it means nothing, a missing value, a word that is no option.
    """
    ours, beam = _split_at_dashes(list(words))
    copy_flags, route_flags = flags_of(CopyOptions), flags_of(RouteOptions)
    said = CopyWords(beam=beam)
    for section in _sections(ours):
        in_target = section[:1] == ["--to"]
        flags = copy_flags | route_flags if in_target else copy_flags
        values = _parse_section(
            section, flags, [*copy_flags.values(), *route_flags.values()]
        )
        said.job = values.pop("job", said.job)
        target: dict[str, Any] = {}
        for name, value in values.items():
            (target if in_target and name in route_flags else said.copy)[name] = value
        if in_target:
            said.targets.append(target)
    return said


def _split_at_dashes(words: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _sections(words: list[str]) -> list[list[str]]:
    """Cuts before every ``--to``; ``--to=X`` counts as ``--to X``."""
    sections: list[list[str]] = [[]]
    for word in words:
        if word == "--to" or word.startswith("--to="):
            sections.append(word.split("=", 1))
        else:
            sections[-1].append(word)
    return sections


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of printing usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message.removeprefix('argument ')}; see --help")


def _parse_section(
    words: list[str], flags: dict[str, Flag], known: list[Flag]
) -> dict[str, Any]:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--job", default=argparse.SUPPRESS)
    for one in flags.values():
        _add(parser, one)
    values, left = parser.parse_known_args(words)
    if left:
        raise UserError(_explain(left[0], flags, known))
    return vars(values)


def _add(parser: argparse.ArgumentParser, one: Flag) -> None:
    if one.is_switch:
        off = one.option.replace("--", "--no-", 1)
        for option, action in ((one.option, "store_true"), (off, "store_false")):
            parser.add_argument(
                option, dest=one.name, action=action, default=argparse.SUPPRESS
            )
    else:
        parser.add_argument(one.option, dest=one.name, default=argparse.SUPPRESS)


def _explain(word: str, flags: dict[str, Flag], known: Iterable[Flag]) -> str:
    """Says why a word was not understood, and what to write instead."""
    option = word.split("=", 1)[0]
    options = sorted({one.option for one in known} | {"--job", "--help"})
    if not word.startswith("-"):
        return f"{word!r} stands alone; give it with an option, as --source {word}"
    if option in options:
        return f"{option} belongs to a target: say it after the --to that it is for"
    if option in beam_options():
        return f"{option} is an option of Beam: say it after --, as -- {word}"
    here = [one.option for one in flags.values()]
    near = did_you_mean(option, here) or did_you_mean(option, options)
    return f"{option} is no option{near or '; see --help'}"
