"""A configuration's words: checked against the types of a function's arguments."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import jsonschema
from apache_beam.yaml.json_utils import beam_schema_to_json_schema
from apache_beam.yaml.yaml_provider import InlineProvider

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import near_names
from transforms.throttle.rate import Rate, RateError

__all__ = ["chosen_rate", "typed"]

P = ParamSpec("P")
R = TypeVar("R")

# Beam's loader leaves the places of mappings in them.
_PLACES = ("__line__", "__uuid__")


def typed(transform: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a function refuse arguments that are not of its types.

    Beam YAML shows the types (`generate_yaml_docs`), and does not check them.

    Args:
        transform: its name in a pipeline, for messages.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters
        beam_schema = InlineProvider.config_schema_from_callable(function)
        validate = jsonschema.Draft202012Validator(
            beam_schema_to_json_schema(beam_schema)
        )

        @functools.wraps(function)
        def made(*args: P.args, **kwargs: P.kwargs) -> R:
            said = {name: _plain(one) for name, one in kwargs.items()}
            said = {name: one for name, one in said.items() if one is not None}
            _check_names(transform, said, parameters)
            for mistake in validate.iter_errors(said):
                where = ".".join(map(str, (transform, *mistake.absolute_path)))
                raise UserError(f"{where}: {mistake.message}")
            return function(*args, **said)

        return made

    return decorate


def _check_names(
    transform: str,
    said: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
) -> None:
    for name in said:
        if name not in parameters:
            raise UserError(
                f"{transform}: there is no {name!r} in its configuration"
                f"{near_names(name, parameters)}; there are {', '.join(parameters)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in said:
            raise UserError(f"{transform}: its configuration has no {name!r}; add it")


def _plain(value: Any) -> Any:
    """Takes out what Beam's loader put in."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if k not in _PLACES}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def chosen_rate(
    transform: str, side: str, percent: float | None, units: float | None
) -> Rate:
    """Returns the rate that one of two words says; 50 % by default.

    Raises:
        UserError: both are said, or it is out of bounds.
    """
    if percent is not None and units is not None:
        raise UserError(
            f"{transform}: {side}_percent {percent} and {side}_units {units} both give "
            "the rate; keep one"
        )
    try:
        if units is not None:
            return Rate.units(units)
        return Rate.percent(50.0 if percent is None else percent)
    except RateError as error:
        raise UserError(f"{transform}: {error}") from error
