"""I8: no item, key, token or secret is said but where it is kept on purpose."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import job
from pipelines.commands import run
from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.faulty_proxy import Faults, FaultyProxy
from transforms.dynamodb.item_faults import MAX_ITEM_BYTES
from transforms.metrics import counters_of

pytestmark = pytest.mark.dynoxide

REGIONS = ("eu-west-1", "us-west-2")
KEY, VALUE = "CANARYKEY7f3a", "CANARYVALUE91bc"
SECRET, TOKEN = "CANARYSECRETe2d4", "CANARYTOKEN58aa"
LARGE = "x" * (MAX_ITEM_BYTES - 200)


@pytest.fixture
def proxy(dynoxide: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    with FaultyProxy({each: dynoxide.endpoint_url(each) for each in REGIONS}) as made:
        yield made


@pytest.fixture
def words(dynoxide: Engine, proxy: FaultyProxy, tmp_path: Path) -> list[str]:
    """A copy of items with canaries, of which one is too large for the target."""
    source, target = (
        make_table(dynoxide, each, unique_name(), "id") for each in REGIONS
    )
    client = dynoxide.dynamodb(REGIONS[0])
    for number in range(60):
        item: dict[str, Any] = {"id": {"S": f"{KEY}-{number}"}, "v": {"S": VALUE}}
        if number == 7:
            item["data"] = {"S": LARGE}
        client.put_item(TableName=source, Item=item)
    words = ["copy", "--source", f"{REGIONS[0]}/{source}", "--endpoint", proxy.url]
    words += ["--run-dir", str(tmp_path / "run"), "--page-limit", "10", "--debug"]
    words += ["--columns", f"id,v,data:{'d' * 300}"]
    return [*words, "--to", f"{REGIONS[1]}/{target}", "--name", "west"]


@pytest.fixture
def said(
    capfd: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Everything that was said so far: printed, logged at any level, or counted."""
    counted: list[dict[str, int]] = []
    watched = job.run_watched

    def remember(*arguments: Any) -> Any:
        result = watched(*arguments)
        counted.append(counters_of(result))
        return result

    monkeypatch.setattr(sys.modules["pipelines.launch"], "run_watched", remember)
    caplog.set_level(logging.DEBUG)
    # botocore's own debug log shows requests; nobody turns it on but on purpose.
    for name in ("botocore", "boto3", "urllib3", "aiohttp", "asyncio"):
        caplog.set_level(logging.INFO, logger=name)

    def everything() -> str:
        printed = capfd.readouterr()
        return f"{printed.out}{printed.err}{caplog.text}{counted}"

    return everything


def assert_no_canary(text: str) -> None:
    for canary in (KEY, VALUE, SECRET, TOKEN, LARGE[:100]):
        assert canary not in text


def files_that_keep_no_items(directory: Path) -> str:
    kept = [
        path
        for path in directory.rglob("*")
        if path.is_file()
        and "rejected" not in path.parts
        and not path.name.startswith("ledger.sqlite")
    ]
    assert kept
    return "".join(path.read_text(errors="replace") for path in kept)


FAULTS = Faults(seed=3, throttled=0.1, corrupted=0.1, truncated=0.1, unprocessed=0.3)


def test_a_copy_with_faults_and_a_rejected_item_says_nothing(
    words, proxy, said, tmp_path
):
    proxy.faults = FAULTS
    assert run(words) == 1
    text = said()
    assert "ItemTooLarge" in text
    assert_no_canary(text)
    assert_no_canary(files_that_keep_no_items(tmp_path / "run"))
    (rejected,) = (tmp_path / "run" / "rejected" / "west").iterdir()
    assert rejected.stat().st_size  # there the item is kept, on purpose


def test_a_rejected_item_is_named_by_the_digest_of_its_key(words, said):
    assert run(words) == 1
    text = said()
    assert re.search(
        r"west: ItemTooLarge 1, such as key [0-9a-f]{16}$", text, re.MULTILINE
    )
    assert_no_canary(text)


@pytest.mark.parametrize("on_reject", ["collect", "fail"])
def test_keys_and_only_keys_are_shown_to_those_who_ask(words, said, on_reject):
    place = words.index("--to")
    asked = ["--show-keys", "--on-reject", on_reject]
    assert run([*words[:place], *asked, *words[place:]]) in (1, 3)
    text = said()
    # The engine writes spaces into its JSON, and a key is shown as it came.
    assert f'key{{"id":{{"S":"{KEY}-7"}}}}' in text.replace(" ", "")
    assert f"{KEY}-6" not in text
    assert_no_canary(text.replace(KEY, ""))


@pytest.mark.parametrize(
    ("options", "break_it"),
    [
        (["--on-reject", "fail"], lambda _: None),
        (["--deadline", "1"], lambda proxy: proxy.expired_keys.add("AKIAEXAMPLE")),
        (["--filter", "v < 5 AND"], lambda _: None),
    ],
    ids=["a rejected item", "expired credentials", "a bad filter"],
)
def test_a_job_that_fails_says_why_without_what_it_read(
    words, proxy, said, options, break_it
):
    break_it(proxy)
    place = words.index("--to")
    assert run([*words[:place], *options, *words[place:]]) in (2, 3)
    text = said()
    assert "beam-dynamodb: error: " in text
    assert_no_canary(text)
