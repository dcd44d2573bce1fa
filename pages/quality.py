"""Quality: light, sharpness and size of every image, near duplicates, and broken or misnamed files."""

import streamlit as st

from avhcurate.features.quality import service as quality_service
from avhcurate.features.quality import ui as quality_ui
from avhcurate.ui.base import frame
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.grid.detail import show_details
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Quality",
    "Copies, leaks between splits, and images that are dark, blurred, tiny or broken.",
    frame.with_data,
    votes=False,
    terms=[],
)
job_panel()
if not page.samples.measured:
    quality_ui.empty(page)
    st.stop()
if not page.count:
    nothing_matches()

record = quality_service.ready(page.dataset).record
duplicates = quality_ui.find_duplicates(page.samples, page.dataset, page.filters)
odd = quality_ui.find_odd_files(page)
quality_ui.counts(record, duplicates, odd)
view = quality_ui.SHOWN.show(st.segmented_control, "View", quality_ui.VIEWS, label_visibility="collapsed")
if view == "images":
    listed = quality_ui.measures(page)
elif view == "duplicates":
    quality_ui.similarity(page, record)
    listed = quality_ui.groups_grid(page, duplicates)
else:
    listed = quality_ui.show_odd_files(page, odd)
show_details(page, listed)
