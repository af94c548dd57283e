"""Our transforms in Beam YAML: typed configurations, items and rows, real tables."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
import yaml
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.utils import python_callable
from apache_beam.yaml import yaml_provider
from apache_beam.yaml.yaml_transform import YamlTransform

import transforms
from pipelines.commands import run
from pipelines.demo.engines import MotoEngine
from tests.pipelines.test_restore import item_line, write_export
from tests.support.collect import collect
from tests.support.engines import make_table, unique_name
from tests.support.objects import all_items
from transforms.archive.errors import DamagedBackupError
from transforms.beam_yaml.configuration import typed
from transforms.beam_yaml.items_and_rows import as_items
from transforms.beam_yaml.reading import (
    query_items,
    read_from_dynamodb,
    read_from_dynamodb_export,
)
from transforms.beam_yaml.writing import write_to_dynamodb, write_to_regions
from transforms.dynamodb.errors import JobStoppedError, UserError

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = ROOT / "transforms" / "beam_yaml" / "providers.yaml"
LOCAL = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
WEST, EAST = "us-west-2", "us-east-1"

BIRDS: list[dict[str, Any]] = [
    {"name": {"S": "auk"}, "grams": {"N": "700"}, "seen": {"SS": ["x"]}},
    {"name": {"S": "tit"}, "grams": {"N": "11.50"}},
    {"name": {"S": "emu"}, "grams": {"S": "many"}},
]
SCHEMA = "name VARCHAR, grams DECIMAL(9,2)"


def provided() -> dict[str, Any]:
    (provider,) = yaml.safe_load(PROVIDERS.read_text())
    load = python_callable.PythonCallableWithSource.load_from_source
    return {name: load(where) for name, where in provider["transforms"].items()}


def as_transform(spec: Any) -> YamlTransform:
    """A pipeline of YAML, in text or in values, that may have an output."""
    text = spec if isinstance(spec, str) else yaml.safe_dump(spec)
    providers = yaml_provider.load_providers(str(PROVIDERS))
    return YamlTransform(text, yaml_provider.merge_providers(providers))


def run_yaml(text: str) -> None:
    """Runs a pipeline of YAML on Beam's local runner."""
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        _ = pipeline | as_transform(text)


# --- the provider file ----------------------------------------------------------------


def test_the_provider_file_names_public_transforms_and_functions_that_are_there():
    assert set(provided()) <= set(transforms.__all__)
    assert all(callable(function) for function in provided().values())


def test_each_configuration_is_typed_and_documented():
    (provider,) = yaml_provider.load_providers(str(PROVIDERS))
    for name in provider.provided_transforms():
        assert provider.description(name)
        for field in provider.config_schema(name).fields:
            assert field.type.WhichOneof("type_info") != "logical_type"
            assert field.description


def test_the_command_says_where_it_is(capsys):
    assert run(["beam-yaml"]) == 0
    assert capsys.readouterr().out == f"{PROVIDERS}\n"
    assert run(["beam-yaml", "x"]) == 2


