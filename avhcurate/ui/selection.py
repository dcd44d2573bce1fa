"""The selection in a sample grid: ranges of places in a view, which the browser keeps and sends with an action."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.components.grid import Ranges, decode_selection, image_grid
from avhcurate.ui.grid_routes import view_url
from avhcurate.ui.grid_views import GridView, carried, registered
from avhcurate.ui.open_images import open_sample

_VIEWS = "selection.views"
#: Views that a session holds besides the one that is shown: a selection made in one of them can still be carried over.
_EARLIER = 3
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
        """The ids that an action applies to, or the filters where all that match are selected."""
        return self.view.filters if self.everything and self.view.filters else self.ids


def selected_in(sent: Any) -> GridSelection:
    """The places that a message of the grid names, in the view that is shown now; none where it makes no sense."""
    shown: GridView = st.session_state[_VIEWS][0]
    key, ranges = decode_selection(sent) or ("", ())
    made_in = registered(key)
    return GridSelection(shown, carried(made_in, ranges, shown) if made_in else ())


def selectable_grid(
    view: GridView, *, tile_size: int, label: str = "Samples", part: bool = False, **more: Any
) -> GridView:
    """The grid whose images can be selected; `part` of a page that has more below it. Returns the view.

    `more` are further arguments of `image_grid`.
    """
    views = st.session_state.get(_VIEWS, ())
    st.session_state[_VIEWS] = (view, *(one for one in views if one is not view))[: 1 + _EARLIER]
    image_grid(
        view.first,
        key=GRID,
        **shown(view),
        start=url_state.current().row - 1,
        tile_size=tile_size,
        selectable=True,
        hint=True,
        label=label,
        height="part" if part else "window",
        **more,
    )
    return view


def browsing_grid(view: GridView, *, key: str, tile_size: int, label: str) -> None:
    """A grid to look at: a click opens an image's details."""
    st.session_state[f"{key}.view"] = view  # held, and with it readable
    image_grid(view.first, key=key, **shown(view), tile_size=tile_size, label=label, height="part")


def shown(view: GridView) -> dict[str, Any]:
    """The arguments of `image_grid` that show a view, and open its samples."""
    return {
        "count": view.count,
        "source": view_url(view),
        "view": view.key,
        "about": view.about,
        "order": view.order_name,
        "value": view.value,
        "open": url_state.current().sample is not None,
        "on_open": open_sample,
    }
