"""The words of a command line: what belongs to whom, and what is refused."""

import shlex

import pytest

from pipelines.command_line import Words, parse_words, read_options
from pipelines.options import CopyOptions, RouteOptions
from transforms.dynamodb.errors import UserError
from transforms.throttle.rate import Rate


def parse(line: str) -> Words:
    return parse_words(shlex.split(line), CopyOptions, RouteOptions)


def options(line: str) -> CopyOptions:
    return read_options(shlex.split(line), CopyOptions, RouteOptions)[0]


def test_what_follows_a_target_belongs_to_it():
    said = parse(
        "--source eu-west-1/orders --filter \"day > '2013'\" --columns a,b "
        "--to us-west-2/west --filter 'n = :n' --endpoint https://w "
        "--to=us-east-1/east --columns a --endpoint=https://e"
    )
    assert said.said == {
        "source": "eu-west-1/orders",
        "filter": "day > '2013'",
        "columns": "a,b",
    }
    assert said.targets == [
        {"to": "us-west-2/west", "filter": "n = :n", "endpoint": "https://w"},
        {"to": "us-east-1/east", "columns": "a", "endpoint": "https://e"},
    ]


def test_an_option_of_the_whole_copy_may_follow_a_target():
    said = parse(
        "--to us-west-2/west --dry-run --read-percent 10 --source eu-west-1/orders"
    )
    assert said.said == {
        "dry_run": True,
        "read_percent": "10",
        "source": "eu-west-1/orders",
    }
    assert said.targets == [{"to": "us-west-2/west"}]


def test_words_after_two_dashes_are_beams():
    said = parse("--source a/b --to c/d -- --runner=FlinkRunner --to x")
    assert said.beam == ["--runner=FlinkRunner", "--to", "x"]
    assert len(said.targets) == 1


def test_the_words_of_the_design_become_options():
    copy = options(
        "--source eu-west-1/testtable --read-percent 10 "
        "--to us-west-2/kgpai.uswest.test --name oregon --write-percent 40 "
        "--filter \"day >= '2013-06-01'\" --columns uuid_hash,day:when "
        "--to us-east-1/kgpai.useast.test --write-units 500"
    )
    assert copy.source_table.display == "eu-west-1/testtable"
    assert copy.read == Rate.percent(10)
    west, east = copy.routes()
    assert (west.name, west.write) == ("oregon", Rate.percent(40))
    assert west.columns == {"uuid_hash": "uuid_hash", "day": "when"}
    assert west.filter == "day >= '2013-06-01'"
    assert (east.name, east.write) == ("us-east-1", Rate.units(500))
    assert (east.columns, east.filter, east.mode) == (None, None, "overwrite")


def test_a_rate_that_is_not_said_is_half_the_capacity():
    copy = options("--source eu-west-1/orders --to us-west-2/orders")
    assert copy.read == copy.targets[0].write == Rate.percent(50)


def test_two_targets_in_one_region_are_told_apart_by_table():
    copy = options(
        "--source eu-west-1/orders --to us-west-2/first --to us-west-2/second"
    )
    assert [r.name for r in copy.routes()] == ["us-west-2.first", "us-west-2.second"]


def test_one_endpoint_serves_every_table_that_names_none():
    copy = options(
        "--source eu-west-1/orders --endpoint https://all "
        "--to us-west-2/first --to us-east-1/second --endpoint https://own"
    )
    assert copy.source_table.endpoint_url == "https://all"
    targets = [route.target.endpoint_url for route in copy.routes()]
    assert targets == ["https://all", "https://own"]


