"""Every example is a job that the command takes."""

from pathlib import Path

import pytest

from pipelines.command_line import read_options
from pipelines.options import CopyOptions, RouteOptions

ROOT = Path(__file__).resolve().parent.parent
COPIES = [ROOT / "examples" / "two_regions.yaml"]


@pytest.mark.parametrize("path", COPIES, ids=lambda path: path.name)
def test_a_copy_that_is_an_example_is_read_as_it_stands(path):
    options, beam = read_options(["--job", str(path)], CopyOptions, RouteOptions)
    assert beam == []
    assert len(options.routes()) == len(options.targets)
