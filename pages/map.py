"""Map: samples and class weights laid out in two dimensions; draw around a group, look at it, act on it."""

import streamlit as st

from avhcurate.services.mapping import maps_of
from avhcurate.ui import frame, map_start
from avhcurate.ui import map as map_page
from avhcurate.ui.detail import show_details
from avhcurate.ui.gallery import nothing_matches
from avhcurate.ui.heading import subtitle
from avhcurate.ui.jobs import job_panel

st.title("Map")
here = frame.with_run()
subtitle(here, "Where samples lie by angle, with the class weights among them: draw around a group to see its images.")
map_page.go_to_gallery()
job = job_panel(here.workspace)
busy = job is not None and job.active
found = maps_of(here.table)
if not found:
    map_start.first(here, busy=busy)
    st.stop()
if busy:
    map_start.await_map(here, len(found))
if not here.count:
    nothing_matches()

shown = map_page.map_in_view(here, found)
map_page.choose_colours(here, found, shown)
map_page.chart(here, shown)
on_page, opened = map_page.images(here, shown)
with st.expander("Make another map"):
    map_start.form(here, busy=busy)
show_details(here, on_page, opened)
