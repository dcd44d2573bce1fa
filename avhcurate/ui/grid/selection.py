"""The selection in a sample grid: ranges of places in a view, which the browser keeps and sends with an action."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base import url_state
from avhcurate.ui.base.open_images import open_sample
from avhcurate.ui.components.grid import Ranges, decode_selection, image_grid
from avhcurate.ui.grid.grid_views import GridView, carried, registered

_VIEWS = "selection.views"
#: Views that a session holds: a selection made in one of the last can still be carried over to the one that is shown.
_HELD = 4
#: Key of the grid with the selection, and of what its browser sends.
GRID = "samples"


@dataclass(frozen=True)
class GridSelection:
    """Places in a view."""

    view: GridView
    ranges: Ranges = ()

    @cached_property
    def ids(self) -> list[int]:
        """The selected ids in the order of the view."""
        return self.view.chosen(self.ranges).tolist()

    @property
    def count(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    @property
    def everything(self) -> bool:
        return 0 < self.count == self.view.count

    @property
    def chosen(self) -> Sequence[int] | Filters:
        """The ids that an action applies to, or the filters if all that match are selected."""
        if self.everything and self.view.filters:
            return self.view.filters
        return self.ids


def selected_in(sent: Any, shown: GridView | None = None) -> GridSelection:
    """Return the places that a message of the grid names, in the view that is shown now; none of other samples.

    By default it is shown by the page.
    """
    shown = shown or st.session_state[_VIEWS][0]
    key, ranges = decode_selection(sent)
    made_in = registered(key)
    if made_in is None or made_in.about != shown.about:
        return GridSelection(shown)
    return GridSelection(shown, carried(made_in, ranges, shown))


def selectable_grid(view: GridView, *, part: bool = False, label: str = "Images", **look: Any) -> None:
    """Draw the grid whose images can be selected; `part` of a page that has more below it."""
    earlier = [one for one in st.session_state.get(_VIEWS, ()) if one is not view]
    st.session_state[_VIEWS] = [view, *earlier][:_HELD]
    height = {True: "part", False: "window"}[part]
    start = url_state.current().row - 1
    here = {"tile_size": url_state.current().tile, "start": start, "on_size": _resize}
    _grid(view, key=GRID, selectable=True, hint=True, label=label, height=height, **here | look)


def browsing_grid(view: GridView, *, key: str, tile_size: int, label: str) -> None:
    """Draw a grid to look at: a click opens an image's details."""
    st.session_state[f"{key}.view"] = view  # held, and with it readable
    _grid(view, key=key, tile_size=tile_size, label=label, height="part")


def _resize(size: int) -> None:
    url_state.change(tile=size)


def _grid(view: GridView, **look: Any) -> None:
    image_grid(
        view.first,
        count=view.count,
        source=view.url,
        view=view.key,
        about=view.about,
        order=view.order_name,
        open=url_state.current().sample is not None,
        on_open=open_sample,
        **look,
    )
