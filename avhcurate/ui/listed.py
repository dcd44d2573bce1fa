"""A grid of samples in an order that a page has worked out, with the gallery's actions for those selected."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from avhcurate.services.inspecting import rows_of
from avhcurate.ui import gallery
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.frame import Opened
from avhcurate.ui.selection import selectable_grid, selection
from avhcurate.ui.state import TILE_SIZES
from avhcurate.ui.tiles import make_tiles, tile_columns


def sample_grid(
    here: Opened,
    ids: Sequence[int],
    *,
    about: str,
    score: str = "avh",
    values: pd.Series | None = None,
    look: Callable[[Tile], Tile] = lambda tile: tile,
    pinned: bool = True,
) -> tuple[list[int], int | None]:
    """One page of `ids` in their order as a grid; the ids on show, and the one just opened.

    `about` names what the list is: a selection made in another is void. `values` by id are those of `score` where the
    sample table has no such column; `look` changes a tile as this page wants it. Actions are pinned to the
    window, or else follow the grid, where that is one part of a long page.
    """
    view = here.view
    part = replace(here, view=replace(view, filters=view.filters.with_(ids=tuple(ids))), count=len(ids))
    page = min(view.page, gallery.pages(part))
    shown = list(ids[(page - 1) * view.per_page : page * view.per_page])
    rows = rows_of(here.table, shown, columns=tile_columns("id" if values is not None else score))
    if values is not None:
        rows = rows.assign(**{score: values.loc[shown].to_numpy()})
    tiles = [look(tile) for tile in make_tiles(rows, here.table.dataset.name, here.version, score=score)]
    kept = selection(f"{here.table.dataset.name} {here.version} {about}", part.filters)
    chosen, opened = selectable_grid(tiles, kept, tile_size=TILE_SIZES[view.tile], page=page)
    gallery.action_bar(part, chosen, page, pinned=pinned)
    return shown, opened
