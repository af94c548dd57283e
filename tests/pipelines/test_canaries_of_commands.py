"""I8, command by command: what they read is said where that was asked for alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.pipelines.test_canaries import (
    FAULTS,
    KEY,
    REGIONS,
    SECRET,
    TOKEN,
    VALUE,
    assert_no_canary,
    proxy,
    said,
    words,
)
from tests.support.engines import make_table, unique_name
from tests.support.faulty_proxy import FaultyProxy

pytestmark = pytest.mark.dynoxide

__all__ = ["proxy", "said", "words"]  # fixtures


@pytest.fixture
def source(words: list[str]) -> str:
    """Its items are those with the canaries."""
    return words[words.index("--source") + 1]


@pytest.fixture
def target(dynoxide: Engine) -> str:
    return f"{REGIONS[1]}/{make_table(dynoxide, REGIONS[1], unique_name(), 'id')}"


@pytest.fixture
def ends(proxy: FaultyProxy, tmp_path: Path) -> Iterator[list[str]]:
    """Where all commands run: behind a proxy that fails now and then."""
    proxy.faults = FAULTS
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        yield ["--endpoint", proxy.url]


def test_plans_and_samples_say_nothing_of_the_items(words, source, ends, said):
    assert run(["plan", *words]) == 0
    assert run(["schema", source, *ends]) == 0
    assert run(["schema", source, "--json", *ends]) == 0
    assert run(["policy", *words, "--source-account", "123456789012"]) == 0
    assert_no_canary(said())


def test_a_schema_shows_the_largest_keys_to_those_who_ask(source, ends, said):
    assert run(["schema", source, "--show-keys", *ends]) == 0
    text = said()
    assert f"{KEY}-7" in text
    assert_no_canary(text.replace(KEY, ""))


@pytest.mark.parametrize("form", ["dynamodb-json", "parquet"])
def test_a_backup_and_what_is_restored_of_it(form, source, target, ends, said):
    backup = ["backup", "--source", source, "--to", "kept", "--format", form]
    assert run([*backup, "--run-dir", "backup-run", *ends]) == 0
    (place,) = Path("kept").rglob("beam-dynamodb-manifest.json")
    restore = ["restore", "--backup", str(place.parent), "--to", target]
    assert run([*restore, "--run-dir", "restore-run", *ends]) == 0
    assert run([*restore, "--debug", "--filter", "v < 5 AND", *ends]) == 2
    assert_no_canary(said())
    manifests = [
        *Path("kept").rglob("*manifest*.json"),
        *Path("kept").rglob("_started"),
    ]
    assert_no_canary("".join(path.read_text() for path in manifests))


def test_rejected_items_that_are_tried_again_and_refused_again(words, proxy, said):
    assert run(words) == 1
    directory = words[words.index("--run-dir") + 1]
    assert run(["retry-rejected", directory]) == 1
    text = said()
    assert "ItemTooLarge" in text
    assert_no_canary(text)


WRONG = {
    "a value that fits no column": ("SELECT max(v) FROM t", "id VARCHAR, v BIGINT"),
    "a cast that fails": ("SELECT CAST(v AS INTEGER) FROM t", "id VARCHAR, v VARCHAR"),
}


@pytest.mark.parametrize("runner", [[], ["--", "--runner=FnApiRunner"]])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_query_that_fails_does_not_quote_the_item(source, ends, said, wrong, runner):
    sql, schema = WRONG[wrong]
    query = ["query", sql, "--table", f"t={source}", "--schema", schema]
    assert run([*query, "--misfits", "error", *ends, *runner]) in (2, 3)
    text = said()
    assert "beam-dynamodb: error: " in text
    assert_no_canary(text)


def test_a_query_prints_what_it_was_asked_for_and_nothing_else(source, ends, said):
    sql = f"SELECT id FROM t WHERE id = '{KEY}-7'"
    query = ["query", sql, "--table", f"t={source}", "--debug", *ends]
    assert run(query) == 0
    text = said()
    assert f"{KEY}-7" in text
    for canary in (f"{KEY}-6", VALUE, SECRET, TOKEN):
        assert canary not in text
