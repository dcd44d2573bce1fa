"""Each row of capabilities.csv, what a user can do, is shown by tests that exist; each verb and page has a row.

What users could do once and cannot now is in removed.csv: a thing a row, the day it went, what does it instead, and why
it went.
"""

import csv
import importlib
import shlex
from datetime import date
from pathlib import Path

import pytest
import typer

from avhcurate.cli import app
from avhcurate.workspace.disk.app_files import PAGES, added_pages

TESTS = Path(__file__).parent


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table next to this file."""
    with (TESTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


CAPABILITIES = rows("capabilities.csv")
PLACES = " ".join(row["where"] for row in CAPABILITIES).lower()


def exists(test: str) -> bool:
    """Return whether a test such as `ui/test_frame.py::test_roles` is there."""
    path, _, name = test.partition("::")
    file = TESTS / path
    return file.is_file() and (not name or f"def {name}(" in file.read_text(encoding="utf-8"))


def test_every_capability_names_a_test_that_exists():
    assert len(CAPABILITIES) > 300
    missing = [row["capability"] for row in CAPABILITIES if not row["shown_by"]]
    missing += [test for row in CAPABILITIES for test in row["shown_by"].split() if not exists(test)]
    assert missing == []


def test_every_verb_and_page_has_a_capability():
    verbs = [f"avhcurate {verb}" for verb in typer.main.get_command(app).commands]
    pages = [page.replace("_", " ") for page in (*(path.stem for path in PAGES.glob("*.py")), *added_pages())]
    words = PLACES.replace("-", " ")
    missing = [verb for verb in verbs if verb not in PLACES]
    missing += [page for page in pages if page not in words]
    assert missing == []


def is_there(instead: str) -> bool:
    """Return whether there is a command with its options, a page ("page Map"), a Python name or a file."""
    group = typer.main.get_command(app)
    pages = {path.stem for path in PAGES.glob("*.py")} | set(added_pages())
    kind, _, rest = instead.partition(" ")
    if kind == "avhcurate":
        words = shlex.split(rest)
        command = group.commands.get(words[0])
        known = {name for each in (command, group) if each for parameter in each.params for name in parameter.opts}
        return command is not None and {word for word in words if word.startswith("-")} <= known
    if kind == "page":
        return rest.lower().replace(" ", "_").replace("-", "_") in pages
    if kind.startswith("avhcurate."):
        module, _, name = kind.rpartition(".")
        return hasattr(importlib.import_module(module), name)
    return (TESTS.parent / instead).is_file()


REMOVED = rows("removed.csv")
#: The first commit.
BEGUN = date(2026, 11, 24)


def test_a_row_says_what_went_when_and_why():
    assert len(REMOVED) > 100
    assert all(list(row) == ["area", "removed", "since", "instead", "why"] for row in REMOVED)
    assert [row for row in REMOVED if not (row["area"] and row["removed"] and row["why"])] == []
    assert [row for row in REMOVED if date.fromisoformat(row["since"]) < BEGUN] == []


def test_a_row_is_about_one_thing():
    assert [row["removed"] for row in REMOVED if ";" in row["removed"] or row["removed"].count(",") > 1] == []
    assert len({(row["area"], row["removed"]) for row in REMOVED}) == len(REMOVED)


def test_what_does_it_instead_is_there():
    assert [row["instead"] for row in REMOVED if row["instead"] and not is_there(row["instead"])] == []


@pytest.mark.parametrize(
    "instead",
    ["avhcurate sing NAME", "avhcurate export NAME --loudly", "page Nowhere", "avhcurate.nothing", "docs/nothing.md"],
)
def test_what_is_not_there_replaces_nothing(instead):
    assert not is_there(instead)
