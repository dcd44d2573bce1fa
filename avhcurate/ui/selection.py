"""The selection in a sample grid: ranges of places in a view of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import streamlit as st

from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.components.grid import Ranges, decode_selection, image_grid
from avhcurate.ui.grid_routes import view_url
from avhcurate.ui.grid_views import GridView, registered

_KEY = "selection"
#: Key of the grid with the selection, and of what its browser sends.
GRID = "samples"


@dataclass(frozen=True)
class GridSelection:
    """Places in a view. `turn` grows whenever Python changes it, so that the grid takes it over.

    `heard` is what the browser sent last, which counts once; of the view `earlier` it may still send something.
    """

    view: GridView
    ranges: Ranges = ()
    turn: int = 0
    heard: Any = None
    earlier: GridView | None = None

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

    def after(self, sent: Any) -> "GridSelection":
        """The selection after what the browser sent, which may be of an earlier view of the same samples."""
        if sent == self.heard or (decoded := decode_selection(sent)) is None:
            return self
        key, ranges = decoded
        view = self.view if key == self.view.key else registered(key)
        if view is None or view.about != self.view.about:
            return replace(self, heard=sent)
        of_view = tuple((start, min(stop, view.count)) for start, stop in ranges if start < view.count)
        return replace(self, ranges=_carried(view, of_view, self.view), heard=sent)

    def to(self, view: GridView) -> "GridSelection":
        """The same samples in another view, none where that is of others."""
        if view.key == self.view.key:
            return self
        if view.about != self.view.about:
            return GridSelection(view, turn=self.turn + 1, heard=self.heard)
        return replace(self, view=view, earlier=self.view, ranges=_carried(self.view, self.ranges, view))


def _carried(old: GridView, ranges: Ranges, new: GridView) -> Ranges:
    if old.key == new.key or not ranges:
        return ranges
    if ranges == ((0, old.count),):
        return ((0, new.count),) if new.count else ()
    return new.ranges_of(old.chosen(ranges))


def select(ranges: Ranges = ()) -> None:
    """Replaces the selection; to be called in a widget's callback."""
    now = selected_now()
    st.session_state[_KEY] = replace(now, ranges=ranges, turn=now.turn + 1)


def selected_now() -> GridSelection:
    """The browser's latest selection, for a widget's callback, which runs before the grid is drawn."""
    kept: GridSelection = st.session_state[_KEY]
    return kept.after(_sent())


def selected_in(sent: Any) -> GridSelection:
    """The places that a message of the grid names, beside the selection."""
    return replace(selected_now(), ranges=(), heard=None).after(sent)


def selectable_grid(
    view: GridView, *, tile_size: int, label: str = "Samples", part: bool = False, **more: Any
) -> GridSelection:
    """The grid with the session's selection in it, which it returns; `part` of a page that has more below it.

    `more` are further arguments of `image_grid`.
    """
    kept = st.session_state.get(_KEY) or GridSelection(view, heard=_sent())
    # First what the browser says of the view before, then what becomes of it in this one.
    kept = kept.after(_sent()).to(view)
    st.session_state[_KEY] = kept
    image_grid(
        view.first,
        key=GRID,
        **shown(view),
        start=url_state.current().row - 1,
        tile_size=tile_size,
        selected=kept.ranges,
        turn=kept.turn,
        selectable=True,
        hint=True,
        label=label,
        height="part" if part else "window",
        **more,
    )
    return kept


def browsing_grid(view: GridView, *, key: str, tile_size: int, label: str) -> None:
    """A grid to look at: a click opens an image's details."""
    st.session_state[f"{key}.view"] = view  # held, and with it readable
    image_grid(view.first, key=key, **shown(view), tile_size=tile_size, label=label, height="part")


def shown(view: GridView) -> dict[str, Any]:
    """The arguments of `image_grid` that show a view, and open its samples."""
    return {
        "count": view.count,
        "source": view_url(view) if view.count > len(view.first) else "",
        "view": view.key,
        "about": view.about,
        "order": view.order_name,
        "value": view.value,
        "open": url_state.current().sample is not None,
        "on_open": lambda id: url_state.change(sample=id),
    }


def _sent() -> Any:
    return (st.session_state.get(GRID) or {}).get("selection")
