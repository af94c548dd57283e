"""The run directory is its owner's alone, and one run's alone."""

import stat

import pytest

from pipelines.run_directory import RunDirectory
from transforms.dynamodb.errors import UserError


def test_by_default_it_is_named_after_the_run_and_private(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    directory = RunDirectory.create(None, "20261124-041500-ab12cd")
    assert directory.path == tmp_path / ".beam-dynamodb/runs/20261124-041500-ab12cd"
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_directory_that_was_chosen_is_used_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    assert RunDirectory.create(str(tmp_path / "mine"), "r").path == tmp_path / "mine"


def test_the_ledger_of_an_earlier_run_is_never_added_to(tmp_path):
    RunDirectory.create(str(tmp_path), "r").ledger.touch()
    with pytest.raises(UserError, match="holds the ledger of an earlier run"):
        RunDirectory.create(str(tmp_path), "s")


def test_a_place_where_none_can_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot make .*file/run"):
        RunDirectory.create(str(tmp_path / "file" / "run"), "r")
