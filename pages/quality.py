"""Quality: light, sharpness and size of every image, near duplicates, and files that are not what they say."""

import streamlit as st

from avhcurate.services import quality
from avhcurate.ui import frame, image_quality
from avhcurate.ui.detail import show_details
from avhcurate.ui.gallery import nothing_matches
from avhcurate.ui.heading import subtitle
from avhcurate.ui.jobs import job_panel

st.title("Quality")
here = frame.with_data()
subtitle(here, "Copies, leaks between splits, and images that are dark, blurred, tiny or broken.", votes=False)
job = job_panel(here.workspace)
busy = job is not None and job.active
if not here.table.measured:
    image_quality.empty(here, busy=busy)
    st.stop()
if not here.count:
    nothing_matches()

record = quality.ready(here.table).record
found = image_quality.find_duplicates(here.table, here.filters)
image_quality.counts(here, record, found, len(quality.odd_files(here.table, here.filters)))
view = image_quality.choose_view(here)
if view == "images":
    shown, opened = image_quality.measures(here)
elif view == "duplicates":
    image_quality.similarity(here, record, busy=busy)
    shown, opened = image_quality.duplicates(here, found)
else:
    shown, opened = image_quality.odd_files(here)
show_details(here, shown, opened)