def test_a_role_in_another_account_is_the_targets_own():
    copy = options(
        "--source eu-west-1/orders --source-profile home --to us-west-2/first "
        "--role arn:aws:iam::210987654321:role/w --external-id e1 "
        "--account 210987654321"
    )
    target = copy.routes()[0].target
    assert target.role_arn == "arn:aws:iam::210987654321:role/w"
    assert (target.external_id, target.account) == ("e1", "210987654321")
    assert (copy.source_table.profile, target.profile) == ("home", None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "--sorce eu-west-1/orders --to us-west-2/orders",
            "--sorce is no option; did you mean --source?",
        ),
        (
            "--source eu-west-1/orders --to us-west-2/orders --write-precent 40",
            "--write-precent is no option; did you mean --write-percent?",
        ),
        (
            "--source eu-west-1/orders --xyzzy 4 --to us-west-2/orders",
            "--xyzzy is no option; see --help",
        ),
        (
            "--source eu-west-1/orders --write-percent 40 --to us-west-2/orders",
            "--write-percent belongs to a target: say it after the --to that it is for",
        ),
        (
            "--source eu-west-1/orders --to us-west-2/orders --runner=FlinkRunner",
            (
                "--runner is an option of Beam: say it after --, "
                "as -- --runner=FlinkRunner"
            ),
        ),
        (
            "eu-west-1/orders --to us-west-2/orders",
            (
                "'eu-west-1/orders' stands alone; give it with an option, as --source "
                "eu-west-1/orders"
            ),
        ),
        (
            "--to us-west-2/orders --source",
            "--source: expected one argument; see --help",
        ),
        ("--to us-west-2/orders", "--source is missing: the table to read"),
        (
            "--source eu-west-1/orders",
            "--to is missing: name a table to write to",
        ),
        (
            "--source a/orders --read-percent 10 --read-units 5 --to b/orders",
            (
                "--read-percent 10% and --read-units 5 units/s both give the rate; "
                "keep one"
            ),
        ),
        (
            "--source eu-west-1/orders --read-percent .1000 --to us-west-2/orders",
            (
                "--read-percent: percentage '.1000' is below 1: did you mean 10 %? "
                "Write 10, or .1000% if you do mean so little"
            ),
        ),
        (
            "--source eu-west-1/orders --read-percent 151 --to us-west-2/orders",
            (
                "--read-percent: a percentage of capacity must be above 0 and at most "
                "150, got 151; give for example 10%"
            ),
        ),
        (
            "--source eu-west-1/orders --to us-west-2/orders --write-percent 0",
            (
                "to us-west-2/orders: --write-percent: a percentage of capacity must "
                "be above 0 and at most 150, got 0; give for example 10%"
            ),
        ),
        (
            "--source eu-west-1/orders --segments 0 --to us-west-2/orders",
            "--segments: give a number of segments from 1 to 1,000,000, not 0",
        ),
        (
            "--source eu-west-1/orders --to us-west-2/orders --mode deleet",
            (
                "to us-west-2/orders: --mode is 'deleet', which is none of "
                "overwrite, if-absent, "
                "newer, merge, delete; did you mean delete?"
            ),
        ),
        (
            "--source eu-west-1/orders --to us-west-2/orders --account 12",
            (
                "to us-west-2/orders: --account: an AWS account is 12 digits (in "
                "quotes in a file), not 12"
            ),
        ),
    ],
)
def test_words_that_mean_nothing_are_refused_with_the_remedy(line, message):
    with pytest.raises(UserError) as refused:
        options(line)
    assert str(refused.value) == message


@pytest.mark.parametrize("percent", ["150", "1", "0.5%", "10 %", "1e1"])
def test_a_percentage_within_its_bounds_is_taken(percent):
    copy = options(f"--source a/b --read-percent '{percent}' --to c/d")
    assert copy.read.kind == "percent"


def test_a_filter_that_does_not_parse_shows_the_place():
    copy = options(
        "--source eu-west-1/orders --to us-west-2/orders --filter 'day >= AND'"
    )
    with pytest.raises(UserError) as refused:
        copy.routes()
    first, expression, caret = str(refused.value).splitlines()
    assert first.startswith("to us-west-2/orders: ")
    assert expression.strip() == "day >= AND"
    assert caret.strip() == "^"
