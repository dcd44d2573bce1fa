"""Gallery: look at samples in the order of a score, select some, and tag, relabel, exclude or export them."""

import streamlit as st

from avhcurate.ui import frame, grid_actions
from avhcurate.ui.detail import show_details
from avhcurate.ui.selection import selectable_grid, selection
from avhcurate.ui.tiles import make_tiles, tile_columns
from avhcurate.ui.url_state import TILE_SIZES

here = frame.with_data()
view, table = here.view, here.table

st.title("Gallery")
page = grid_actions.choose_order(here)
if not here.count:
    grid_actions.nothing_matches()

rows = table.page(
    view.filters,
    sort=view.sort,
    descending=view.descending,
    offset=(page - 1) * view.per_page,
    limit=view.per_page,
    columns=tile_columns(view.sort),
)
tiles = make_tiles(rows, table.dataset.name, here.version, score=view.sort)
kept = selection(f"{table.dataset.name} {here.version}", view.filters)
chosen, opened = selectable_grid(tiles, kept, tile_size=TILE_SIZES[view.tile], page=page)
grid_actions.action_bar(here, chosen, page)

show_details(here, chosen.shown, opened, first=(page - 1) * view.per_page, of=here.count)
