"""Gallery: look at samples in the order of a score, select some, and tag, relabel, exclude or export them."""

import streamlit as st

from avhcurate.ui import frame, grid_actions
from avhcurate.ui.detail import show_details
from avhcurate.ui.selection import selectable_grid, selection
from avhcurate.ui.tiles import make_tiles, tile_columns
from avhcurate.ui.url_state import TILE_SIZES

page = frame.with_data()
view, table = page.view, page.table

st.title("Gallery")
number = grid_actions.choose_order(page)
if not page.count:
    grid_actions.nothing_matches()

rows = table.page(
    page.filters,
    sort=view.sort,
    descending=view.descending,
    offset=(number - 1) * view.per_page,
    limit=view.per_page,
    columns=tile_columns(view.sort, view.caption),
)
tiles = make_tiles(rows, table.dataset.name, page.version, score=view.sort, caption=view.caption)
kept = selection(f"{table.dataset.name} {page.version}", page.filters)
chosen, opened = selectable_grid(tiles, kept, tile_size=TILE_SIZES[view.tile], page=number)
grid_actions.action_bar(page, chosen, number)

show_details(page, chosen.shown, opened, first=(number - 1) * view.per_page, of=page.count)
