"""Every example is a job that the command takes."""

from pathlib import Path

import pytest

from pipelines.backup_options import BackupOptions
from pipelines.command_line import read_options
from pipelines.options import CopyOptions
from pipelines.query_options import QueryOptions, TableOptions
from pipelines.target_options import TargetOptions
from transforms.query.statement import bind, parse_query

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "one_region",
    "two_regions",
    "schemaful",
    "throughput",
    "masked",
    "via_export",
)
COPIES = [ROOT / "examples" / f"{name}.yaml" for name in NAMES]


@pytest.mark.parametrize("path", COPIES, ids=lambda path: path.name)
def test_a_copy_that_is_an_example_is_read_as_it_stands(path):
    options, beam = read_options(["--job", str(path)], CopyOptions, TargetOptions)
    assert beam == []
    assert len(options.routes()) == len(options.targets)


def test_the_query_that_is_an_example_binds_to_its_schemas():
    path = ROOT / "examples" / "query.yaml"
    options, beam = read_options(["--job", str(path)], QueryOptions, TableOptions)
    assert beam == []
    schemas = {one.name: one.schema for one in options.tables() if one.schema}
    columns = bind(parse_query(options.text).text, schemas)
    assert [column.name for column in columns] == ["country", "orders", "total"]


def test_the_archive_that_is_an_example_is_read_as_it_stands():
    path = ROOT / "examples" / "archive_old_items.yaml"
    options, beam = read_options(["--job", str(path)], BackupOptions)
    assert beam == []
    assert options.deletes
    assert str(options.partitions) == "month=substr(day, 1, 7)"
