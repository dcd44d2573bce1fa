"""Ways to the gallery, with some samples and the way back; and to the details of images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base import frame, url_state
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.base.page_choices import Choice, read_ids, write_ids
from avhcurate.ui.base.url_state import View
from avhcurate.workspace.disk.app_files import PAGES, page_file

#: The page and address that a mark of a chart was clicked on, for the way back.
_BACK = Choice("gallery.back", "", str)


def gallery_link(label: str, query: Mapping[str, str] | None = None, **changes: Any) -> None:
    """Draw a link to the gallery at an address, or with the view's samples after `changes` of its fields."""
    if query is None:
        query = replace(url_state.current(), choices=(), **changes).elsewhere
    st.page_link(
        PAGES / "gallery.py",
        label=label,
        icon=":material/grid_view:",
        query_params={**query, **_back()},
        width="content",
    )


def _back() -> dict[str, str]:
    """Return the parameter that leads back to the current view; none in the gallery itself."""
    page = st.session_state[frame.PAGE]
    if page == "gallery":
        return {}
    return {_BACK.name: f"{page}?{urlencode(st.query_params.to_dict())}"}


def go_to_gallery(filters: Filters, *, like: Sequence[int] = (), run: str = "") -> NoReturn:
    """Open the gallery with the samples of these filters, in the order of likeness to some, and with the way back."""
    view = replace(url_state.current(), filters=filters, row=1, sample=None, choices=())
    view = replace(view, run=run or view.run).choosing(LIKE.name, LIKE.write(tuple(like)))
    st.switch_page(PAGES / "gallery.py", query_params=view.to_query() | _back())


def way_back() -> None:
    """Draw a link to the page that led here, as it was."""
    page, _, query = _BACK.asked().partition("?")
    if page in TITLES:
        st.page_link(
            page_file(page),
            label=f"Back to {TITLES[page]}",
            icon=":material/arrow_back:",
            query_params=dict(parse_qsl(query)),
            width="content",
        )


# --- the details of an image -----------------------------------------------------------------------------------------


#: Images that others are compared with, at most.
_MOST_LIKE = 20
#: Images side by side, at most.
_MOST_TOGETHER = 4
#: The ids side by side; they do not count while the image that is open is none of them.
TOGETHER: Choice[tuple[int, ...]] = Choice("details.together", (), partial(read_ids, most=_MOST_TOGETHER), write_ids)
#: The ids to be like; none for the order of a column.
LIKE: Choice[tuple[int, ...]] = Choice("gallery.like", (), partial(read_ids, most=_MOST_LIKE), write_ids)


def open_sample(id: int | None) -> None:
    """Put a sample into the address, so that its details open with the next run; None closes them."""
    view = url_state.current()
    together = TOGETHER.asked()
    if id not in together:
        together = ()
    url_state.write(replace(view, sample=id).choosing(TOGETHER.name, write_ids(together)))


def open_side_by_side(ids: Sequence[int]) -> None:
    """Open the first of some samples with the next three next to it. For a widget's callback."""
    if ids:
        view = replace(url_state.current(), sample=ids[0])
        url_state.write(view.choosing(TOGETHER.name, write_ids(ids[:_MOST_TOGETHER])))


def side_by_side(view: View) -> tuple[int, ...]:
    """Return the samples to show: that of the view, or several of which it is one."""
    together = TOGETHER.asked()
    if view.sample in together:
        return together
    if view.sample is None:
        return ()
    return (view.sample,)


def more_like(ids: Sequence[int]) -> None:
    """Order the gallery by likeness to these samples; without any by a score. For a widget's callback."""
    url_state.change(row=1, sample=None)
    LIKE.put(tuple(ids[:_MOST_LIKE]))
