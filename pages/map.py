"""Map: samples and class weights in two dimensions; draw around a group to see its images and act on them."""

from dataclasses import replace

import streamlit as st

from avhcurate.features.map import ui as map_ui
from avhcurate.features.map.store import maps
from avhcurate.features.map.ui_points import chart, images
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_forms import await_more
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.grid.strip import show_strip
from avhcurate.ui.shell.page_header import show_chips, title_line

line, menu = title_line("Map", map_ui.STORY)
page = replace(frame.with_run(), story=map_ui.STORY, help=menu)
show_strip(page)
show_chips(page)
if not page.run.has_features:
    frame.lacking(page, "embeddings", "A map places images by the angles between their embeddings.")
job_panel()
map_ui.without_classes(page)
folders = maps(page.run)
await_more(lambda: len(maps(page.run)))
if not folders:
    map_ui.first(page)
    st.stop()
if not page.count:
    nothing_matches()

with line:
    shown = map_ui.choose_map(page, folders)
with st.container(horizontal=True, gap="medium", key="map.sides"):  # in a narrow window one below the other: frame.css
    with st.container():
        chart(page, shown)
    listed = images(page, shown)
with st.expander("Make another map"):
    map_ui.form(page)
show_details(page, listed)
