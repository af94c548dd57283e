"""The parameters of a template: their types, and values that must not be in one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines import conversions as convert
from pipelines.flags import did_you_mean
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef

__all__ = ["Parameter", "make_parameter", "refuse_secrets"]

_FIELDS = ("type", "help", "default", "choices", "pattern", "required")

# What AWS documents as the form of its access key ids, long-lived and temporary.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
_SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\b(?:aws|s3)_(?:secret_access_key|session_token)\b",
    re.IGNORECASE,
)


def _number(said: Any) -> int | float:
    text = str(said)
    if not re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", text):
        raise UserError(f"give a number, not {said!r}")
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def _integer(said: Any) -> int:
    number = _number(said)
    if not isinstance(number, int):
        raise UserError(f"give a whole number, not {said!r}")
    return number


def _switch(said: Any) -> bool:
    if said in (True, "true", "yes"):
        return True
    if said in (False, "false", "no"):
        return False
    raise UserError(f"give true or false, not {said!r}")


def _table(said: Any) -> str:
    text = convert.text(said)
    TableRef.parse(text)
    return text


def _role(said: Any) -> str:
    text = convert.text(said)
    if not re.fullmatch(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", text):
        raise UserError(f"give a role as arn:aws:iam::ACCOUNT:role/NAME, not {said!r}")
    return text


_TYPES: dict[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "role": _role,
    "switch": _switch,
    "table": _table,
    "text": convert.text,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as in ``--param name=value``.
        type: integer, number, role, switch, table (REGION/TABLE) or text.
        help: what it is for.
        default: its value where none is given; None for none.
        choices: the values allowed; all of them if empty.
        pattern: a regular expression that a value matches as a whole.
        required: True if a value must be given.
    """

    name: str
    type: str
    help: str
    default: Any = None
    choices: tuple[Any, ...] = ()
    pattern: str | None = None
    required: bool = False

    @property
    def may_be_absent(self) -> bool:
        """True if it may have no value at all."""
        return self.default is None and not self.required

    def value_of(self, given: Any) -> Any:
        """Returns the value for what was given, None for nothing.

        Raises:
            UserError: it is missing, of another type, or not allowed.
        """
        if given is None:
            if self.required:
                raise UserError(f"--param {self.name}=… is missing: {self.help}")
            given = self.default
            if given is None:
                return None
        try:
            value = _TYPES[self.type](given)
        except (UserError, ValueError) as error:
            raise UserError(f"--param {self.name}: {error}") from error
        if self.choices and value not in self.choices:
            allowed = ", ".join(map(str, self.choices))
            raise UserError(f"--param {self.name}: {value!r} is none of {allowed}")
        if self.pattern and not re.fullmatch(self.pattern, str(value)):
            raise UserError(
                f"--param {self.name}: {value!r} does not match {self.pattern}"
            )
        return value


def make_parameter(path: str, name: str, said: Any) -> Parameter:
    """Returns a parameter of a template's file.

    Raises:
        UserError: it is none; names the file and the parameter.
    """
    where = f"{path}: parameter {name}"
    if not isinstance(said, Mapping):
        raise UserError(f"{where}: write {{type: …, help: …}}")
    for field in said:
        if field not in _FIELDS:
            raise UserError(
                f"{where}: {field} is no field{did_you_mean(str(field), _FIELDS)}"
            )
    kind = said.get("type", "text")
    if kind not in _TYPES:
        raise UserError(
            f"{where}: {kind!r} is no type{did_you_mean(str(kind), _TYPES)}; there are "
            f"{', '.join(_TYPES)}"
        )
    if not said.get("help"):
        raise UserError(f"{where}: say what it is for, under 'help'")
    parameter = Parameter(
        name=name,
        type=kind,
        help=str(said["help"]),
        default=said.get("default"),
        choices=tuple(said.get("choices", ())),
        pattern=said.get("pattern"),
        required=bool(said.get("required", False)),
    )
    if parameter.pattern is not None:
        try:
            re.compile(parameter.pattern)
        except re.error as error:
            raise UserError(f"{where}: the pattern is none: {error}") from error
    if parameter.default is not None:
        try:
            parameter.value_of(parameter.default)
        except UserError as error:
            raise UserError(f"{where}: its default: {error}") from error
    return parameter


def refuse_secrets(path: str, text: str) -> None:
    """Refuses a text with credentials in it: templates and jobs are kept and shared.

    Raises:
        UserError: it has some; they are not shown.
    """
    if _SECRET.search(text):
        raise UserError(
            f"{path}: it would hold AWS credentials; give the workers a role, or name "
            "a profile (source_profile, profile)"
        )
