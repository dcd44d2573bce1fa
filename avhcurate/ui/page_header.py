"""The header of a page: its purpose, the samples in view, and whether their votes are simulated."""

from collections.abc import Callable

import streamlit as st

from avhcurate.ui.filter_chips import show_chips
from avhcurate.ui.frame import SIMULATED, Opened, with_run


def open_page(title: str, story: str, needs: Callable[[], Opened] = with_run, *, votes: bool = True) -> Opened:
    """Draw the title of a page and the lines under it; return its frame. `needs` ends a page that lacks something."""
    st.title(title)
    page = needs()
    subtitle(page, story, votes=votes)
    return page


def subtitle(page: Opened, story: str, *, votes: bool = True) -> None:
    """Draw the lines under a title: `story`, samples in view, the mark of simulated votes, and filters as chips."""
    size = page.table.size
    line = f"**{page.count:,}** of {size:,} samples match the filters."
    if page.count == size:
        line = f"All {size:,} samples."
    if votes and page.table.simulated:
        line += f" {SIMULATED}"
    st.caption(f"{story}  \n{line}")
    show_chips(page)
