"""Templates: rendered purely, checked strictly, launched as the pipeline's own job."""

import pytest
import yaml

from pipelines.commands import run
from pipelines.template import read_template, shipped_templates
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.errors import UserError

TEMPLATE = """\
template: 1
pipeline: copy
summary: for tests
parameters:
  source: {type: table, required: true, help: what to read}
  percent: {type: number, default: 10, help: how fast}
  filter: {type: text, help: which}
  mode: {type: text, default: overwrite, choices: [overwrite, delete], help: how}
  day: {type: text, default: '2026-11-24', pattern: '[0-9-]{10}', help: when}
  consistent: {type: switch, default: false, help: strongly}
  segments: {type: integer, help: how many}
job:
  source: ${source}
  read_percent: ${percent}
  filter: ${filter}
  consistent: ${consistent}
  segments: ${segments}
  to:
    - {to: us-east-1/orders, mode: '${mode}', filter: "day = '${day}' AND a = '$${a}'"}
"""
SOURCE = {"source": "eu-west-1/orders"}


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "ours.yaml"
        path.write_text(text)
        return str(path)

    return written


def test_values_take_the_places_of_names_and_the_rest_is_left_out(write):
    template = read_template(write(TEMPLATE))
    assert yaml.safe_load(template.render(SOURCE)) == {
        "source": "eu-west-1/orders",
        "read_percent": 10,
        "consistent": False,
        "to": [
            {
                "to": "us-east-1/orders",
                "mode": "overwrite",
                "filter": "day = '2026-11-24' AND a = '${a}'",
            }
        ],
    }


def test_the_same_parameters_give_the_same_bytes_in_any_order(write):
    path = write(TEMPLATE)
    given = SOURCE | {"percent": "2.5", "segments": "8", "consistent": "true"}
    backwards = dict(reversed(given.items()))
    assert read_template(path).render(given) == read_template(path).render(backwards)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"--param source=… is missing: what to read"),
        (SOURCE | {"percnt": "1"}, r"no such parameter; did you mean percent\?"),
        ({"source": "orders"}, r"--param source: "),
        (SOURCE | {"percent": "ten"}, r"--param percent: give a number, not 'ten'"),
        (SOURCE | {"segments": "1.5"}, r"--param segments: give a whole number"),
        (SOURCE | {"consistent": "maybe"}, r"give true or false, not 'maybe'"),
        (SOURCE | {"mode": "put"}, r"'put' is none of overwrite, delete"),
        (SOURCE | {"day": "today"}, r"'today' does not match"),
        (SOURCE | {"filter": "a = 'AKIAIOSFODNN7EXAMPLE'"}, r"AWS credentials"),
    ],
)
def test_a_wrong_parameter_is_refused(write, given, message):
    with pytest.raises(UserError, match=message):
        read_template(write(TEMPLATE)).render(given)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("template: 1", "template: 9", "a template of format 9.*newer beam-dynamodb"),
        ("template: 1\n", "", "is no template: its first field is 'template: 1'"),
        ("summary:", "sumary:", r"sumary is no field.*did you mean summary\?"),
        ("pipeline: copy", "", "the template has no 'pipeline'"),
        ("source: ${source}", "source: ${sauce}", r"names \$\{sauce\}.*mean source"),
        ("type: number", "type: nmber", r"'nmber' is no type; did you mean number\?"),
        ("default: 10", "default: ten", "its default: .*give a number"),
        (", help: how fast", "", "say what it is for"),
        ("'[0-9-]{10}'", "'[0-9'", "the pattern is none"),
        ("day = '${day}'", "day = '${filter}'", r"\$\{filter\} stands within a text"),
        ("summary: for tests", "summary: ASIAIOSFODNN7EXAMPLE", "AWS credentials"),
    ],
)
def test_what_is_no_template_is_refused(write, old, new, message):
    assert old in TEMPLATE
    with pytest.raises(UserError, match=message):
        read_template(write(TEMPLATE.replace(old, new)))


VALUES = {
    "table": "eu-west-1/orders",
    "text": "http://127.0.0.1/x",
    "role": "arn:aws:iam::123456789012:role/reader",
    "number": "5",
    "integer": "5",
    "switch": "true",
}
SPECIAL = {"older_than": "90d", "export_to": "s3://bucket", "region": "eu-west-1"}


def every_parameter(template):
    return {
        name: SPECIAL.get(name)
        or (str(one.choices[0]) if one.choices else VALUES[one.type])
        for name, one in template.parameters.items()
    }


@pytest.mark.parametrize("path", shipped_templates(), ids=lambda path: path.stem)
def test_a_shipped_template_is_valid_and_renders_with_all_parameters(path, capsys):
    assert run(["template", "validate", str(path)]) == 0
    assert run(["template", "show", path.stem]) == 0
    template = read_template(path.stem)
    given = every_parameter(template)
    assert yaml.safe_load(template.render(given)).keys() == template.job.keys()
    shown = capsys.readouterr().out
    assert all(name in shown for name in template.parameters)


def test_every_pipeline_with_a_job_file_has_a_template():
    pipelines = {read_template(str(path)).pipeline for path in shipped_templates()}
    assert pipelines == {"backup", "copy", "hive", "query", "restore"}


