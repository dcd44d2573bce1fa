"""Layout: two columns if there is room, headline numbers, empty states, and popovers that close when they are done."""

from collections.abc import Callable
from typing import Any

import streamlit as st

#: Pixels below which half a page is too narrow for a chart.
_HALF = 380


def halves() -> tuple[Any, Any]:
    """Return two cells of equal width, or one below the other in a narrow window."""
    grid = st.grid(2, min_column_width=_HALF, gap=("small", "large"))
    return grid.cell(), grid.cell()


def in_a_row(align: Any = "bottom", **container: Any) -> Any:
    """Return a line of widgets."""
    return st.container(horizontal=True, vertical_alignment=align, **container)


def apart() -> Any:
    """Return a line with a part at each end."""
    return in_a_row("center", horizontal_alignment="distribute")


def fact(name: str, value: str, note: str) -> None:
    """Draw a number with its name above it and a note below."""
    with st.container(width="content", gap=None):
        st.metric(name, value, width="content")
        st.caption(note or "&nbsp;")


def empty_state(title: str, icon: str, story: str, form: Callable[[], object] | None = None) -> None:
    """Draw what is missing in a sentence, and the button or the links that bring it."""
    with st.container(border=True):
        st.header(title, icon=f":material/{icon}:", anchor=False)
        st.markdown(story)
        if form:
            form()


def help_menu(key: str) -> Any:
    """Return the menu *Help* of a part of a page."""
    return st.popover("Help", icon=":material/help:", type="tertiary", key=key)


def closing_popover(label: str, *, key: str, **popover: Any) -> Any:
    """Return a popover that `turn` closes."""
    return st.popover(label, key=f"{key}.{turns(key)}", **popover)


def turns(name: str) -> int:
    """Return how often a widget was made anew, as the end of its key."""
    return int(st.session_state.get(f"{name}.turn", 0))


def turn(name: str) -> None:
    """Make a widget anew with the next run: it forgets what it shows, and a popover is closed."""
    st.session_state[f"{name}.turn"] = turns(name) + 1
