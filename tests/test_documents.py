"""Commands in the documents are commands that exist, with options that they take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = "beam-dynamodb"
MAKE = re.compile(r"^\$? ?make ([a-z][a-z-]*)", re.MULTILINE)


def console_lines(document: Path) -> Iterator[str]:
    """Yields what is typed after ``$ ``, continued lines joined."""
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line[2:]


def our_words(line: str) -> list[str]:
    """Returns the words after ``beam-dynamodb``; none for another program."""
    words = shlex.split(line, comments=True)
    return words[words.index(OURS) + 1 :] if OURS in words else []


DOCUMENTED = [
    pytest.param(words, id=f"{document.name}: {line[:60]}")
    for document in DOCUMENTS
    for line in console_lines(document)
    if (words := our_words(line)) and not words[0].startswith("--")
]


def test_the_documents_have_commands():
    assert len(DOCUMENTED) >= 2


@pytest.mark.parametrize("words", DOCUMENTED)
def test_a_documented_command_and_its_options_are_in_the_help(words):
    assert words[0] in COMMANDS
    # As in "plan copy --source …", which takes what copy takes.
    names = [word for word in words[:2] if word in COMMANDS]
    drawn = "".join(COMMANDS[name].module().help_text() for name in names)
    ours = words[: words.index("--")] if "--" in words else words
    flags = {word.partition("=")[0] for word in ours if word.startswith("--")}
    taken = set(re.findall(r"--[a-z][a-z-]*", drawn)) | {"--help"}
    assert flags <= taken


def test_documented_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    said = {
        target
        for document in DOCUMENTS
        for target in MAKE.findall(document.read_text(encoding="utf-8"))
    }
    assert said <= targets
