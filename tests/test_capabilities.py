"""Each row of capabilities.csv, what a user can do, is shown by tests that exist; each verb and page has a row.

What development versions could do and the first release cannot is in removed.csv.
"""

import csv
from pathlib import Path

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


def test_what_was_removed_is_listed_by_area():
    removed = rows("removed.csv")
    assert len(removed) > 50
    assert [row for row in removed if not (row["area"] and row["removed"])] == []
