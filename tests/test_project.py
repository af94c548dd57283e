"""The project's own rules, those that no linter holds."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipelines", "transforms")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
LOCKS = ("requirements.lock", "requirements-dev.lock")
MOST_LINES = 400
PINNED = re.compile(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}")


def name_in_project(path):
    return str(path.relative_to(ROOT))


def lock_text(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SOURCES, ids=name_in_project)
def test_no_module_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name_in_project)
def test_no_module_hides_its_annotations_from_beam(path):
    imports = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    assert "__future__" not in [
        node.module for node in imports if isinstance(node, ast.ImportFrom)
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_no_path_of_a_machine(name):
    assert not re.search(r"://|--index|--find-links|--trusted-host", lock_text(name))
    assert not re.search(r"(^|[\s'\"])/\w", lock_text(name))


@pytest.mark.parametrize("name", LOCKS)
def test_each_locked_package_is_pinned_and_has_a_hash(name):
    joined = lock_text(name).replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not PINNED.match(line)] == []


def test_tests_run_on_the_versions_that_users_run_on():
    runtime, develop = (
        set(re.findall(r"^[\w.-]+==[^ \\]+", lock_text(name), re.MULTILINE))
        for name in LOCKS
    )
    assert runtime
    assert runtime <= develop


def test_the_lock_of_the_engines_names_no_host():
    text = (ROOT / "tests/engines/package-lock.json").read_text(encoding="utf-8")
    packages = [entry for name, entry in json.loads(text)["packages"].items() if name]
    assert packages
    assert "://" not in text
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)


def test_every_relative_link_of_the_documents_leads_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{name_in_project(document)}: {target}"
        for document in documents
        for target in re.findall(
            r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")
        )
        if not (document.parent / target).exists()
    ]
    assert broken == []
