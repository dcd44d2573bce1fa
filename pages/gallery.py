"""Gallery: look at samples in the order of a score, select some, and tag, relabel, exclude or export them."""

from dataclasses import replace

import streamlit as st

from avhcurate.features.map import ui_points
from avhcurate.ui.base import frame, page_choices
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.grid import grid_actions
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.grid.grid_actions import await_words, like_view, words_box
from avhcurate.ui.grid.grid_bar import actions_grid
from avhcurate.ui.grid.grid_views import table_view
from avhcurate.ui.grid.strip import show_strip
from avhcurate.ui.shell.page_header import show_chips, title_line

page = frame.with_data()
story = "Images in the order of a score: open one, select some, and act on them."
line, menu = title_line("Gallery", story)
page = replace(page, story=story, help=menu)
show_strip(page)
with line, in_a_row("center"):
    page_choices.way_back()
    grid_actions.choose_order(page, menu, like=True)
    words_box(page)
    ui_points.choose(page)
    grid_actions.saved_views(page)
await_words(page)
show_chips(page)
if not page.count:
    grid_actions.nothing_matches()

with st.container(horizontal=True, gap="medium", key="map.sides"):  # in a narrow window the map lies below: frame.css
    grid = st.container()
    region = ui_points.in_gallery(page)
with grid:
    view = like_view(page, region) or region or table_view(page)
    actions_grid(page, view, like=True)
show_details(page, view)
