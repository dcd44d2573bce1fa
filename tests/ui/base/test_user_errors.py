"""What others wrote is shown as text: no link, no image and no other markup comes of it."""

import ast
import random
import re
import sqlite3

import pytest
import sqlalchemy as sa
from markdown_it import MarkdownIt

from avhcurate.ui.base.user_errors import in_page, plain
from avhcurate.workspace.disk.room import disk_trouble
from tests.conftest import ROOT
from tests.test_advice import texts

AWAY = sa.exc.OperationalError("SELECT 1", {}, OSError("connection refused\nIs the server running?"))
LOCKED = sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AWAY, "The database does not answer (connection refused)"),
        (LOCKED, "Another program holds annotations.db"),
        (sqlite3.DatabaseError("file is not a database"), "The database annotations.db is damaged"),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), ""),
        (KeyError("a bug"), ""),
    ],
)
def test_a_database_that_is_away_locked_or_damaged_is_a_sentence_and_a_bug_is_not(error, said):
    line = disk_trouble(error)
    assert line.startswith(said)
    assert bool(line) == bool(said)


def test_no_message_names_an_option_of_the_command_line_on_a_page():
    rooms = [path for path in (ROOT / "avhcurate").iterdir() if path.name not in ("cli", "notebook")]
    files = [file for room in rooms for file in room.rglob("*.py")]
    raised = [
        text
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Raise)
        for text in texts(node)
    ]
    options = [text for text in raised if re.search("(?<![\\w-])--[a-z]", text)]
    assert len(options) > 50
    shown = [re.sub("`[^`]*`", "", in_page(text)) for text in options]
    assert [text for text in shown if "--" in text] == []


RENDER = MarkdownIt("commonmark").render
IMAGE = "![p](https://evil.example/t.png)"


@pytest.mark.parametrize(
    "text",
    [
        f"`{IMAGE}",
        f"a `b` c `{IMAGE}",
        f"`{IMAGE}``",
        f"``{IMAGE}`",
        f"`\n\n{IMAGE}\n\n`",
        f"\\`{IMAGE}",
        f"`a\r{IMAGE}",
    ],
)
def test_a_backtick_without_its_pair_hides_no_markup(text):
    assert not re.search("<(img|a) ", RENDER(plain(text)))


def test_code_in_a_pair_of_backticks_stays_code():
    assert RENDER(plain("run `avhcurate score a_b`, or `x`")) == (
        "<p>run <code>avhcurate score a_b</code>, or <code>x</code></p>\n"
    )


def test_whatever_the_backticks_nothing_but_text_and_code_is_shown():
    draw = random.Random(0)
    for _ in range(3000):
        text = "x" + "".join(draw.choices(["`", "``", "\\", "\n\n", IMAGE, "*b*", "<i>", "<https://a.b>", " "], k=9))
        tags = set(re.findall("<(/?[a-z]+)", RENDER(plain(text))))
        assert tags <= {"p", "/p", "code", "/code"}, text