def test_the_list_names_what_is_shipped(capsys):
    assert run(["template", "list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [path.stem for path in shipped_templates()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lanch", "copy"], "did you mean launch?"),
        (["render"], "name a template"),
        (["render", "copy", "--dry-run"], "--param NAME=VALUE, not --dry-run"),
        (["launch", "copy", "--param", "source"], "write --param NAME=VALUE"),
        (["show", "./nowhere.yaml"], "cannot read"),
    ],
)
def test_a_wrong_word_is_refused(words, message, capsys):
    assert run(["template", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.emulator
@pytest.mark.usefixtures("engine_credentials")
class TestLaunch:
    @pytest.fixture
    def words(self, moto, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        source = make_table(moto, "eu-west-1", unique_name(), "id")
        self.target = make_table(moto, "us-east-1", unique_name(), "id")
        self.client = moto.dynamodb("us-east-1")
        for name in ("a", "b"):
            item = {"id": {"S": name}}
            moto.dynamodb("eu-west-1").put_item(TableName=source, Item=item)
        return [
            *("template", "launch", "copy", "--param", f"source=eu-west-1/{source}"),
            f"--param=endpoint={moto.endpoint_url('eu-west-1')}",
        ]

    def test_a_launch_runs_the_job(self, words, capsys):
        words += ["--param", f"target=us-east-1/{self.target}"]
        assert run([*words, "--param", "filter=id = 'a'"]) == 0
        found = self.client.scan(TableName=self.target)["Items"]
        assert found == [{"id": {"S": "a"}}]
        assert "written 1" in capsys.readouterr().out.splitlines()[-1]

    def test_a_query_writes_its_rows_as_items(self, words):
        words[2] = "query-to-table"
        words += ["--param", f"target=us-east-1/{self.target}"]
        sql = "SELECT id, 'new' AS state FROM t WHERE id = 'b'"
        assert run([*words, "--param", f"sql={sql}", "--param=schema=id VARCHAR"]) == 0
        found = self.client.scan(TableName=self.target)["Items"]
        assert found == [{"id": {"S": "b"}, "state": {"S": "new"}}]

    def test_what_is_old_is_archived(self, words, tmp_path, capsys):
        words[2] = "archive"
        words += ["--param", f"to={tmp_path}/files", "--param", "older_than=30d"]
        assert run([*words, "--param", "by=day", "--dry-run"]) == 0
        assert "dry run" in capsys.readouterr().out

    def test_a_script_of_hive_runs(self, words, tmp_path):
        source = words[4].rpartition("/")[2]
        script = tmp_path / "seed.sql"
        script.write_text(
            "".join(
                f"CREATE EXTERNAL TABLE {name} (id string) STORED BY "
                "'org.apache.hadoop.hive.dynamodb.DynamoDBStorageHandler' "
                f"TBLPROPERTIES ('dynamodb.table.name'='{table}', "
                f"'dynamodb.region'='{region}', 'dynamodb.column.mapping'='id:id');\n"
                for name, table, region in (
                    ("a", source, "eu-west-1"),
                    ("b", self.target, "us-east-1"),
                )
            )
            + "INSERT OVERWRITE TABLE b SELECT * FROM a;\n"
        )
        words = ["template", "launch", "hive", f"--param=script={script}", words[5]]
        assert run(words) == 0
        assert self.client.scan(TableName=self.target)["Count"] == 2

    def test_options_of_the_pipeline_win(self, words, capsys):
        words += ["--param", f"target=us-east-1/{self.target}"]
        assert run([*words, "--dry-run"]) == 0
        assert "nothing was written" in capsys.readouterr().out
        assert not self.client.scan(TableName=self.target)["Items"]

    def test_a_parameter_that_would_write_to_the_source_is_refused(self, words, capsys):
        source = words[4].partition("=")[2]
        assert run([*words, "--param", f"target={source}"]) == 2
        assert "source" in capsys.readouterr().err


@pytest.mark.parametrize("path", shipped_templates(), ids=lambda path: path.stem)
def test_no_rendered_job_holds_what_the_environment_knows(path, monkeypatch):
    canaries = {
        "AWS_ACCESS_KEY_ID": "AKIACANARYCANARY0003",
        "AWS_SECRET_ACCESS_KEY": "canary/of/the/secret",
        "AWS_SESSION_TOKEN": "canary-of-the-token",
    }
    for name, value in canaries.items():
        monkeypatch.setenv(name, value)
    template = read_template(path.stem)
    given = every_parameter(template)
    rendered = template.render(given)
    assert rendered == template.render(given)
    assert not [value for value in canaries.values() if value in rendered]


@pytest.mark.parametrize(
    "said", ["AKIACANARYCANARY0003", "ASIACANARYCANARY0003", "aws_secret_access_key=x"]
)
def test_a_secret_in_any_text_of_a_shipped_template_is_refused_and_not_shown(said):
    for path in shipped_templates():
        template = read_template(path.stem)
        given = every_parameter(template)
        texts = [
            name
            for name, one in template.parameters.items()
            if one.type == "text" and not one.choices and not one.pattern
        ]
        for name in texts:
            with pytest.raises(UserError, match="credentials") as raised:
                template.render(given | {name: said})
            assert said not in str(raised.value)
