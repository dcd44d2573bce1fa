"""The selection in a sample grid: some ids, or all samples that match the filters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from avhcurate.table.filters import Filters
from avhcurate.ui.components.grid import GridEvent, Tile, decode, image_grid

_KEY, _GRID = "selection", "samples"


@dataclass(frozen=True)
class GridSelection:
    """All samples that match `filters` when an action runs, if `everything`; else `ids`.

    `about` names the dataset and filters that it was made in: under others it is void. `turn` grows whenever Python
    changes the selection, so that the grid takes it over. `shown` are the ids on the page.
    """

    about: str
    filters: Filters
    ids: tuple[int, ...] = ()
    everything: bool = False
    turn: int = 0
    page: int = 1
    shown: tuple[int, ...] = ()

    @property
    def scope(self) -> str:
        return f"{self.turn}/{self.page if self.everything else ''}"

    @property
    def highlighted(self) -> tuple[int, ...]:
        return self.shown if self.everything else self.ids

    @property
    def chosen(self) -> Sequence[int] | Filters:
        """The filters or ids that an action applies to."""
        return self.filters if self.everything else self.ids

    def count(self, matching: int) -> int:
        return matching if self.everything else len(self.ids)

    def after(self, event: GridEvent) -> "GridSelection":
        """The selection after an event of the grid; a click while everything is selected leaves the grid's ids."""
        if self.everything and set(event.selected) == set(self.shown):
            return self
        return replace(self, ids=event.selected, everything=False, turn=self.turn + self.everything)


def selection(about: str, filters: Filters) -> GridSelection:
    """The selection of this session, empty when it was made elsewhere."""
    kept: GridSelection | None = st.session_state.get(_KEY)
    about = f"{about} {filters.to_query()}"
    if kept is None or kept.about != about:
        kept = GridSelection(about, filters, turn=kept.turn + 1 if kept else 0)
        st.session_state[_KEY] = kept
    return kept


def select(ids: Sequence[int] = (), *, everything: bool = False) -> None:
    """Replaces the selection; to be called in a widget's callback."""
    kept: GridSelection = st.session_state[_KEY]
    st.session_state[_KEY] = replace(kept, ids=tuple(ids), everything=everything, turn=kept.turn + 1)


def selected_now() -> GridSelection:
    """The browser's latest selection, for a widget's callback, which runs before the grid is drawn."""
    kept: GridSelection = st.session_state[_KEY]
    return kept.after(decode(st.session_state.get(_GRID) or {}, scope=kept.scope, selected=kept.highlighted))


def selectable_grid(
    tiles: Sequence[Tile], kept: GridSelection, *, tile_size: int, page: int
) -> tuple[GridSelection, int | None]:
    """The grid with the session's selection in it; returns the selection and the id that was opened."""
    kept = replace(kept, page=page, shown=tuple(tile.id for tile in tiles))
    event = image_grid(
        tiles,
        key=_GRID,
        tile_size=tile_size,
        scope=kept.scope,
        selected=kept.highlighted,
        view=str(page),
        label="Samples",
    )
    after = kept.after(event)
    st.session_state[_KEY] = after
    if after.scope != kept.scope:
        st.rerun()
    return after, event.opened
