"""A backup and its restore on each cluster: the same items, in another region."""

import pytest

from tests.runners.scenarios import (
    EAST,
    ITEMS,
    SOURCE,
    account,
    finish,
    make_item,
)

pytestmark = [pytest.mark.runner, pytest.mark.dynoxide, pytest.mark.timeout(600)]


def test_a_table_goes_to_files_and_into_another_region(copy_on_each):
    copy = copy_on_each
    cluster, endpoint = copy.cluster, copy.engine.endpoint_url
    shared = ["--runner-profile", cluster.name, "--workers", "2"]
    files = str(copy.folder / "files")
    words = ["backup", "--source", f"{SOURCE}/{copy.source}", "--to", files]
    words += ["--source-endpoint", endpoint(SOURCE), "--read-units", "unlimited"]
    words += ["--ledger", f"dynamodb:{copy.source}.runs", "--segments", "16"]
    words += ["--run-dir", str(copy.folder / "backup"), *shared]
    code, printed = finish(copy.start([*words, "--", cluster.flag]))
    assert code == 0, printed
    words = ["restore", "--backup", files, "--to", f"{EAST}/{copy.east}"]
    words += ["--endpoint", endpoint(EAST), "--write-units", "unlimited"]
    words += ["--run-dir", str(copy.folder / "restore"), *shared]
    code, printed = finish(copy.start([*words, "--", cluster.flag]))
    assert code == 0, printed
    assert f"written {ITEMS}" in account(printed)
    everything = {f"item-{number}": make_item(number) for number in range(ITEMS)}
    assert copy.found(EAST, copy.east) == everything
