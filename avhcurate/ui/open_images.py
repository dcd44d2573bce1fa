"""The images whose details are open: one, or up to four side by side, and where the details lie."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from avhcurate.ui import url_state
from avhcurate.ui.components.viewer import MOST, remembered_panel
from avhcurate.ui.page_choices import Choice, read_ids, write_ids
from avhcurate.ui.url_state import View

_PANEL = "details.panel"
#: The ids side by side, in the address; of no account while the image that is open is none of them.
BESIDE: Choice[tuple[int, ...]] = Choice("details.beside", (), lambda text: read_ids(text, most=MOST), write_ids)


def open_sample(id: int | None) -> None:
    """Puts a sample into the address, so that its details open with the next run; None closes them."""
    view = url_state.current()
    beside = BESIDE.of(view)
    url_state.write(replace(view, sample=id).choosing(BESIDE.name, write_ids(beside) if id in beside else ""))


def open_side_by_side(ids: Sequence[int]) -> None:
    """Opens the first of some samples, if any, with the next three beside it; to be called in a widget's callback."""
    if not (ids := tuple(ids[:MOST])):
        return
    url_state.write(replace(url_state.current(), sample=ids[0]).choosing(BESIDE.name, write_ids(ids[1:] and ids)))


def side_by_side(view: View) -> tuple[int, ...]:
    """The samples to be shown: that of the view, or several of which it is one."""
    assert view.sample is not None
    beside = BESIDE.of(view)
    return beside if view.sample in beside else (view.sample,)


def in_panel() -> bool:
    """Whether details lie beside the page instead of over it: as last chosen in this session, else in this browser."""
    chosen: bool = st.session_state.setdefault(_PANEL, remembered_panel())
    return chosen


def put_in_panel(panel: bool) -> None:
    """Chooses where details lie, for this session; the browser remembers it by itself."""
    st.session_state[_PANEL] = panel
