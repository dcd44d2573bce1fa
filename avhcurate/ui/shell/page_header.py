"""The header of a page: one line with the title, the images in view and the menu Help, and chips of the filters."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from avhcurate.ui.base.frame import SIMULATED, Opened, with_run
from avhcurate.ui.base.layout import help_menu, in_a_row
from avhcurate.ui.shell.filter_chips import show_chips

#: The scores of the field that pages name by their letters.
TERMS = {"AVH": "angular visual hardness", "AVC": "angular visual confidence", "HSF": "human selection frequency"}


def open_page(
    title: str,
    story: str,
    needs: Callable[[], Opened] = with_run,
    *,
    votes: bool = True,
    terms: Sequence[str] = ("AVH", "HSF"),
) -> Opened:
    """Draw the header of a page and return its frame, with the menu *Help*, which begins with `story`, and its result.

    `needs` ends a page that lacks something; `terms` are those that the page uses, which its header spells out.
    """
    line, menu = title_line(title, story)
    page = replace(needs(), story=story, help=menu)
    line.caption(" · ".join([in_view(page, votes=votes), *spelt(terms)]))
    show_chips(page)
    return replace(page, result=st.container(key="page.result"))


def title_line(title: str, story: str) -> tuple[Any, Any]:
    """Draw a title and its menu *Help*; return the place between them, and the menu."""
    with in_a_row("center", key="title"):
        st.title(title, width="content", anchor=False)
        line = st.container()
        menu = help_menu("title.help")
    menu.markdown(story)
    return line, menu


def in_view(page: Opened, *, votes: bool = True) -> str:
    """Return how many images match the filters, with the mark of simulated votes."""
    size = page.table.size
    text = f"**{page.count:,}** of {size:,} images"
    if page.count == size:
        text = f"All {size:,} images"
    if votes and page.table.simulated:
        text += f" {SIMULATED}"
    return text


def spelt(terms: Sequence[str]) -> list[str]:
    """Return the terms with their names.

    >>> spelt(["AVH"])
    ['AVH: angular visual hardness']
    """
    return [f"{term}: {TERMS[term]}" for term in terms]
