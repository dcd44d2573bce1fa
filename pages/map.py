"""Map: samples and class weights in two dimensions; draw around a group to see its images and act on them."""

from dataclasses import replace

import streamlit as st

from avhcurate.features.map import ui as map_ui
from avhcurate.features.map import ui_points as map_ui_points
from avhcurate.features.map import ui_region as map_ui_region
from avhcurate.features.map import ui_start as map_ui_start
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_forms import await_more
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.filter_chips import show_chips
from avhcurate.ui.shell.page_header import title_line

line, menu = title_line("Map", map_ui_start.STORY)
page = replace(frame.with_run(), story=map_ui_start.STORY, help=menu)
show_chips(page)
if not page.run.has_features:
    frame.lacking(page, "embeddings", "A map places images by the angles between their embeddings.")
job_panel()
maps = map_ui_start.maps_of_run(page)
await_more(lambda: len(map_ui_start.maps_of_run(page)))
if not maps:
    map_ui_start.first(page)
    st.stop()
if not page.count:
    nothing_matches()

with line:
    shown = map_ui.choose_map(page, maps)
with st.container(horizontal=True, gap="medium", key="map.sides"):  # in a narrow window one below the other: frame.css
    with st.container():
        map_ui_points.chart(page, shown)
    listed = map_ui_region.images(page, shown)
with st.expander("Make another map"):
    map_ui_start.form(page)
show_details(page, listed)
