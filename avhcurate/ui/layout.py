"""Layout: two columns where there is room, headline numbers, and empty states."""

from collections.abc import Callable
from typing import Any

import streamlit as st

#: Pixels below which half a page is too narrow for a chart.
_HALF = 380


def halves() -> tuple[Any, Any]:
    """Two cells of equal width, or one below the other in a narrow window."""
    grid = st.grid(2, min_column_width=_HALF, gap=("small", "large"))
    return grid.cell(), grid.cell()


def fact(name: str, value: str, note: str) -> None:
    """A number with its name above it and a note below."""
    with st.container(width="content", gap=None):
        st.metric(name, value, width="content")
        st.caption(note or "&nbsp;")


def empty_state(
    title: str, icon: str, story: str, form: Callable[[], object] | None = None, *, command: str = ""
) -> None:
    """What is missing, the form that brings it, and the command that does so in a shell."""
    with st.container(border=True):
        st.header(title, icon=f":material/{icon}:")
        st.markdown(story)
        if form:
            form()
        if form and command:
            st.caption("Or from a shell:")
        if command:
            st.code(command, language="bash")
