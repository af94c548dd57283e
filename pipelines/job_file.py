"""The job file: a pipeline written down, in YAML, with the flags' own names.

::

    source: eu-west-1/testtable
    read_percent: 10
    to:
      - to: us-west-2/kgpai.uswest.test
        name: oregon
        write_percent: 40
        filter: day >= '2013-06-01'
        columns: [uuid_hash, day, name, value]
"""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.flags import did_you_mean, flags_of, opener_of
from transforms.dynamodb.errors import UserError

__all__ = ["load_yaml", "read_job_file"]

_BOOLEAN, _TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"


def read_job_file(
    path: str, options: type[Any], target: type[Any] | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns what the file says: the pipeline's own fields, and each target's.

    Args:
        path: of the file.
        options: the pipeline's options class.
        target: that of its targets, a list under the name of their first flag.

    Raises:
        UserError: no such file, no YAML, a field that is unknown or said twice.
    """
    document = load_yaml(path)
    if not isinstance(document, Mapping):
        raise UserError(f"{path} holds no fields; write for example 'source: …'")
    said = dict(document)
    if target is None:
        _check_fields(path, said, list(flags_of(options)))
        return said, []
    opener = opener_of(target).name
    targets = said.pop(opener, [])
    if not isinstance(targets, list):
        raise UserError(
            f"{path}: {opener!r} is a list of targets, "
            f"each beginning with '- {opener}:'"
        )
    _check_fields(path, said, [*flags_of(options), opener])
    for one in targets:
        _check_fields(f"{path}: {opener}", one, list(flags_of(target)), opener)
    return said, [dict(one) for one in targets]


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, which keeps the last of two equal keys, made to refuse."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[Hashable, Any]:
        for key, _ in node.value:
            if key.tag == _BOOLEAN:  # a field named yes is not true, as YAML 1.1 has it
                key.tag = _TEXT
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"{key!r} is said twice; keep one",
                    problem_mark=node.start_mark,
                )
        return super().construct_mapping(node, deep=deep)


def load_yaml(path: str) -> Any:
    """Returns what a YAML file says; no key of it may be said twice.

    Raises:
        UserError: no such file, or no YAML.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise UserError(f"cannot read the job file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"the job file {path} is no YAML: {error}") from error


def _check_fields(place: str, said: Any, known: list[str], opener: str = "") -> None:
    if not isinstance(said, Mapping):
        raise UserError(f"{place}: {said!r} is no target; write '- {opener}: …'")
    for name in said:
        if name not in known:
            near = did_you_mean(str(name), known)
            raise UserError(
                f"{place}: {name} is no field{near or '; --help lists them all'}"
            )
