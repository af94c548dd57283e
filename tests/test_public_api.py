"""What `import transforms` promises."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import transforms

SOURCE = Path(transforms.__file__).read_text(encoding="utf-8")


def typed_reexports() -> list[ast.alias]:
    (typed,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    imports = [node for node in typed.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(typed.body)
    return [alias for node in imports for alias in node.names]


def test_the_public_names_are_sorted_and_told_once():
    assert transforms.__all__ == sorted(set(transforms.__all__))


def test_type_checkers_see_the_names_that_run_time_has():
    aliases = typed_reexports()
    assert all(alias.asname == alias.name for alias in aliases)
    assert sorted(alias.name for alias in aliases) == transforms.__all__


@pytest.mark.parametrize("name", transforms.__all__)
def test_each_public_name_is_that_of_its_module(name):
    public = getattr(transforms, name)
    defined_in = sys.modules[transforms._MODULE_OF[name]]
    assert public is getattr(defined_in, name)
    assert name in defined_in.__all__


def test_every_name_can_be_listed_and_an_unknown_one_is_no_attribute():
    assert set(transforms.__all__) <= set(dir(transforms))
    with pytest.raises(AttributeError, match="no attribute 'ReadFromDynamo'"):
        transforms.__getattr__("ReadFromDynamo")


def test_public_values_travel_to_workers():
    table = transforms.TableRef("birds", region="eu-west-1")
    route = transforms.Route(name="birds", target=table, filter="a = 1")
    assert pickle.loads(pickle.dumps(route)) == route


@pytest.mark.parametrize(
    "module",
    [
        "transforms",
        "transforms.dynamodb.client",
        "transforms.throttle.token_bucket",
        "transforms.ledger.progress",
    ],
)
def test_what_needs_no_beam_imports_none(module):
    code = f"import sys, {module}; sys.exit('apache_beam' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
