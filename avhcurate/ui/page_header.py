"""The header of a page: its story in one line, which samples it takes, and whether their votes are simulated."""

import streamlit as st

from avhcurate.ui.frame import SIMULATED, Opened


def subtitle(here: Opened, story: str, *, votes: bool = True) -> None:
    """The line under a title: the story, the samples in view, and that the votes are simulated where they are."""
    st.caption("  \n".join([story, f"{in_view(here)}{f' {SIMULATED}' if votes and here.table.simulated else ''}"]))


def in_view(here: Opened) -> str:
    """Which samples a page is about, in words."""
    size = here.table.size
    if here.count == size:
        return f"All {size:,} samples."
    return f"**{here.count:,}** of {size:,} samples: the filters on the left apply."
