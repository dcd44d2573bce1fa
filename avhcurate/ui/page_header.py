"""The header of a page: its purpose, the samples in view, and whether their votes are simulated."""

import streamlit as st

from avhcurate.ui.filter_chips import show_chips
from avhcurate.ui.frame import SIMULATED, Opened


def subtitle(page: Opened, story: str, *, votes: bool = True) -> None:
    """The lines under a title: `story`, the samples in view, the mark of simulated votes, and the filters as chips."""
    st.caption("  \n".join([story, f"{in_view(page)}{f' {SIMULATED}' if votes and page.table.simulated else ''}"]))
    show_chips(page)


def in_view(page: Opened) -> str:
    """The samples in view, in words."""
    size = page.table.size
    if page.count == size:
        return f"All {size:,} samples."
    return f"**{page.count:,}** of {size:,} samples match the filters."
