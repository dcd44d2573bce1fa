"""What the address says of images: those whose details are open, where these lie, and those to be like."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from avhcurate.ui import url_state
from avhcurate.ui.components.viewer import MOST, remembered_panel
from avhcurate.ui.page_choices import Choice, read_ids, write_ids
from avhcurate.ui.url_state import View

_PANEL = "details.panel"
#: Images that others are compared with, at most.
_MOST_LIKE = 20
#: The ids that are open side by side; without effect while the image that is open is none of them.
BESIDE: Choice[tuple[int, ...]] = Choice("details.beside", (), lambda text: read_ids(text, most=MOST), write_ids)
#: The ids to be like; none for the order of a column.
LIKE: Choice[tuple[int, ...]] = Choice("gallery.like", (), lambda text: read_ids(text, most=_MOST_LIKE), write_ids)


def open_sample(id: int | None) -> None:
    """Put a sample into the address, so that its details open with the next run; None closes them."""
    view = url_state.current()
    if id not in BESIDE.of(view):
        view = view.choosing(BESIDE.name, "")
    url_state.write(replace(view, sample=id))


def open_side_by_side(ids: Sequence[int]) -> None:
    """Open the first of some samples, if any, with the next three next to it, in a widget's callback."""
    if not ids:
        return
    url_state.write(replace(url_state.current(), sample=ids[0]).choosing(BESIDE.name, write_ids(ids[:MOST])))


def side_by_side(view: View) -> tuple[int, ...]:
    """Return the samples to be shown: that of the view, or several of which it is one."""
    assert view.sample is not None
    beside = BESIDE.of(view)
    if view.sample in beside:
        return beside
    return (view.sample,)


def in_panel() -> bool:
    """Return whether details lie next to the page: as last chosen in this session, else in this browser."""
    chosen: bool = st.session_state.setdefault(_PANEL, remembered_panel())
    return chosen


def put_in_panel(panel: bool) -> None:
    """Choose where details lie, for this session; the browser remembers it by itself."""
    st.session_state[_PANEL] = panel


def more_like(ids: Sequence[int]) -> None:
    """Order the gallery by likeness to these samples; without any by a score. For a widget's callback."""
    url_state.change(row=1, sample=None)
    LIKE.put(tuple(ids[:_MOST_LIKE]))
