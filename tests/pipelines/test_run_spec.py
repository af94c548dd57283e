"""The run spec: options to the workers and back, and who may not read one."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.value_provider import RuntimeValueProvider
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.copy_tables import branches_of, scan_of
from pipelines.options import CopyOptions, RouteOptions
from pipelines.run_spec import FromRunSpec, RunSpec, RunSpecOptions, provide
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.location import LedgerLocation
from transforms.run_context import RunContext
from transforms.throttle.rate import Rate

RUN = RunContext("20261124-041500-ab12cd", workers=2)
NAMES = st.text("abcdefgh:é '\"", min_size=1, max_size=8).map(str.strip).filter(bool)
COLUMNS = st.none() | st.dictionaries(NAMES, NAMES, min_size=1).filter(
    lambda columns: len(set(columns.values())) == len(columns)
)
RATES = (
    st.floats(1e-6, 1e6).map(Rate.units)
    | st.floats(1e-3, 150).map(Rate.percent)
    | st.just(Rate.unlimited())
)
UNITS = st.floats(1e-6, 1e6).map(Rate.units) | st.just(Rate.unlimited())
TARGETS = st.builds(
    RouteOptions,
    to=st.just("us-west-2/orders"),
    name=st.none() | NAMES,
    write_units=st.none() | UNITS,
    columns=COLUMNS,
    mode=st.sampled_from(["delete"]),
)
OPTIONS = st.builds(
    CopyOptions,
    source=st.just("eu-west-1/orders"),
    read_percent=st.none() | st.floats(1e-3, 150).map(Rate.percent),
    segments=st.none() | st.integers(1, 1_000_000),
    consistent=st.booleans(),
    filter=st.none() | st.just("n > 1"),
    columns=COLUMNS,
    source_account=st.none() | st.just("012345678901"),
    targets=st.lists(TARGETS, min_size=1, max_size=3).map(tuple),
)


def make_spec(**changes):
    options = CopyOptions(
        source="eu-west-1/orders",
        read_units=Rate.units(12.5),
        segments=7,
        filter="n > 1",
        targets=(RouteOptions(to="us-west-2/orders", write_units=Rate.unlimited()),),
        **changes,
    )
    return RunSpec(options=options, target=RouteOptions, run=RUN)


LEDGERS = [
    None,
    LedgerLocation(Path("/tmp/a run/ledger.sqlite")),
    LedgerLocation.parse("dynamodb:eu-west-1/ledger"),
    LedgerLocation.parse(
        "dynamodb:eu-west-1/ledger",
        transport=TransportConfig(kind="botocore", deadline_seconds=60.0),
    ),
]


@settings(deadline=None)  # a shared machine has none
@given(OPTIONS, st.sampled_from(LEDGERS))
def test_options_come_back_from_the_way_to_the_workers(options, ledger):
    run = replace(RUN, ledger=ledger)
    spec = RunSpec(options=options, target=RouteOptions, run=run)
    parsed = RunSpec.parse(spec.to_json())
    assert parsed == spec
    assert parsed.to_json() == spec.to_json()


def test_the_workers_make_scan_and_routes_of_it():
    spec = RunSpec.parse(make_spec().to_json())
    scan, branches = scan_of(spec), branches_of(spec)
    assert (scan.table.display, scan.segments, scan.run) == ("eu-west-1/orders", 7, RUN)
    assert scan.read == Rate.units(12.5)
    assert branches.shared.filter == "n > 1"
    assert [route.target.region for route in branches.routes] == ["us-west-2"]


def test_a_job_without_a_run_names_the_command_that_gives_it_one():
    with pytest.raises(UserError, match=r"without a run id.*template launch"):
        RunSpec.parse("")


def test_a_worker_of_other_versions_refuses_to_begin():
    document = json.loads(make_spec().to_json())
    document["launcher"]["apache-beam"] = "2.1.0"
    with pytest.raises(UserError, match=r"this worker has apache-beam 2\.\d+.*2\.1\.0"):
        RunSpec.parse(json.dumps(document))


def test_a_spec_of_a_newer_format_is_refused():
    document = json.loads(make_spec().to_json()) | {"format": 99}
    with pytest.raises(UserError, match="a run spec of format 99"):
        RunSpec.parse(json.dumps(document))


def test_a_spec_from_before_workers_were_told_how_to_reach_the_ledger_is_read():
    run = replace(RUN, ledger=LedgerLocation.parse("dynamodb:eu-west-1/ledger"))
    document = json.loads(replace(make_spec(), run=run).to_json())
    del document["run"]["ledger"]["transport"], document["run"]["by_file"]
    assert RunSpec.parse(json.dumps(document)).run == run


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"epochs": 2}, "cannot be read .*unexpected keyword argument 'epochs'"),
        ({"ledger": {"at": "eu-west-1/ledger"}}, r"cannot be read \(KeyError.*where"),
    ],
    ids=["a field of later days", "a ledger nowhere"],
)
def test_a_spec_that_is_none_of_ours_is_refused(damage, said):
    document = json.loads(make_spec().to_json())
    document["run"] |= damage
    with pytest.raises(UserError, match=said):
        RunSpec.parse(json.dumps(document))


def test_a_spec_names_no_class_outside_the_pipelines():
    document = json.loads(make_spec().to_json()) | {"options_class": "os:system"}
    with pytest.raises(UserError, match="names no options"):
        RunSpec.parse(json.dumps(document))


def test_a_step_reads_the_spec_where_it_runs():
    provider = provide(PipelineOptions([]), make_spec())
    value = pickle.loads(pickle.dumps(FromRunSpec(provider, scan_of)))
    assert value.get().segments == 7


def test_a_built_job_reads_the_spec_that_its_launch_sets(monkeypatch):
    provider = PipelineOptions([]).view_as(RunSpecOptions).run_spec
    value = pickle.loads(pickle.dumps(FromRunSpec(provider, scan_of)))
    options = {"run_spec": make_spec().to_json()}
    monkeypatch.setattr(RuntimeValueProvider, "runtime_options", options)
    assert value.get().table.display == "eu-west-1/orders"
