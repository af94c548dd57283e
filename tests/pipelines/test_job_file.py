"""The job file says what flags say."""

import shlex

import pytest

from pipelines.command_line import read_options
from pipelines.job_file import load_yaml
from pipelines.options import CopyOptions, RouteOptions
from transforms.dynamodb.errors import UserError
from transforms.throttle.rate import Rate

JOB = """
source: eu-west-1/testtable
read_percent: 10
consistent: true
segments: 8
filter: value > 3
columns: {uuid_hash: uuid_hash, day: when}
to:
  - to: us-west-2/kgpai.uswest.test
    name: oregon
    write_percent: 40%
    filter: when >= '2013-06-01'
    columns: [uuid_hash, "when:day"]
  - to: us-east-1/kgpai.useast.test
    write_units: unlimited
    account: "123456789012"
"""
FLAGS = """
--source eu-west-1/testtable --read-percent 10 --consistent --segments 8
--filter 'value > 3' --columns uuid_hash,day:when
--to us-west-2/kgpai.uswest.test --name oregon --write-percent 40
     --filter "when >= '2013-06-01'" --columns uuid_hash,when:day
--to us-east-1/kgpai.useast.test --write-units unlimited --account 123456789012
"""


def read(*words: str) -> CopyOptions:
    return read_options(words, CopyOptions, RouteOptions)[0]


@pytest.fixture
def job(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "job.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_a_job_file_equals_its_flags(job):
    assert read("--job", job(JOB)) == read(*shlex.split(FLAGS))


def test_a_flag_overrides_the_file(job):
    options = read("--read-percent", "5", "--job", job(JOB), "--no-consistent")
    assert options.read == Rate.percent(5)
    assert not options.consistent
    assert options.segments == 8


def test_a_target_that_is_said_replaces_those_of_the_file(job):
    options = read("--job", job(JOB), "--to", "us-east-2/other")
    assert [target.to for target in options.targets] == ["us-east-2/other"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sorce: eu-west-1/t", "sorce is no field; did you mean source?"),
        ("to: [{to: a/b, nam: x}]", "to: nam is no field; did you mean name?"),
        ("read-percent: 10", "read-percent is no field; did you mean read_percent?"),
        ("source: a/b\nsource: c/d", "'source' is said twice"),
        ("to: us-west-2/t", "'to' is a list of targets"),
        ("to: [us-west-2/t]", "'us-west-2/t' is no target"),
        ("source: [", "is no YAML"),
        ("- source", "holds no fields"),
        ("read_percent: 0.1\nsource: a/b\nto: [{to: c/d}]", "did you mean 10 %"),
        ("consistent: 1\nsource: a/b\nto: [{to: c/d}]", "give true or false, not 1"),
        ("source: 3\nto: [{to: c/d}]", "--source: give a text, not 3"),
        ("source: a/b\nto: [{to: c/d, account: 123456789012}]", "in quotes in a file"),
    ],
)
def test_a_file_that_means_nothing_is_refused(job, text, message):
    with pytest.raises(UserError) as refused:
        read("--job", job(text))
    assert message in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the job file .*: No such file"):
        read("--job", str(tmp_path / "none.yaml"))


def test_a_field_named_yes_is_that_field(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("yes: true\nno: {on: 1}\n")
    assert load_yaml(str(path)) == {"yes": True, "no": {"on": 1}}
