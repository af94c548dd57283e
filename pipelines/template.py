"""Templates: a job file with parameters. Rendering is pure: same input, same bytes.

::

    template: 1
    pipeline: copy
    summary: one table to one table in another region
    parameters:
      source: {type: table, help: the table to read, required: true}
      read_percent: {type: number, help: percent of its capacity, default: 10}
    job:
      source: ${source}
      read_percent: ${read_percent}

A value of the job that is ``${name}`` alone takes the parameter's value as it is, and
is left out where the parameter has none; within a longer text it is written out.
``$${`` is a ``${`` that means itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pipelines.flags import did_you_mean
from pipelines.job_file import load_yaml
from pipelines.template_values import Parameter, make_parameter, refuse_secrets
from transforms.dynamodb.errors import UserError

__all__ = [
    "TEMPLATE_FORMAT",
    "Template",
    "find_template",
    "read_template",
    "shipped_templates",
]

TEMPLATE_FORMAT = 1

_FOLDER = Path(__file__).parent / "templates"
_FIELDS = ("template", "pipeline", "summary", "parameters", "job")
_PLACE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Template:
    """A job file with parameters, checked.

    Attributes:
        path: of its file, for messages.
        pipeline: the command that runs it, as ``copy``.
        summary: what it does, in a line.
        parameters: by name, in the order of the file.
        job: the job file's fields, with ``${name}`` in them.
    """

    path: str
    pipeline: str
    summary: str
    parameters: Mapping[str, Parameter]
    job: Mapping[str, Any]

    def render(self, given: Mapping[str, str]) -> str:
        """Returns the job file, in YAML.

        Args:
            given: values by parameter name, as ``--param name=value`` has them.

        Raises:
            UserError: a parameter that is unknown, missing or ill-typed, or a value
                that looks like a secret.
        """
        values = self._values(given)
        job = {name: _fill(value, values) for name, value in self.job.items()}
        said = {name: value for name, value in job.items() if value is not _ABSENT}
        text: str = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=100)
        refuse_secrets(self.path, text)
        return text

    def outline(self, given: Mapping[str, str]) -> str:
        """Returns the job file as far as it is known before a launch.

        A parameter that a launch must give is left out; a table of it is made up.

        Raises:
            UserError: as `render`, but for what is missing.
        """
        missing = {
            name: one
            for name, one in self.parameters.items()
            if one.required and name not in given
        }
        optional = {**self.parameters}
        for name, one in missing.items():
            stand_in = f"us-east-1/{name}" if one.type == "table" else None
            optional[name] = replace(one, required=False, default=stand_in)
        template = replace(self, parameters=optional)
        return template.render(given)

    def _values(self, given: Mapping[str, str]) -> dict[str, Any]:
        for name in given:
            if name not in self.parameters:
                near = did_you_mean(name, self.parameters)
                raise UserError(
                    f"--param {name}: {self.path} has no such parameter"
                    f"{near or '; template show lists them'}"
                )
        return {
            name: parameter.value_of(given.get(name))
            for name, parameter in self.parameters.items()
        }


def _fill(value: Any, values: Mapping[str, Any]) -> Any:
    """Puts values in the place of names; what has no value is left out."""
    if isinstance(value, Mapping):
        filled = {name: _fill(one, values) for name, one in value.items()}
        return {name: one for name, one in filled.items() if one is not _ABSENT}
    if isinstance(value, list):
        filled_list = [_fill(each, values) for each in value]
        return [one for one in filled_list if one is not _ABSENT]
    if not isinstance(value, str):
        return value
    alone = _PLACE.fullmatch(value)
    if alone and alone[1] is not None:
        found = values[alone[1]]
        return _ABSENT if found is None else found
    return _PLACE.sub(
        lambda place: "${" if place[1] is None else str(values[place[1]]), value
    )


def shipped_templates() -> list[Path]:
    """Returns the templates that come with this package, by name."""
    return sorted(_FOLDER.glob("*.yaml"))


def find_template(name: str) -> Path:
    """Returns the file of a template: a path, or the name of a shipped one."""
    shipped = _FOLDER / f"{name}.yaml"
    return shipped if "/" not in name and shipped.is_file() else Path(name)


def read_template(name: str) -> Template:
    """Reads and checks a template.

    Raises:
        UserError: no such file, no template, one of a newer format, or a job that
            names a parameter that is not there.
    """
    path = str(find_template(name))
    document = load_yaml(path)
    if not isinstance(document, Mapping) or "template" not in document:
        raise UserError(
            f"{path} is no template: its first field is 'template: {TEMPLATE_FORMAT}'"
        )
    if document["template"] != TEMPLATE_FORMAT:
        raise UserError(
            f"{path} is a template of format {document['template']}, and this version "
            f"reads {TEMPLATE_FORMAT}; use a newer beam-dynamodb"
        )
    for field in document:
        if field not in _FIELDS:
            near = did_you_mean(str(field), _FIELDS)
            raise UserError(f"{path}: {field} is no field of a template{near}")
    for field in ("pipeline", "job"):
        if not document.get(field):
            raise UserError(f"{path}: the template has no {field!r}; add it")
    said = document.get("parameters") or {}
    template = Template(
        path=path,
        pipeline=str(document["pipeline"]),
        summary=str(document.get("summary", "")),
        parameters={
            name: make_parameter(path, str(name), fields)
            for name, fields in said.items()
        },
        job=document["job"],
    )
    _check_places(template, template.job)
    refuse_secrets(path, Path(path).read_text(encoding="utf-8"))
    return template


def _check_places(template: Template, value: Any) -> None:
    if isinstance(value, Mapping | list):
        parts = value.values() if isinstance(value, Mapping) else value
        for part in parts:
            _check_places(template, part)
    elif isinstance(value, str):
        for place in _PLACE.finditer(value):
            name = place[1]
            if name is not None and name not in template.parameters:
                near = did_you_mean(name, template.parameters)
                raise UserError(
                    f"{template.path}: the job names ${{{name}}}, which is no "
                    f"parameter{near or '; add it under parameters'}"
                )
            parameter = template.parameters[name] if name is not None else None
            if parameter and place[0] != value and parameter.may_be_absent:
                raise UserError(
                    f"{template.path}: ${{{name}}} stands within a text, and may have "
                    "no value; give it a default, or make it required"
                )
