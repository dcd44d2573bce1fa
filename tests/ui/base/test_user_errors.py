"""What others wrote is shown as text: no link, no image and no other markup comes of it."""

import random
import re
import sqlite3

import pytest
import sqlalchemy as sa
from markdown_it import MarkdownIt

from avhcurate.errors import Option, Run, Text
from avhcurate.ui.base.user_errors import in_page, plain
from avhcurate.workspace.disk.room import disk_trouble
from tests.test_advice import PARTS

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
    options = [part for part in PARTS.values() if isinstance(part, Option)]
    assert len(options) > 50
    assert [said for part in options if "--" in (said := in_page(Text(f"Give {part}.")))] == []


def test_a_page_says_an_option_by_the_name_of_its_widget_and_a_run_by_its_place():
    text = Text(f"The classes differ. {Run('score', 'pets', model='MODEL')}, or add {Option('head', 'fit')}.")
    assert in_page(text, "score") == (
        "The classes differ. Use “+ a classifier” on Home, or add “Last layer: Fit one for these classes”."
    )
    assert in_page(Text(f"It is damaged: {Run('check')}.")) == "It is damaged: run `avhcurate check`."


def test_a_text_of_the_user_that_looks_like_an_option_stays():
    assert in_page(Text(f"The file --head fit.csv is empty. Give {Option('weights', 'FILE')}.")) == (
        "The file --head fit.csv is empty. Give “Weights”."
    )


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