@pytest.mark.parametrize(
    ("function", "config", "message"),
    [
        (read_from_dynamodb, {}, "ReadFromDynamoDB: its configuration has no 'table'"),
        (read_from_dynamodb, {"table": "birds"}, "not of the form REGION/NAME"),
        (read_from_dynamodb, {"tablee": "a/b"}, "no 'tablee'.*did you mean 'table'"),
        (
            read_from_dynamodb,
            {"table": "eu-west-1/birds", "segments": "ten"},
            r"ReadFromDynamoDB\.segments: 'ten' is not of type 'integer'",
        ),
        (
            read_from_dynamodb,
            {"table": "eu-west-1/birds", "read_percent": 10, "read_units": 5},
            "both give the rate",
        ),
        (
            read_from_dynamodb,
            {"table": "eu-west-1/birds", "read_percent": 0},
            "above 0 and at most 150",
        ),
        (
            read_from_dynamodb,
            {"table": "eu-west-1/birds", "misfits": "null"},
            "of a schema's columns",
        ),
        (
            read_from_dynamodb,
            {"table": "eu-west-1/birds", "schema": "n BIGINT", "misfits": "aside"},
            'must be "error" or "null"',
        ),
        (read_from_dynamodb_export, {"path": 5}, r"Export\.path: 5 is not of type"),
        (query_items, {"sql": "SELECT 1"}, "QueryItems: its configuration has no"),
        (
            query_items,
            {"sql": "SELECT x FROM birds", "schemas": {"birds": "n BIGINT"}},
            "x",
        ),
        (
            write_to_dynamodb,
            {"table": "eu-west-1/birds", "mode": "put"},
            "mode must be one of",
        ),
        (
            write_to_dynamodb,
            {"table": "eu-west-1/birds", "error_handling": {"out": "x"}},
            "write error_handling as",
        ),
        (
            write_to_dynamodb,
            {"table": "eu-west-1/birds", "error_handling": {"output": "written"}},
            "'written' is an output already",
        ),
        (write_to_regions, {"routes": [{"name": "x"}]}, "a route has no 'to'"),
        (
            write_to_regions,
            {"routes": [{"to": "eu-west-1/birds", "filtre": "a = 1"}]},
            r"WriteToRegions\.routes\.0: .*'filtre' was unexpected",
        ),
        (
            write_to_regions,
            {"routes": [{"to": "eu-west-1/birds"}, {"to": "eu-west-1/bees"}]},
            "two routes are named 'eu-west-1'",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(function, config, message):
    with pytest.raises(UserError, match=message):
        function(**config)


def test_what_beams_loader_leaves_in_mappings_is_no_part_of_the_configuration():
    @typed("Nothing")
    def function(*, said: dict[str, str]) -> dict[str, str]:
        return said

    assert function(said={"a": "b", "__line__": 3}) == {"a": "b"}  # type: ignore[dict-item]


# --- exports --------------------------------------------------------------------------


@pytest.fixture
def export(tmp_path):
    lines = list(map(item_line, BIRDS))
    return write_export(
        tmp_path, "0170", {"a.json.gz": lines[:1], "b.json.gz": lines[1:]}
    )


def test_an_export_is_read_as_items_or_as_rows(export):
    items = collect(transforms.ReadFromDynamoDBExport(str(export)))
    assert sorted(item["name"] for item in items) == ["auk", "emu", "tit"]
    rows = collect(
        as_transform(
            f"""
            type: chain
            transforms:
              - type: ReadFromDynamoDBExport
                config: {{path: {export}, schema: "{SCHEMA}", misfits: "null"}}
              - type: Filter
                config: {{language: python, keep: grams is not None}}
              - type: MapToFields
                config:
                  language: python
                  fields: {{name: name, kilograms: float(grams) / 1000}}
            """
        )
    )
    assert {row.name: row.kilograms for row in rows} == {"auk": 0.7, "tit": 0.0115}


def test_nothing_is_read_of_an_export_with_a_damaged_file(export):
    with (export / "data" / "b.json.gz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DamagedBackupError, match="it was altered or cut off"):
        collect(transforms.ReadFromDynamoDBExport(str(export)))


def test_an_incremental_export_has_no_items(tmp_path):
    moments = ("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z")
    changes = write_export(tmp_path, "0171", {"a.json.gz": []}, moments=moments)
    with pytest.raises(UserError, match="holds changes alone"):
        collect(transforms.ReadFromDynamoDBExport(str(changes)))


def test_a_query_reads_items_and_rows_by_the_names_of_its_inputs(export):
    sql = "SELECT b.name, k.diver FROM birds b JOIN kinds k ON b.name = k.name"
    found = collect(
        as_transform(
            f"""
            type: composite
            transforms:
              - {{type: ReadFromDynamoDBExport, config: {{path: {export}}}}}
              - type: Create
                config: {{elements: [{{name: auk, diver: true}}, {{name: emu}}]}}
              - type: QueryItems
                input: {{birds: ReadFromDynamoDBExport, kinds: Create}}
                config:
                  sql: {sql}
                  schemas: {{birds: name VARCHAR, kinds: "name VARCHAR, diver BOOLEAN"}}
            output: QueryItems
            """
        )
    )
    assert sorted((row.name, row.diver) for row in found) == [
        ("auk", True),
        ("emu", None),
    ]


def test_what_is_exported_is_read_again(export, tmp_path):
    run_yaml(
        f"""
        type: chain
        transforms:
          - {{type: ReadFromDynamoDBExport, config: {{path: {export}}}}}
          - {{type: WriteToDynamoDBExport, config: {{path: {tmp_path}/again}}}}
          - {{type: WriteToJson, config: {{path: {tmp_path}/done}}}}
        """
    )
    (done,) = [json.loads(path.read_text()) for path in tmp_path.glob("done*")]
    assert (done["items"], done["files"]) == (3, 1)
    again = collect(transforms.ReadFromDynamoDBExport(done["path"]))
    assert {item.wire for item in again} == {
        item.wire for item in collect(transforms.ReadFromDynamoDBExport(str(export)))
    }


class Spot(NamedTuple):
    lat: float


class Bird(NamedTuple):
    name: str
    seen: Mapping[str, Spot]


def test_a_map_of_rows_becomes_a_map_of_maps():
    bird = Bird("auk", {"june": Spot(1.5)})

    class Birds(beam.PTransform[Any, Any]):
        def expand(self, pbegin: Any) -> Any:
            rows = pbegin | beam.Create([bird]).with_output_types(Bird)
            return rows | as_items(rows)

    (item,) = collect(Birds())
    assert json.loads(item.wire) == {
        "name": {"S": "auk"},
        "seen": {"M": {"june": {"M": {"lat": {"N": "1.5"}}}}},
    }


# --- tables ---------------------------------------------------------------------------


@pytest.fixture
def endpoint(moto, monkeypatch, engine_credentials):
    url = moto.endpoint_url(EAST)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    return url


@pytest.mark.emulator
def test_rows_become_items_and_what_the_table_refuses_goes_to_its_output(
    moto, endpoint, tmp_path
):
    target = make_table(moto, EAST, unique_name(), "name")
    run_yaml(
        f"""
        type: composite
        transforms:
          - type: Create
            config:
              elements:
                - {{name: auk, grams: 700, at: {{lat: 1.5, names: [x, y]}}}}
                - {{name: "", grams: 3, at: {{lat: 0.0, names: []}}}}
          - type: WriteToDynamoDB
            name: Write
            input: Create
            config:
              table: us-east-1/{target}
              write_units: 1000
              error_handling: {{output: refused}}
          - type: WriteToJson
            input: Write.refused
            config: {{path: {tmp_path}/refused}}
        """
    )
    place = {"lat": {"N": "1.5"}, "names": {"L": [{"S": "x"}, {"S": "y"}]}}
    auk = {"name": {"S": "auk"}, "grams": {"N": "700"}, "at": {"M": place}}
    assert all_items(moto, EAST, target, "name") == {"auk": auk}
    (refused,) = [
        json.loads(line)
        for path in tmp_path.glob("refused*")
        for line in path.read_text().splitlines()
    ]
    assert refused["route"] == target
    assert json.loads(refused["item"])["name"] == {"S": ""}


@pytest.mark.emulator
def test_items_arrive_byte_for_byte_through_a_pipeline_of_yaml(moto, endpoint):
    source = make_table(moto, "eu-west-1", unique_name(), "name")
    targets = [make_table(moto, each, unique_name(), "name") for each in (WEST, EAST)]
    for item in BIRDS:
        moto.dynamodb("eu-west-1").put_item(TableName=source, Item=item)
    run_yaml(
        f"""
        type: chain
        transforms:
          - {{type: ReadFromDynamoDB, config: {{table: eu-west-1/{source}}}}}
          - type: WriteToRegions
            config:
              keys_unique: true
              routes:
                - {{to: us-west-2/{targets[0]}, write_percent: 40}}
                - to: us-east-1/{targets[1]}
                  filter: attribute_type(grams, 'N')
                  columns: {{name: name, grams: weight}}
        """
    )
    assert all_items(moto, WEST, targets[0], "name") == {
        i["name"]["S"]: i for i in BIRDS
    }
    assert all_items(moto, EAST, targets[1], "name") == {
        name: {"name": {"S": name}, "weight": {"N": weight}}
        for name, weight in (("auk", "700"), ("tit", "11.50"))
    }


@pytest.mark.emulator
def test_a_misfit_stops_a_pipeline_that_does_not_say_what_to_do(moto, endpoint):
    source = make_table(moto, "eu-west-1", unique_name(), "name")
    moto.dynamodb("eu-west-1").put_item(TableName=source, Item=BIRDS[2])
    read = read_from_dynamodb(table=f"eu-west-1/{source}", schema=SCHEMA)
    with pytest.raises(JobStoppedError, match="grams"):
        collect(read)


@pytest.fixture
def own_moto(engine_credentials):
    """An engine of the test's own, as the example says the names of tables."""
    with MotoEngine() as engine:
        yield engine


@pytest.mark.emulator
def test_the_example_runs_by_beams_own_command(own_moto, monkeypatch):
    moto = own_moto
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", moto.endpoint_url(EAST))
    for region, name, key in (
        ("eu-west-1", "testtable", "uuid_hash"),
        (WEST, "kgpai.uswest.test", "uuid_hash"),
        (EAST, "kgpai.useast.test", "uuid_hash"),
        (EAST, "late.days", "day"),
    ):
        make_table(moto, region, name, key)
    for number in range(20):
        item = {
            "uuid_hash": {"S": f"hash-{number:02}"},
            "day": {"S": f"2013-0{number % 2 + 5}-17"},
            "value": {"S": "?"} if number == 19 else {"N": str(number * 5)},
        }
        moto.dynamodb("eu-west-1").put_item(TableName="testtable", Item=item)
    words = [
        *(sys.executable, "-m", "apache_beam.yaml.main", LOCAL),
        f"--yaml_pipeline_file={ROOT / 'examples' / 'beam_yaml.yaml'}",
        f"--jinja_variables={json.dumps({'providers': str(PROVIDERS)})}",
    ]
    done = subprocess.run(
        words, env=os.environ, timeout=240, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    source = all_items(moto, "eu-west-1", "testtable", "uuid_hash")
    june = {k: item for k, item in source.items() if item["day"]["S"] > "2013-06"}
    assert len(june) == 10
    assert all_items(moto, EAST, "kgpai.useast.test", "uuid_hash") == source
    assert all_items(moto, WEST, "kgpai.uswest.test", "uuid_hash") == june
    assert all_items(moto, EAST, "late.days", "day") == {
        day: {"day": {"S": day}, "late": {"N": "3"}, "worst": {"N": worst}}
        for day, worst in (("2013-05-17", "90"), ("2013-06-17", "85"))
    }
