"""A grid of samples in an order of the page's own, with the gallery's actions on the selection."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from avhcurate.table.sample import rows_of
from avhcurate.ui import grid_actions
from avhcurate.ui.components.grid import Tile, image_grid
from avhcurate.ui.frame import Opened
from avhcurate.ui.selection import selectable_grid, selection
from avhcurate.ui.tiles import make_tiles, tile_columns
from avhcurate.ui.url_state import TILE_SIZES

#: Samples a page of a narrow grid, and the size of its tiles.
_NARROW_PAGE, _NARROW_TILE = 24, 110


def narrow_grid(
    ids: Sequence[int], tiles_of: Callable[[Sequence[int]], list[Tile]], *, key: str, about: object, label: str
) -> tuple[list[int], int | None]:
    """Samples as small tiles without selection, for half a page; returns the ids shown, and the one just opened.

    The list starts at its first page whenever `about` changes; its page lives in the session.
    """
    pages = -(-len(ids) // _NARROW_PAGE)
    page_key = f"{key}.page.{hash(repr(about))}"
    page = min(int(st.session_state.get(page_key) or 1), pages)
    shown = list(ids[(page - 1) * _NARROW_PAGE : page * _NARROW_PAGE])
    view = f"{page_key} {page}"
    event = image_grid(tiles_of(shown), key=key, tile_size=_NARROW_TILE, view=view, selectable=False, label=label)
    if pages > 1:
        st.pagination(pages, key=page_key, max_visible_pages=5)
    return shown, event.opened


def sample_grid(
    page: Opened,
    ids: Sequence[int],
    *,
    about: str,
    score: str = "avh",
    values: pd.Series | None = None,
    look: Callable[[Tile], Tile] = lambda tile: tile,
    pinned: bool = True,
) -> tuple[list[int], int | None]:
    """One page of `ids` in their order as a grid; returns the ids shown, and the one just opened.

    `about` names the list: a selection made in another is void. `values` by id are those of `score` where the sample
    table has no such column; `look` changes a tile. Actions are pinned to the window, or else follow the grid.
    """
    view = page.view
    part = replace(page, view=replace(view, filters=page.filters.with_(ids=tuple(ids))), count=len(ids))
    number = min(view.page, grid_actions.pages(part))
    shown = list(ids[(number - 1) * view.per_page : number * view.per_page])
    rows = rows_of(page.table, shown, columns=tile_columns("id" if values is not None else score, view.caption))
    if values is not None:
        rows = rows.assign(**{score: values.loc[shown].to_numpy()})
    made = make_tiles(rows, page.table.dataset.name, page.version, score=score, caption=view.caption)
    tiles = list(map(look, made))
    kept = selection(f"{page.table.dataset.name} {page.version} {about}", part.filters)
    chosen, opened = selectable_grid(tiles, kept, tile_size=TILE_SIZES[view.tile], page=number)
    grid_actions.action_bar(part, chosen, number, pinned=pinned)
    return shown, opened
