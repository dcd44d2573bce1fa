"""Quality: light, sharpness and size of every image, near duplicates, and broken or misnamed files."""

import streamlit as st

from avhcurate.quality import service as quality_service
from avhcurate.quality import ui as quality_ui
from avhcurate.ui import frame
from avhcurate.ui.detail import show_details
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.page_header import subtitle

st.title("Quality")
here = frame.with_data()
subtitle(here, "Copies, leaks between splits, and images that are dark, blurred, tiny or broken.", votes=False)
job = job_panel(here.workspace)
busy = job is not None and job.active
if not here.table.measured:
    quality_ui.empty(here, busy=busy)
    st.stop()
if not here.count:
    nothing_matches()

record = quality_service.ready(here.table).record
duplicates = quality_ui.find_duplicates(here.table, here.filters)
quality_ui.counts(record, duplicates, len(quality_service.odd_files(here.table, here.filters)))
view = quality_ui.choose_view(here)
if view == "images":
    shown, opened = quality_ui.measures(here)
elif view == "duplicates":
    quality_ui.similarity(here, record, busy=busy)
    shown, opened = quality_ui.groups_grid(here, duplicates)
else:
    shown, opened = quality_ui.odd_files(here)
show_details(here, shown, opened)
