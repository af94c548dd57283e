"""Commands in the documents are commands that exist, with options that they take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

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
    pytest.param(words, id=f"{document.name}: {line[:90]}")
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


def test_the_pipeline_of_the_readme_can_be_built():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    opening = "with beam.Pipeline() as pipeline:"
    assert opening in code
    # Built, and not run: its tables are nobody's.
    names: dict[str, Any] = {}
    exec(code.replace(opening, "pipeline = beam.Pipeline()\nif True:"), names)
    steps: set[str] = set()
    names["pipeline"].visit(Steps(steps))
    assert {"Scan Ireland", "Only late ones", "To the US"} <= steps


class Steps(PipelineVisitor):
    """Notes the labels of a pipeline's outermost steps."""

    def __init__(self, labels: set[str]) -> None:
        self._labels = labels

    def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
        self._labels.add(transform_node.full_label)

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        self._labels.add(transform_node.full_label)
