"""``beam-dynamodb beam-yaml``: where the provider file for Beam YAML is."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import transforms
from pipelines.launch import ExitCode
from transforms.dynamodb.errors import UserError

__all__ = ["help_text", "run"]

_HELP = """\
usage: beam-dynamodb beam-yaml

Prints the path of the provider file by which pipelines in Beam YAML have the
transforms ReadFromDynamoDB, ReadFromDynamoDBExport, QueryItems, WriteToDynamoDB,
WriteToDynamoDBExport and WriteToRegions. A pipeline includes it:

  providers:
    - include: "{{ providers }}"

Example
  python -m apache_beam.yaml.main --yaml_pipeline_file=examples/beam_yaml.yaml \\
      --jinja_variables="{\\"providers\\": \\"$(beam-dynamodb beam-yaml)\\"}"

It needs the extra yaml: pip install 'beam-dynamodb[yaml]'. See docs/yaml.md.
"""

# What Beam's own YAML needs beyond Beam, and rows beyond that.
_NEEDED = ("docstring_parser", "duckdb", "jinja2", "jsonschema", "sqlglot")


def help_text() -> str:
    """Returns the help of ``beam-dynamodb beam-yaml``."""
    return _HELP


def run(words: Sequence[str]) -> ExitCode:
    """Prints the path.

    Raises:
        UserError: it takes nothing, or the extra is not installed.
    """
    if words:
        raise UserError(f"beam-yaml takes nothing, not {words[0]}")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"Beam YAML needs {', '.join(missing)}, which is not installed: "
            "pip install 'beam-dynamodb[yaml]'"
        )
    # Not from transforms.beam_yaml, which would import Beam to say a path.
    print(Path(transforms.__file__).parent / "beam_yaml" / "providers.yaml")
    return ExitCode.DONE
