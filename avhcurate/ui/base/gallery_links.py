"""Ways to the gallery, with some samples and the way back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base import frame, url_state
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.base.open_images import LIKE
from avhcurate.ui.base.page_choices import Choice
from avhcurate.workspace.disk.app_files import PAGES, page_file

#: The page and address that a mark of a chart was clicked on, for the way back.
_BACK: Choice[str] = Choice("gallery.back", "", str)


def gallery_link(label: str, query: Mapping[str, str] | None = None, **changes: Any) -> None:
    """Draw a link to the gallery at an address, or with the view's samples after `changes` of its fields."""
    if query is None:
        query = replace(url_state.current(), choices=(), **changes).elsewhere
    look: dict[str, Any] = {"icon": ":material/grid_view:", "width": "content"}
    st.page_link(PAGES / "gallery.py", label=label, query_params={**query, **_back()}, **look)


def _back() -> dict[str, str]:
    """Return the parameter that leads back to the current view; none in the gallery itself."""
    here = st.session_state[frame.PAGE]
    return {_BACK.name: f"{here}?{urlencode(st.query_params.to_dict())}"} if here != "gallery" else {}


def go_to_gallery(filters: Filters, *, like: Sequence[int] = (), run: str = "") -> NoReturn:
    """Open the gallery with the samples of these filters, in the order of likeness to some, and with the way back."""
    view = replace(url_state.current(), filters=filters, row=1, sample=None, choices=())
    view = replace(view, run=run or view.run).choosing(LIKE.name, LIKE.write(tuple(like)))
    st.switch_page(PAGES / "gallery.py", query_params=view.to_query() | _back())


def way_back() -> None:
    """Draw a link to the page that led here, as it was."""
    page, _, query = _BACK.asked().partition("?")
    if page in TITLES:
        look: dict[str, Any] = {"icon": ":material/arrow_back:", "width": "content"}
        st.page_link(page_file(page), label=f"Back to {TITLES[page]}", query_params=dict(parse_qsl(query)), **look)
