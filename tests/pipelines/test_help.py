"""The help: complete, narrow, and as it was last read by a person."""

from pathlib import Path

import pytest

from pipelines.commands import run
from pipelines.copy_command import help_text
from pipelines.flags import flags_of
from pipelines.options import CopyOptions
from pipelines.target_options import TargetOptions

SNAPSHOT = Path(__file__).with_name("copy_help.txt")


@pytest.mark.parametrize("options", [CopyOptions, TargetOptions])
def test_every_flag_is_in_the_help(options):
    drawn = help_text()
    for one in flags_of(options).values():
        assert f"\n  {one.option}" in drawn


def test_no_line_of_the_help_is_wider_than_a_terminal():
    assert max(map(len, help_text().splitlines())) <= 88


def test_the_help_reads_as_it_was_last_reviewed():
    assert help_text() == SNAPSHOT.read_text(encoding="utf-8")


def test_help_is_printed_wherever_it_is_asked_for(capsys):
    assert run(["copy", "--source", "a/b", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: beam-dynamodb copy")
    assert run(["--help"]) == 0
    assert "Commands\n  copy" in capsys.readouterr().out


def test_no_command_is_bad_input_and_shows_the_commands(capsys):
    assert run([]) == 2
    assert "Commands" in capsys.readouterr().out


def test_a_misspelt_command_is_refused_with_the_nearest(capsys):
    assert run(["cpy"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "beam-dynamodb: error: 'cpy' is no command; did you mean copy?; "
        "beam-dynamodb --help lists them\n"
    )
