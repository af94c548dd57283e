"""The words of a command line, as values of options.

A pipeline has one options class and may have a second one for what is said several
times: in a copy ``--to`` begins a target, and the options that both have
(``--filter``, ``--columns``, ``--endpoint``) belong to the target they follow. All
other options mean one thing only, and may stand anywhere before ``--``.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from pipelines.beam_flags import beam_options
from pipelines.flags import Flag, build, did_you_mean, flags_of, opener_of
from pipelines.job_file import read_job_file
from transforms.dynamodb.errors import UserError

__all__ = ["Words", "parse_words", "read_options"]

T = TypeVar("T")


@dataclass(slots=True)
class Words:
    """What was said, by field name, before any conversion.

    Attributes:
        said: the pipeline's own options.
        targets: one mapping a target, in the order said.
        job: path of the job file, if one was named.
        beam: the words after ``--``.
    """

    said: dict[str, Any] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)
    job: str | None = None
    beam: list[str] = field(default_factory=list)


def read_options(
    words: Sequence[str], options: type[T], target: type[Any] | None = None
) -> tuple[T, list[str]]:
    """Returns the options of a pipeline, and the words for Beam.

    Args:
        words: the command line after the command.
        options: the pipeline's options class; has a field ``targets`` if `target`
            is given.
        target: the options class of what is said several times. Its first flag
            begins one, as ``--to``.

    Raises:
        UserError: a word, or a field of the job file, that cannot be understood.
    """
    words_said = parse_words(words, options, target)
    in_file: dict[str, Any] = {}
    targets: list[dict[str, Any]] = []
    if words_said.job:
        in_file, targets = read_job_file(words_said.job, options, target)
    others: dict[str, Any] = {}
    if target is not None:
        opener = opener_of(target).name
        others["targets"] = tuple(
            build(target, one, where=f"{opener} {one.get(opener, '?')}")
            for one in words_said.targets or targets
        )
    return build(options, in_file | words_said.said, **others), words_said.beam


def parse_words(
    words: Sequence[str], options: type[Any], target: type[Any] | None = None
) -> Words:
    """Sorts the words after a command into its own, its targets', and Beam's.

    Raises:
        UserError: an unknown option (with the nearest known one), one in a place
            where it means nothing, a missing value, a word that is no option.
    """
    ours, beam = _split_at_dashes(list(words))
    own_flags = flags_of(options)
    target_flags = flags_of(target) if target else {}
    opener = opener_of(target).option if target else None
    parsed = Words(beam=beam)
    for section in _sections(ours, opener):
        in_target = opener is not None and section[:1] == [opener]
        flags = own_flags | target_flags if in_target else own_flags
        known = [*own_flags.values(), *target_flags.values()]
        values = _parse_section(section, flags, known)
        parsed.job = values.pop("job", parsed.job)
        one: dict[str, Any] = {}
        for name, value in values.items():
            (one if in_target and name in target_flags else parsed.said)[name] = value
        if in_target:
            parsed.targets.append(one)
    return parsed


def _split_at_dashes(words: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _sections(words: list[str], opener: str | None) -> list[list[str]]:
    """Cuts before every ``--to``; ``--to=X`` counts as ``--to X``."""
    sections: list[list[str]] = [[]]
    for word in words:
        if opener and (word == opener or word.startswith(f"{opener}=")):
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
