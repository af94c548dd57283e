"""Flags: a field of an options class, said on the command line or in a job file.

An options class is a frozen dataclass whose fields have ``metadata=flag(...)``. The
same declaration gives the flag (``read_percent`` is ``--read-percent``), the field of
the job file (``read_percent``), the line of help and the conversion, so that the
three cannot disagree.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, TypeVar

from transforms.dynamodb.errors import UserError

__all__ = [
    "Flag",
    "build",
    "did_you_mean",
    "flag",
    "flags_of",
    "opener_of",
    "said_form",
]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flag:
    """One field as the user says it.

    Attributes:
        name: the field's name, as in a job file.
        group: the heading of the help it stands under.
        help: one or two sentences, without the default.
        metavar: what stands for the value in the help; empty for a switch.
        choices: the values allowed, all of them if empty.
        convert: makes the field's value of what was said; raises UserError or
            ValueError.
        is_required: True if it has no default.
    """

    name: str
    group: str
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    convert: Callable[[Any], Any] = str
    is_required: bool = False

    @property
    def option(self) -> str:
        """The flag on the command line, as ``--read-percent``."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """True for a flag that takes no value."""
        return not self.metavar


def flag(
    group: str,
    help_text: str,
    *,
    metavar: str = "",
    choices: tuple[str, ...] = (),
    convert: Callable[[Any], Any] = str,
) -> dict[str, Any]:
    """Returns the metadata that makes a dataclass field a flag; see ``Flag``."""
    return {
        "group": group,
        "help": help_text,
        "metavar": metavar,
        "choices": choices,
        "convert": convert,
    }


def flags_of(options: type) -> dict[str, Flag]:
    """Returns the flags of an options class by field name, in order of declaration."""
    return {
        field.name: Flag(
            name=field.name, is_required=field.default is MISSING, **field.metadata
        )
        for field in dataclasses.fields(options)
        if field.metadata
    }


def opener_of(target: type) -> Flag:
    """Returns the flag that begins a target: the first of its class, as ``--to``."""
    return next(iter(flags_of(target).values()))


def build(
    options: type[T], said: Mapping[str, Any], *, where: str = "", **others: Any
) -> T:
    """Makes options of what was said.

    Args:
        options: the dataclass; its fields say how to convert.
        said: values by field name, as text or as YAML gives them.
        where: names the place in errors, as ``to us-west-2/orders``.
        **others: values of the fields that are no flags.

    Raises:
        UserError: a value that does not convert, or a field that must be said.
    """
    known = flags_of(options)
    values = {name: _convert(known[name], value, where) for name, value in said.items()}
    for one in known.values():
        if one.is_required and one.name not in values:
            raise UserError(f"{one.option} is missing: {one.help}")
    return options(**values, **others)


def said_form(options: Any, target: type[Any] | None = None) -> dict[str, Any]:
    """Returns options as a job file would say them; the inverse of ``build``.

    Args:
        options: of an options class; what is as by default is left out.
        target: the class of its ``targets``, if it has them; they become a list
            under the name of the flag that begins one.
    """
    said = {}
    for name, known in flags_of(type(options)).items():
        value = getattr(options, name)
        if known.is_required or value != _default(type(options), name):
            said[name] = _say(value)
    if target is not None:
        said[opener_of(target).name] = [said_form(one) for one in options.targets]
    return said


def _default(options: type, name: str) -> Any:
    for field in dataclasses.fields(options):
        if field.name == name:
            factory = field.default_factory
            return field.default if factory is MISSING else factory()
    raise AssertionError(name)


def _say(value: Any) -> Any:
    """Plain data stays; other values have a text that their ``convert`` reads."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: _say(one) for name, one in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [_say(one) for one in value]
    return str(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns ``; did you mean --segments?``, or nothing if no name is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _convert(given: Flag, value: Any, where: str) -> Any:
    place = f"{where}: {given.option}" if where else given.option
    if given.choices and value not in given.choices:
        raise UserError(
            f"{place} is {value!r}, which is none of {', '.join(given.choices)}"
            f"{did_you_mean(str(value), given.choices)}"
        )
    try:
        return given.convert(value)
    except (UserError, ValueError) as error:
        raise UserError(f"{place}: {error}") from error
