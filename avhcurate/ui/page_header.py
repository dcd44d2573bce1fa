"""The header of a page: its purpose, the samples in view, and whether their votes are simulated."""

import streamlit as st

from avhcurate.ui.frame import SIMULATED, Opened


def subtitle(here: Opened, story: str, *, votes: bool = True) -> None:
    """The lines under a title: `story`, the samples in view, and the mark of simulated votes."""
    st.caption("  \n".join([story, f"{in_view(here)}{f' {SIMULATED}' if votes and here.table.simulated else ''}"]))


def in_view(here: Opened) -> str:
    """The samples in view, in words."""
    size = here.table.size
    if here.count == size:
        return f"All {size:,} samples."
    return f"**{here.count:,}** of {size:,} samples: the filters on the left apply."
