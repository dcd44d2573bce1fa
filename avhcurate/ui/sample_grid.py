"""Grids of samples in an order of the page's own: half a page wide, or with the gallery's actions on the selection."""

from collections.abc import Callable, Sequence

import pandas as pd

from avhcurate.ui.components.grid import Tile
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import actions_grid
from avhcurate.ui.grid_views import GridView, list_view
from avhcurate.ui.selection import browsing_grid
from avhcurate.ui.url_state import TILE_SIZES

#: The size of the tiles of a narrow grid.
_NARROW_TILE = 110


def narrow_grid(
    page: Opened,
    ids: Sequence[int],
    *,
    key: str,
    label: str,
    score: str,
    look: Callable[[Tile], Tile] = lambda tile: tile,
) -> GridView:
    """Samples as small tiles without selection, for half a page; returns the view of them."""
    view = list_view(page, ids, about=f"{key} {label}", score=score, look=look)
    browsing_grid(view, key=key, tile_size=_NARROW_TILE, label=label)
    return view


def sample_grid(
    page: Opened,
    ids: Sequence[int],
    *,
    about: str,
    score: str | None = None,
    values: pd.Series | None = None,
    look: Callable[[Tile], Tile] = lambda tile: tile,
    narrow: bool = False,
) -> GridView:
    """`ids` in their order as a grid, `narrow` with smaller tiles; returns the view of them.

    `about` names the list: a selection made in another is void. `values` by id are those of `score` where the sample
    table has no such column; `look` changes a tile.
    """
    view = list_view(page, ids, about=about, score=score, values=values, look=look)
    size = TILE_SIZES[page.view.tile]
    actions_grid(page, view, tile_size=size * 3 // 4 if narrow else size, part=True)
    return view
