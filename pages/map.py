"""Map: samples and class weights in two dimensions; draw around a group to see its images and act on them."""

import streamlit as st

from avhcurate.map import ui as map_ui
from avhcurate.map import ui_region as map_ui_region
from avhcurate.map import ui_start as map_ui_start
from avhcurate.ui import frame
from avhcurate.ui.detail import show_details
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle

st.title("Map")
here = frame.with_run()
subtitle(here, "Where samples lie by angle, with the class weights among them: draw around a group to see its images.")
map_ui_region.go_to_gallery()
job = job_panel(here.workspace)
busy = job is not None and job.active
maps = map_ui_start.maps_of_run(here)
if not maps:
    map_ui_start.first(here, busy=busy)
    st.stop()
if busy:
    map_ui_start.await_map(here, len(maps))
if not here.count:
    nothing_matches()

shown = map_ui.map_in_view(here, maps)
map_ui.choose_colours(here, maps, shown)
map_ui.chart(here, shown)
on_page, opened = map_ui_region.images(here, shown)
with st.expander("Make another map"):
    map_ui_start.form(here, busy=busy)
show_details(here, on_page, opened)
