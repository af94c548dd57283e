"""`beam-dynamodb query`, from words to what is printed."""

import csv
import gzip
import io
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from pipelines.flags import flags_of
from pipelines.query_command import help_text
from pipelines.query_options import QueryOptions, TableOptions
from tests.support.engines import make_table, unique_name
from transforms.query.duck import open_session

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("engine_credentials")]

BIRDS = [
    {"id": {"S": "1"}, "name": {"S": "auk"}, "grams": {"N": "700"}},
    {"id": {"S": "2"}, "name": {"S": "tit"}, "grams": {"N": "11.5"}},
    {"id": {"S": "3"}, "name": {"S": "emu"}, "tags": {"SS": ["big"]}},
]


@pytest.fixture
def birds(moto: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table of three birds, of which one was never weighed."""
    monkeypatch.chdir(tmp_path)
    name = make_table(moto, "eu-west-1", unique_name("birds"), "id")
    for item in BIRDS:
        moto.dynamodb("eu-west-1").put_item(TableName=name, Item=item)  # type: ignore[arg-type]
    return name


def query(moto: Engine, birds: str, sql: str, *words: str) -> int:
    endpoint = ["--endpoint", moto.endpoint_url("eu-west-1")]
    table = ["--table", f"birds=eu-west-1/{birds}"]
    return run(["query", sql, *endpoint, *table, *words])


SCHEMA = ["--schema", "id VARCHAR, name VARCHAR, grams DECIMAL(9,1)"]


def test_a_table_shows_types_numbers_to_the_right_and_null(moto, birds, capsys):
    assert query(moto, birds, "SELECT * FROM birds ORDER BY id", *SCHEMA) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        "id       name            grams\n"
        "VARCHAR  VARCHAR  DECIMAL(9,1)\n"
        "-------  -------  ------------\n"
        "1        auk             700.0\n"
        "2        tit              11.5\n"
        "3        emu              NULL\n"
        "(3 rows)\n"
    )
    assert "read birds 3 rows" in printed.err


def test_a_result_without_rows_has_a_head(moto, birds, capsys):
    assert query(moto, birds, "SELECT id FROM birds WHERE name = 'roc'") == 0
    assert capsys.readouterr().out == "id\nVARCHAR\n-------\n(0 rows)\n"


def test_csv_and_json_and_parquet_hold_the_rows(moto, birds, capsys):
    sql = "SELECT name, grams FROM birds ORDER BY id"
    assert query(moto, birds, sql, *SCHEMA, "--out", "csv") == 0
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["name", "grams"],
        ["auk", "700.0"],
        ["tit", "11.5"],
        ["emu", ""],
    ]
    assert query(moto, birds, sql, *SCHEMA, "--out", "json", "--to", "b.json") == 0
    assert [json.loads(line) for line in Path("b.json").read_text().splitlines()] == [
        {"name": "auk", "grams": 700.0},
        {"name": "tit", "grams": 11.5},
        {"name": "emu", "grams": None},
    ]
    assert (
        query(moto, birds, sql, *SCHEMA, "--out", "parquet", "--to", "b.parquet") == 0
    )
    assert pq.read_table("b.parquet").column("name").to_pylist() == [
        "auk",
        "tit",
        "emu",
    ]
    assert not list(Path().glob("*.part"))


def test_a_schema_is_inferred_where_none_is_given(moto, birds, capsys):
    assert query(moto, birds, "SELECT name, grams, tags FROM birds WHERE id = '3'") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "VARCHAR  DOUBLE  VARCHAR[]",
        "-------  ------  ---------",
        'emu        NULL  ["big"]',
        "(1 row)",
    ]


def test_a_table_may_stand_in_the_query_itself(moto, birds, capsys):
    sql = f'SELECT count(*) AS n FROM "eu-west-1/{birds}"'
    endpoint = moto.endpoint_url("eu-west-1")
    assert run(["query", sql, "--endpoint", endpoint, "--out", "csv"]) == 0
    assert capsys.readouterr().out == "n\n3\n"


def test_explain_shows_what_is_pushed_and_reads_no_row(moto, birds, capsys):
    sql = "EXPLAIN SELECT name FROM birds WHERE id = '1' AND grams > 5"
    assert query(moto, birds, sql, *SCHEMA) == 0
    printed = capsys.readouterr()
    assert "by a Query: #k0 = :k0" in printed.out
    assert "filter: #f0 > :f0 OR" in printed.out
    assert 'columns: "id" VARCHAR, "name" VARCHAR, "grams" DECIMAL(9,1)' in printed.out
    assert "result: name VARCHAR" in printed.out
    assert printed.err == ""


def test_a_count_and_a_limit_are_left_to_the_service(moto, birds, capsys):
    assert query(moto, birds, "EXPLAIN SELECT count(*) FROM birds WHERE id = '1'") == 0
    assert "columns: none" in capsys.readouterr().out
    assert query(moto, birds, "SELECT count(*) FROM birds WHERE id = '1'") == 0
    assert capsys.readouterr().out.splitlines()[3:] == ["           1", "(1 row)"]
    assert query(moto, birds, "EXPLAIN SELECT * FROM birds LIMIT 2") == 0
    assert "ended after 2 rows" in capsys.readouterr().out
    assert query(moto, birds, "EXPLAIN SELECT * FROM birds LIMIT 5000000000") == 0
    assert "by a parallel Scan" in capsys.readouterr().out


def test_a_plan_says_what_a_query_costs_and_a_limit_refuses_it(moto, birds, capsys):
    endpoint = moto.endpoint_url("eu-west-1")
    sql = f'SELECT count(*) FROM "eu-west-1/{birds}"'
    words = [sql, "--endpoint", endpoint]
    assert run(["plan", "query", *words]) == 0
    printed = capsys.readouterr().out
    assert "cost: at most about $0.0000" in printed
    assert "columns: none" in printed
    assert run(["query", *words, "--max-cost", "1"]) == 0
    assert run(["query", *words, "--max-cost", "0"]) == 2
    assert "--max-cost is $0.0000" in capsys.readouterr().err


BAD = {
    "unknown column": ("SELECT nam FROM birds", 'Candidate bindings: "name"'),
    "unknown column, of a sample": ("SELECT wings FROM birds", "a sample of 3 items"),
    "type clash": ("SELECT name + grams FROM birds", "explicit type casts"),
    "ambiguous": ("SELECT id FROM birds a, birds b", "Ambiguous reference"),
    "unknown table": ("SELECT * FROM birdz", "'birdz', which is no table"),
    "unknown region": ('SELECT * FROM "mars-1/x"', "not one DynamoDB allows"),
    "not SQL": ("SELECT FROM FROM", "cannot be read"),
    "no query": ("DELETE FROM birds", "DELETE is not a query"),
    "two queries": ("SELECT 1; SELECT 2", "expected one statement, got 2"),
    "a file of this machine": ("SELECT * FROM read_csv('/etc/passwd')", "disabled"),
}


@pytest.mark.parametrize(("sql", "message"), BAD.values(), ids=BAD)
def test_a_bad_query_is_refused_before_it_reads(moto, birds, capsys, sql, message):
    assert query(moto, birds, sql) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_what_does_not_fit_stops_is_null_or_is_kept_aside(moto, birds, capsys):
    sql = "SELECT id, grams FROM birds ORDER BY id"
    schema = ["--schema", "id VARCHAR, grams BIGINT", "--out", "csv"]
    assert query(moto, birds, sql, *schema) == 3
    assert "attribute 'grams' is not N that BIGINT can hold" in capsys.readouterr().err
    assert query(moto, birds, sql, *schema, "--misfits", "null") == 0
    printed = capsys.readouterr()
    assert printed.out == "id,grams\n1,700\n2,\n3,\n"
    assert "1 misfits" in printed.err
    assert query(moto, birds, sql, *schema, "--misfits", "aside") == 1
    assert capsys.readouterr().out == "id,grams\n1,700\n3,\n"
    (kept,) = Path(".beam-dynamodb/runs").rglob("*.jsonl.gz")
    with gzip.open(kept) as lines:
        assert [json.loads(line)["Item"] for line in lines] == [BIRDS[1]]


def test_a_query_larger_than_its_memory_spills_to_a_directory_of_its_own(tmp_path):
    # 80 MB of text to sort under a cap of 64 MB.
    text = "md5(i::VARCHAR) || repeat('x', 100)"
    sql = f"SELECT i FROM range(600000) t(i) ORDER BY {text}"
    with open_session(64, threads=2, temp_parent=str(tmp_path)) as session:
        result = session.sql(sql).to_arrow_reader(1000)
        rows = result.read_next_batch().num_rows
        (spilled,) = tmp_path.glob("*/spilled")
        assert sum(file.stat().st_size for file in spilled.iterdir()) > 1_000_000
        assert rows + sum(batch.num_rows for batch in result) == 600_000
    assert not list(tmp_path.iterdir())


def test_a_query_that_cannot_spill_says_what_to_do(moto, birds, capsys):
    # One value larger than the cap.
    sql = "SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(200) t(i)"
    assert query(moto, birds, sql, "--memory-mb", "64") == 3
    assert "--memory-mb" in capsys.readouterr().err


DIRECT = ["--", "--runner=DirectRunner"]


def test_on_beams_runners_the_same_rows_come_in_the_same_form(moto, birds, capsys):
    sql = "SELECT name, grams FROM birds WHERE grams > 5 ORDER BY grams DESC"
    assert query(moto, birds, sql, *SCHEMA, "--out", "csv", *DIRECT) == 0
    printed = capsys.readouterr()
    assert printed.out == "name,grams\nauk,700.0\ntit,11.5\n"
    assert "scanned 3 items" in printed.err
    key = "SELECT count(*) AS n, max(grams) AS g FROM birds WHERE id IN ('1', '3', '9')"
    assert query(moto, birds, key, *SCHEMA, "--out", "csv", *DIRECT) == 0
    assert capsys.readouterr().out == "n,g\n2,700.0\n"


def test_on_beams_runners_a_backup_is_joined_and_nothing_is_a_result_too(
    moto, birds, capsys
):
    backup(Path("birds.json.gz"))
    sql = (
        "SELECT b.name FROM 'birds.json.gz' p JOIN birds b USING (id) WHERE b.id > '1'"
    )
    assert query(moto, birds, sql, "--out", "json", *DIRECT) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == ['{"name":"emu"}', '{"name":"tit"}']
    assert query(moto, birds, f"{sql} AND b.id > '9'", "--out", "csv", *DIRECT) == 0
    assert capsys.readouterr().out == "name\n"


def test_explain_with_flags_of_beam_shows_the_stages(moto, birds, capsys):
    sql = "EXPLAIN SELECT name, count(*) FROM birds GROUP BY name"
    assert query(moto, birds, sql, *SCHEMA, "--broadcast-mb", "0", *DIRECT) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "stages, the last first",
        "  in partitions by 1 key",
        "    in each bundle",
        "      scan birds",
    ]


def test_on_beams_runners_items_that_do_not_fit_are_counted_and_kept(
    moto, birds, capsys
):
    backup(Path("birds.json.gz"))
    schema = ["--schema", "id VARCHAR, grams BIGINT"]
    table = ["--table", "old=birds.json.gz", *schema, "--out", "csv"]
    words = [*schema, *table, "--misfits"]
    scan = "SELECT id, grams FROM birds ORDER BY id"
    key = "SELECT id, grams FROM birds WHERE id IN ('1', '2') ORDER BY id"
    old = "SELECT id, grams FROM old ORDER BY id"
    assert query(moto, birds, scan, *words, "null", *DIRECT) == 0
    printed = capsys.readouterr()
    assert printed.out == "id,grams\n1,700\n2,\n3,\n"
    assert "1 misfits" in printed.err
    for sql in (scan, key, old):
        assert query(moto, birds, sql, *words, "aside", *DIRECT) == 1
        printed = capsys.readouterr()
        assert printed.out == "id,grams\n1,700\n" + ("3,\n" if sql != key else "")
        assert "1 misfits" in printed.err
        place = printed.err.rpartition("are kept in ")[2].strip()
        (kept,) = Path(place).rglob("*.jsonl.gz")
        with gzip.open(kept) as lines:
            assert [json.loads(line)["Item"] for line in lines] == [BIRDS[1]]
        # What was kept is a backup, which a query reads.
        again = f"SELECT name FROM '{place}/*.jsonl.gz'"
        assert run(["query", again, "--out", "csv"]) == 0
        assert capsys.readouterr().out == "name\ntit\n"


def test_days_and_moments_are_compared_as_such(moto, birds, capsys):
    client = moto.dynamodb("eu-west-1")
    for number, (day, expires) in enumerate(
        [("2013-06-01", "1370044800"), ("2013-07-04", "1372896000")]
    ):
        item: Any = {"id": {"S": f"d{number}"}, "day": {"S": day}}
        client.put_item(TableName=birds, Item={**item, "expires": {"N": expires}})
    schema = ["--schema", "id VARCHAR, day DATE, expires TIMESTAMP OF N"]
    sql = (
        "SELECT id, day + 1 AS next, date_diff('hour', day, expires) AS hours "
        "FROM birds WHERE day >= DATE '2013-07-01' AND expires IS NOT NULL"
    )
    for words in ([], DIRECT):
        assert query(moto, birds, sql, *schema, "--out", "csv", *words) == 0
        assert capsys.readouterr().out.splitlines()[1:] in (
            ["d1,2013-07-05,0"],
            ["d1,2013-07-05 00:00:00,0"],
        )


def test_what_cannot_run_on_beam_is_refused(moto, birds, capsys):
    sql = "SELECT 1 FROM birds a JOIN birds b ON a.id < b.id"
    assert query(moto, birds, sql, "--broadcast-mb", "0", *DIRECT) == 2
    assert "--broadcast-mb" in capsys.readouterr().err
    assert query(moto, birds, sql, "--", "--runer=DirectRunner") == 2
    assert "--runer" in capsys.readouterr().err


def backup(path: Path) -> None:
    lines: list[Any] = [{"Item": BIRDS[0]}, {"Item": BIRDS[1]}, BIRDS[2]]
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_backups_are_tables_too(moto, birds, capsys):
    backup(Path("birds.json.gz"))
    count = "SELECT count(*), sum(grams) FROM 'birds.json.gz'"
    assert run(["query", count, "--out", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "3,711.5"
    words = ["--out", "parquet", "--to", "birds.parquet"]
    assert run(["query", "SELECT * FROM 'birds.json.gz'", *words]) == 0
    sql = "SELECT b.name, p.grams FROM birds b JOIN 'birds.parquet' p USING (id)"
    assert query(moto, birds, f"{sql} WHERE p.grams > 100", "--out", "csv") == 0
    assert capsys.readouterr().out.splitlines() == ["name,grams", "auk,700.0"]


def test_a_damaged_backup_and_none_at_all_are_said(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["query", "SELECT * FROM 'none.json.gz'"]) == 2
    assert "there is no file none.json.gz" in capsys.readouterr().err
    backup(Path("b.json.gz"))
    Path("b.json.gz").write_bytes(Path("b.json.gz").read_bytes()[:-20])
    assert run(["query", "SELECT * FROM 'b.json.gz'"]) == 3
    assert "is damaged" in capsys.readouterr().err


WRONG_WORDS = {
    "no query": ([], "say one query"),
    "parquet to nowhere": (["SELECT 1", "--out", "parquet"], "needs --to"),
    "a table twice": (
        ["SELECT 1", "--table", "a=eu-west-1/abc", "--table", "A=eu-west-1/abc"],
        "said twice",
    ),
    "two rates": (
        ["SELECT 1", "--read-percent", "10", "--read-units", "5"],
        "both give the rate",
    ),
    "no table on Beam": (["SELECT 1", *DIRECT], "reads no table"),
    "a bad schema": (
        ["SELECT 1", "--table", "a=eu-west-1/abc", "--schema", "x WIBBLE"],
        "--schema",
    ),
}


@pytest.mark.parametrize(("words", "message"), WRONG_WORDS.values(), ids=WRONG_WORDS)
def test_wrong_words_are_refused(capsys, words, message):
    assert run(["query", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", [QueryOptions, TableOptions])
def test_every_flag_is_in_the_help(options):
    drawn = help_text()
    for one in flags_of(options).values():
        assert f"\n  {one.option}" in drawn
    assert max(map(len, drawn.splitlines())) <= 88


@pytest.mark.parametrize("words", [[], DIRECT], ids=["one machine", "Beam"])
def test_a_query_waits_while_its_pause_file_is_there(moto, birds, capsys, words):
    pause = Path("pause")
    pause.touch()
    waited = []

    def go_on() -> None:
        waited.append(capsys.readouterr().out)
        pause.unlink()

    timer = threading.Timer(2.0, go_on)
    timer.start()
    sql = "SELECT count(*) AS n FROM birds WHERE name <> 'roc'"
    options = ["--pause-file", "pause", "--out", "csv"]
    # The schema is given, so nothing is read before the query itself.
    assert query(moto, birds, sql, *SCHEMA, *options, *words) == 0
    timer.join()
    assert waited == [""]
    assert capsys.readouterr().out == "n\n3\n"
